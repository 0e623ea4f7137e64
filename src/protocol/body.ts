/**
 * A body that comes in several pieces, for codec.ts alone. Memory follows what has arrived, not
 * what was announced, and small pieces do not pin the chunks they came in.
 */
import { Buffer } from 'node:buffer';

const FIRST_BYTES = 4096;

export class BodyCollector {
  readonly #lengthMax: number;
  #bytes = Buffer.alloc(0);
  #length = 0;

  /** `lengthMax`: what the body cannot exceed, as announced or as the limit says. */
  constructor(lengthMax: number) {
    this.#lengthMax = lengthMax;
  }

  get length(): number {
    return this.#length;
  }

  append(chunk: Buffer, start: number, end: number): void {
    const length = this.#length + end - start;
    if (length > this.#bytes.length) {
      const room = Math.min(this.#lengthMax, Math.max(FIRST_BYTES, 2 * length));
      const grown = Buffer.allocUnsafeSlow(room);
      this.#bytes.copy(grown, 0, 0, this.#length);
      this.#bytes = grown;
    }
    chunk.copy(this.#bytes, this.#length, start, end);
    this.#length = length;
  }

  /** The body so far; the collector must not be used behind this. */
  finish(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }
}
