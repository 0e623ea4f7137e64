/**
 * Cuts a stream of bytes into replies: deliberately not the codec of src/protocol, so that a fault
 * there shows. Used by Client. Throws on anything that is not a well-formed reply with a content-
 * length.
 */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';

export interface Reply {
  readonly status: number;
  /** By lower-case name, in the order they came; values as latin1. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

const BLANK_LINE = '\r\n\r\n';
const BODYLESS = new Set([204, 304]);

export class ReplyParser {
  readonly #onReply: (reply: Reply) => void;
  #chunks: Buffer[] = [];
  #bytes = 0;
  /** No use in looking before this many bytes are there. */
  #bytesNeeded = 1;

  constructor(onReply: (reply: Reply) => void) {
    this.#onReply = onReply;
  }

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes < this.#bytesNeeded) return;
    const bytes = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks);
    const position = this.#parse(bytes);
    this.#chunks = position < bytes.length ? [bytes.subarray(position)] : [];
    this.#bytes = bytes.length - position;
  }

  #parse(bytes: Buffer): number {
    let position = 0;
    for (;;) {
      this.#bytesNeeded = bytes.length - position + 1;
      const blank = bytes.indexOf(BLANK_LINE, position, 'latin1');
      if (blank < 0) return position;
      const { status, headers } = parseHead(bytes.toString('latin1', position, blank));
      const bodyStart = blank + BLANK_LINE.length;
      const bodyEnd = bodyStart + bodyLength(status, headers);
      if (bytes.length < bodyEnd) {
        this.#bytesNeeded = bodyEnd - position;
        return position;
      }
      this.#onReply({ status, headers, body: bytes.subarray(bodyStart, bodyEnd) });
      position = bodyEnd;
    }
  }
}

/** True for what a broker that is being stopped answers to what it does not do any more. */
export function isStopping({ status, headers }: Reply): boolean {
  return status === 503 && headers.get('retry-after') === '1';
}

/** The whole replies that `bytes` holds. */
export function parseReplies(bytes: Buffer): Reply[] {
  const replies: Reply[] = [];
  const parser = new ReplyParser((reply) => {
    replies.push(reply);
  });
  parser.push(bytes);
  return replies;
}

function parseHead(text: string): { status: number; headers: Map<string, string> } {
  const [statusLine = '', ...lines] = text.split('\r\n');
  const status = Number(/^HTTP\/1\.1 (\d{3}) [^\r\n]+$/.exec(statusLine)?.[1]);
  assert(status >= 100, `not a status line: ${JSON.stringify(statusLine)}`);
  const headers = new Map<string, string>();
  for (const line of lines) {
    const [, name, value] = /^([^:\s]+): (.*)$/.exec(line) ?? [];
    assert(name !== undefined && value !== undefined, `not a header: ${JSON.stringify(line)}`);
    assert.equal(name, name.toLowerCase(), 'header names are lower case');
    assert(!headers.has(name), `header twice: ${name}`);
    headers.set(name, value);
  }
  return { status, headers };
}

function bodyLength(status: number, headers: ReadonlyMap<string, string>): number {
  const length = headers.get('content-length');
  if (BODYLESS.has(status)) {
    assert.equal(length, undefined, `a ${status} names a length`);
    return 0;
  }
  assert(length !== undefined && /^\d+$/.test(length), `bad content-length: ${String(length)}`);
  return Number(length);
}
