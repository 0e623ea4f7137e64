/**
 * Appends that wait for a level, in the order of their offsets. Used by DiskQueue, once for the
 * write and once for the sync.
 */
import type { ZbusError } from '../errors.js';
import type { AckLevel, AppendDone } from './queue.js';

interface PendingAppend {
  readonly offset: number;
  readonly bytes: number;
  /** null when nobody waits (level none), and the record counts for `bytes` alone. */
  readonly done: AppendDone | null;
}

/** Completed entries are cut off once there are this many, so that shifting costs little. */
const COMPACT_AT = 1024;

export class PendingAppends {
  #entries: PendingAppend[] = [];
  #head = 0;
  #bytes = 0;

  /** Bytes that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Offset of the first that waits; Infinity when none does. */
  get firstOffset(): number {
    return this.#entries[this.#head]?.offset ?? Infinity;
  }

  push(offset: number, bytes: number, done: AppendDone | null): void {
    this.#bytes += bytes;
    this.#entries.push({ offset, bytes, done });
  }

  completeBelow(end: number, reached: AckLevel): void {
    for (;;) {
      const entry = this.#entries[this.#head];
      if (entry === undefined || entry.offset >= end) break;
      this.#head++;
      this.#bytes -= entry.bytes;
      entry.done?.(null, entry.offset, reached);
    }
    if (this.#head === this.#entries.length) {
      this.#entries = [];
      this.#head = 0;
    } else if (this.#head >= COMPACT_AT) {
      this.#entries.splice(0, this.#head);
      this.#head = 0;
    }
  }

  /** Fails every append at or above `offset`. */
  failFrom(offset: number, error: ZbusError): void {
    let first = this.#entries.length;
    while (first > this.#head && (this.#entries[first - 1]?.offset ?? -1) >= offset) first--;
    for (const entry of this.#entries.splice(first)) {
      this.#bytes -= entry.bytes;
      entry.done?.(error, -1, 'none');
    }
  }
}
