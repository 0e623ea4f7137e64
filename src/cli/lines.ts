/**
 * Bytes that come in chunks, as lines or as a whole. Used by produce. Promises that no more is kept
 * in memory than one chunk and the line that is not complete, and that this is bounded.
 */
import { Buffer } from 'node:buffer';
import { CommandError } from './outcome.js';

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/**
 * Each line without its end, which is \n or \r\n; what stands behind the last one is a line, too.
 * Throws CommandError for a line of more than `bytesMax`.
 */
export async function* linesOf(
  chunks: AsyncIterable<Buffer>,
  bytesMax: number,
): AsyncGenerator<Buffer, void> {
  let lineNumber = 1;
  let begun: Buffer[] = [];
  let begunBytes = 0;
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED, start)) {
      checkLength(begunBytes + end - start, bytesMax, `line ${lineNumber}`);
      yield withoutReturn(Buffer.concat([...begun, chunk.subarray(start, end)]));
      lineNumber++;
      begun = [];
      begunBytes = 0;
      start = end + 1;
    }
    begun.push(chunk.subarray(start));
    begunBytes += chunk.length - start;
    checkLength(begunBytes, bytesMax, `line ${lineNumber}`);
  }
  if (begunBytes > 0) yield withoutReturn(Buffer.concat(begun));
}

/** All of it. Throws CommandError beyond `bytesMax`. */
export async function wholeOf(chunks: AsyncIterable<Buffer>, bytesMax: number): Promise<Buffer> {
  const read: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    read.push(chunk);
    bytes += chunk.length;
    checkLength(bytes, bytesMax, 'the message');
  }
  return Buffer.concat(read);
}

function withoutReturn(line: Buffer): Buffer {
  return line[line.length - 1] === CARRIAGE_RETURN ? line.subarray(0, -1) : line;
}

function checkLength(bytes: number, bytesMax: number, what: string): void {
  if (bytes <= bytesMax) return;
  throw new CommandError(
    `${what} has more than ${bytesMax} bytes, the most that a message may have`,
  );
}
