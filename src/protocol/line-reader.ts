/**
 * Lines out of chunks of bytes, for codec.ts alone. A line ends with CR LF; a CR or LF on its own
 * is refused (RFC 9112, 2.2). Any cutting of the bytes gives the same lines and the same error,
 * each byte is looked at a bounded number of times, and what is kept between chunks is at most one
 * unfinished line.
 */
import { Buffer } from 'node:buffer';
import { FramingError, type FramingStatus } from '../errors.js';

const CR = 13;
const LF = 10;

/** Bytes turned into a string at a time: several small messages share one conversion. */
const WINDOW_BYTES = 4096;
/**
 * A larger buffer is not kept for the next unfinished line, so that idle connections stay small.
 */
const KEPT_BYTES_MAX = 512;

const NO_BYTES = Buffer.alloc(0);

export class LineReader {
  /** The line just read is text[start .. end), latin1, its CR LF included. */
  text = '';
  start = 0;
  end = 0;
  /** The chunk being read, and how much of it was taken; the owner moves it over bodies. */
  chunk: Buffer = NO_BYTES;
  position = 0;
  #textPosition = 0;
  /** What the line being read is refused with when it is too long. */
  #tooLong: FramingStatus = 431;
  #partial: Buffer = NO_BYTES;
  #partialLength = 0;

  /** True while the beginning of a line waits for its rest. */
  get pending(): boolean {
    return this.#partialLength > 0;
  }

  feed(chunk: Buffer): void {
    this.chunk = chunk;
    this.position = 0;
    this.#dropText();
  }

  /** Lets go of the chunk, so that it does not outlive its turn. */
  release(): void {
    this.chunk = NO_BYTES;
    this.position = 0;
    this.#dropText();
  }

  /**
   * Takes `known`, a whole head that was read before, when the next bytes of this chunk are the
   * same. A head that differs mostly ends elsewhere, which shows without a call.
   */
  takeHead(known: Buffer): boolean {
    const { chunk, position } = this;
    const { length } = known;
    const end = position + length;
    if (this.#partialLength > 0 || chunk[end - 1] !== LF || chunk[end - 3] !== LF) return false;
    if (known.compare(chunk, position, end) !== 0) return false;
    this.position = end;
    return true;
  }

  /**
   * Takes `known`, a line that was read before, when the next bytes of this chunk are the same.
   * Byte by byte: for so few that is faster than any call.
   */
  take(known: Buffer): boolean {
    const { chunk, position } = this;
    const { length } = known;
    if (this.#partialLength > 0 || chunk.length - position < length) return false;
    for (let i = 0; i < length; i++) if (chunk[position + i] !== known[i]) return false;
    this.position = position + length;
    return true;
  }

  /**
   * Reads the next line; false when its end is not here yet. A line that takes more than
   * `bytesMax`, its end included, is refused with `tooLong` as soon as that is known.
   */
  read(bytesMax: number, tooLong: FramingStatus = 431): boolean {
    this.#tooLong = tooLong;
    if (this.#partialLength > 0) return this.#readOn(bytesMax);
    if (this.position - this.#textPosition >= this.text.length) this.#look(WINDOW_BYTES);
    let start = this.position - this.#textPosition;
    let end = this.text.indexOf('\r', start);
    if (end === -1 || end + 1 === this.text.length) {
      if (this.#textPosition + this.text.length < this.chunk.length) {
        this.#look(bytesMax + 2);
        start = 0;
        end = this.text.indexOf('\r');
      }
      if (end === -1 || end + 1 === this.text.length) return this.#keep(start, bytesMax);
    }
    if (end + 2 - start > bytesMax) throw this.#overLimit(start, bytesMax);
    const lineFeed = this.text.indexOf('\n', start);
    if (lineFeed !== -1 && lineFeed < end) throw bareLineFeed();
    if (lineFeed !== end + 1) throw bareCarriageReturn();
    this.start = start;
    this.end = end + 2;
    this.position += end + 2 - start;
    return true;
  }

  /** Turns the bytes at the position into text. */
  #look(bytes: number): void {
    const end = Math.min(this.chunk.length, this.position + bytes);
    this.text = this.chunk.toString('latin1', this.position, end);
    this.#textPosition = this.position;
  }

  #dropText(): void {
    this.text = '';
    this.#textPosition = 0;
  }

  /** Keeps the unfinished line at the end of the chunk. */
  #keep(start: number, bytesMax: number): false {
    const length = this.text.length - start;
    if (length > bytesMax) throw this.#overLimit(start, bytesMax);
    if (this.text.includes('\n', start)) throw bareLineFeed();
    this.#reserve(length);
    this.chunk.copy(this.#partial, 0, this.position);
    this.#partialLength = length;
    this.position = this.chunk.length;
    return false;
  }

  /** Goes on with a line whose beginning came in an earlier chunk. */
  #readOn(bytesMax: number): boolean {
    const { chunk } = this;
    let length = this.#partialLength;
    let previous = this.#partial[length - 1];
    for (let position = this.position; position < chunk.length; position++) {
      const byte = chunk[position] ?? 0;
      if (length === this.#partial.length) this.#reserve(length + 1);
      this.#partial[length++] = byte;
      if (byte === LF || previous === CR || length > bytesMax) {
        this.position = position + 1;
        this.#finish(length, bytesMax);
        return true;
      }
      previous = byte;
    }
    this.#partialLength = length;
    this.position = chunk.length;
    return false;
  }

  #finish(length: number, bytesMax: number): void {
    if (length > bytesMax) throw overLimit(this.#tooLong);
    this.text = this.#partial.toString('latin1', 0, length);
    this.#textPosition = this.position - length;
    this.#partialLength = 0;
    if (this.#partial.length > KEPT_BYTES_MAX) this.#partial = NO_BYTES;
    if (this.text.charCodeAt(length - 1) !== LF) throw bareCarriageReturn();
    if (this.text.charCodeAt(length - 2) !== CR) throw bareLineFeed();
    this.start = 0;
    this.end = length;
  }

  /** A bare LF among the bytes that are allowed comes first, as it would byte by byte. */
  #overLimit(start: number, bytesMax: number): FramingError {
    const lineFeed = this.text.indexOf('\n', start);
    const first = lineFeed !== -1 && lineFeed < start + bytesMax;
    return first ? bareLineFeed() : overLimit(this.#tooLong);
  }

  #reserve(length: number): void {
    if (length <= this.#partial.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(64, 2 * length));
    this.#partial.copy(grown, 0, 0, this.#partial.length);
    this.#partial = grown;
  }
}

function overLimit(status: FramingStatus): FramingError {
  const what = status === 414 ? 'Request line' : 'Header block';
  return new FramingError(status, `${what} is larger than headerBytesMax`, 'headerBytesMax');
}

function bareLineFeed(): FramingError {
  return new FramingError(400, 'LF without CR before it');
}

function bareCarriageReturn(): FramingError {
  return new FramingError(400, 'CR without LF behind it');
}
