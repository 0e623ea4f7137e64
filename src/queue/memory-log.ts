/**
 * The records of a memory queue by offset, and the bytes they hold. Owned by one MemoryQueue.
 * Appending one and dropping one from the front cost the same however many there are.
 */
import type { Buffer } from 'node:buffer';

export interface MemoryRecord {
  readonly timestampMs: number;
  readonly tag: string;
  /** Key of the only group the record is for; undefined: it is for all. */
  readonly group: string | undefined;
  /** id, tag and wire bytes, one after the other. */
  readonly bytes: Buffer;
  readonly tagStart: number;
  readonly wireStart: number;
}

/** What a record costs beside its bytes. */
const RECORD_OVERHEAD_BYTES = 128;
/** Places of dropped records are cut off once they are half of all and at least as many as this. */
const COMPACT_AT = 1024;

/** What a record whose fields have `bytes` bytes counts for. */
export function recordCost(bytes: number): number {
  return bytes + RECORD_OVERHEAD_BYTES;
}

export class MemoryLog {
  /** undefined where the record was dropped, so that its bytes are free at once. */
  #places: (MemoryRecord | undefined)[] = [];
  /** Places before it were dropped. */
  #head = 0;
  #firstOffset = 0;
  #bytes = 0;

  get firstOffset(): number {
    return this.#firstOffset;
  }

  get nextOffset(): number {
    return this.#firstOffset + this.#places.length - this.#head;
  }

  get bytes(): number {
    return this.#bytes;
  }

  push(record: MemoryRecord): void {
    this.#places.push(record);
    this.#bytes += recordCost(record.bytes.length);
  }

  /** undefined when it was dropped or is not there yet. */
  at(offset: number): MemoryRecord | undefined {
    if (offset < this.#firstOffset) return undefined;
    return this.#places[this.#head + offset - this.#firstOffset];
  }

  /** Drops every record below `end`. */
  dropBefore(end: number): void {
    for (; this.#firstOffset < end; this.#firstOffset++, this.#head++) {
      const record = this.#places[this.#head];
      if (record === undefined) break;
      this.#bytes -= recordCost(record.bytes.length);
      this.#places[this.#head] = undefined;
    }
    if (this.#head < COMPACT_AT || this.#head * 2 < this.#places.length) return;
    this.#places = this.#places.slice(this.#head);
    this.#head = 0;
  }

  /** First offset stored at or after `timeMs`; `nextOffset` when there is none. */
  findTime(timeMs: number): number {
    let low = this.#firstOffset;
    let high = this.nextOffset;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if ((this.at(middle)?.timestampMs ?? 0) < timeMs) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
