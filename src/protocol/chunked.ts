/**
 * A body in chunks (RFC 9112, 7.1), for codec.ts alone. Strict: a size is one to eight hex digits,
 * nothing stands between size and extension, each chunk ends with CR LF. Extensions and trailers
 * are dropped, and bounded by headerBytesMax together so that they cannot be sent for ever.
 */
import type { Buffer } from 'node:buffer';
import { FramingError } from '../errors.js';
import { BodyCollector } from './body.js';
import {
  LINE_END,
  bodyTooLarge,
  parseHeaderLine,
  tooManyHeaders,
  type DecoderLimits,
} from './head.js';
import type { LineReader } from './line-reader.js';

const Phase = { size: 0, data: 1, end: 2, trailers: 3 } as const;
type Phase = (typeof Phase)[keyof typeof Phase];

/** 4 GiB is above any limit of a body. */
const SIZE_DIGITS_MAX = 8;

export class ChunkedReader {
  readonly #lines: LineReader;
  readonly #limits: DecoderLimits;
  readonly #body: BodyCollector;
  #phase: Phase = Phase.size;
  /** Bytes of this chunk, or of the CR LF behind it, that are still to come. */
  #bytesLeft = 0;
  #headerBytesLeft: number;
  #trailerCount = 0;

  constructor(lines: LineReader, limits: DecoderLimits) {
    this.#lines = lines;
    this.#limits = limits;
    this.#body = new BodyCollector(limits.bodyBytesMax);
    this.#headerBytesLeft = limits.headerBytesMax;
  }

  /** Reads on in the chunk at hand; the body when it is complete, else null. */
  read(): Buffer | null {
    const lines = this.#lines;
    while (lines.position < lines.chunk.length) {
      switch (this.#phase) {
        case Phase.size:
          this.#readSize();
          break;
        case Phase.data:
          this.#readData();
          break;
        case Phase.end:
          this.#readEnd();
          break;
        case Phase.trailers:
          if (this.#readTrailer()) return this.#body.finish();
      }
    }
    return null;
  }

  #readSize(): void {
    const lines = this.#lines;
    if (!lines.read(this.#headerBytesLeft + SIZE_DIGITS_MAX + LINE_END.length)) return;
    const line = lines.text.slice(lines.start, lines.end);
    const match = /^([0-9A-Fa-f]{1,8})(;[\t\x20-\x7e\x80-\xff]*)?\r\n$/.exec(line);
    if (!match) throw new FramingError(400, 'Chunk size must be one to eight hex digits');
    this.#headerBytesLeft -= match[2]?.length ?? 0;
    if (this.#headerBytesLeft < 0) {
      const reason = 'Chunk extensions are larger than headerBytesMax';
      throw new FramingError(431, reason, 'headerBytesMax');
    }
    const size = parseInt(match[1] ?? '', 16);
    if (this.#body.length + size > this.#limits.bodyBytesMax) throw bodyTooLarge(this.#limits);
    this.#bytesLeft = size;
    this.#phase = size === 0 ? Phase.trailers : Phase.data;
  }

  #readData(): void {
    const lines = this.#lines;
    const { chunk, position } = lines;
    const end = Math.min(chunk.length, position + this.#bytesLeft);
    this.#body.append(chunk, position, end);
    this.#bytesLeft -= end - position;
    lines.position = end;
    if (this.#bytesLeft > 0) return;
    this.#bytesLeft = LINE_END.length;
    this.#phase = Phase.end;
  }

  #readEnd(): void {
    const lines = this.#lines;
    const expected = LINE_END.charCodeAt(LINE_END.length - this.#bytesLeft);
    if (lines.chunk[lines.position] !== expected) {
      throw new FramingError(400, 'Chunk is longer than its size');
    }
    lines.position++;
    if (--this.#bytesLeft === 0) this.#phase = Phase.size;
  }

  /** True at the empty line that ends the body. */
  #readTrailer(): boolean {
    const lines = this.#lines;
    if (!lines.read(this.#headerBytesLeft)) return false;
    const line = lines.text.slice(lines.start, lines.end);
    if (line === LINE_END) return true;
    parseHeaderLine(line);
    if (++this.#trailerCount > this.#limits.headersMax) {
      throw tooManyHeaders('trailers', this.#limits.headersMax);
    }
    this.#headerBytesLeft -= line.length;
    return false;
  }
}
