/**
 * A reader of the disk queue: one native call fills one Buffer with as many whole records as fit;
 * what is not in the page cache is read on the thread pool. Made by DiskQueue.openReader; the
 * Buffers grow with the use made of them, from one page to what the caller allows.
 */
import { Buffer } from 'node:buffer';
import { TableBatch } from './batch.js';
import {
  type Addon,
  READ_ROWS,
  READ_WIDTH,
  type NativeError,
  type ReaderHandle,
  storageError,
} from './native.js';
import type { QueueReader, ReadDone } from './queue.js';

const FIRST_READ_BYTES = 4096;
/**
 * Stored records are seldom shorter, so a table of this many rows a byte seldom ends a batch early.
 */
const BYTES_PER_ROW = 128;
const ROWS_MIN = 8;
const NEXT_OFFSET = 0;
const BYTES_NEEDED = 1;

export class DiskReader implements QueueReader {
  readonly #addon: Addon;
  readonly #handle: ReaderHandle;
  readonly #readableEnd: () => number;
  #position: number;
  #readBytes = FIRST_READ_BYTES;
  #reading = false;
  #closed = false;
  /** A seek asked for while the thread pool holds the reader. */
  #seekTo: number | null = null;

  constructor(addon: Addon, handle: ReaderHandle, offset: number, readableEnd: () => number) {
    this.#addon = addon;
    this.#handle = handle;
    this.#position = offset;
    this.#readableEnd = readableEnd;
  }

  read(maxBytes: number, done: ReadDone): void {
    if (this.#reading) throw new Error('one read at a time');
    const end = this.#readableEnd();
    if (this.#closed || this.#position >= end) {
      done(null, TableBatch.empty(this.#position));
      return;
    }
    this.#attempt(Math.min(this.#readBytes, maxBytes), maxBytes, end, done);
  }

  seek(offset: number): void {
    if (this.#reading) {
      this.#seekTo = offset;
      return;
    }
    this.#addon.reader_seek(this.#handle, offset);
    this.#position = offset;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (!this.#reading) this.#addon.reader_close(this.#handle);
  }

  #attempt(bytes: number, maxBytes: number, end: number, done: ReadDone): void {
    const buffer =
      bytes <= FIRST_READ_BYTES ? Buffer.allocUnsafe(bytes) : Buffer.allocUnsafeSlow(bytes);
    const rows = Math.max(ROWS_MIN, Math.ceil(bytes / BYTES_PER_ROW));
    const table = new Float64Array(READ_ROWS + rows * READ_WIDTH);
    let count: number;
    try {
      count = this.#addon.reader_read(this.#handle, buffer, table, end);
    } catch (error) {
      done(storageError(error), TableBatch.empty(this.#position));
      return;
    }
    if (count >= 0) {
      this.#finish(buffer, table, count, maxBytes, end, done);
      return;
    }
    this.#reading = true;
    const landed = (error: NativeError | null, landedCount: number): void => {
      this.#reading = false;
      this.#landed(error, buffer, table, landedCount, maxBytes, end, done);
    };
    this.#addon.reader_read_async(this.#handle, buffer, table, end, landed);
  }

  #landed(
    error: NativeError | null,
    buffer: Buffer,
    table: Float64Array,
    count: number,
    maxBytes: number,
    end: number,
    done: ReadDone,
  ): void {
    if (this.#closed) {
      this.#addon.reader_close(this.#handle);
      done(null, TableBatch.empty(this.#position));
      return;
    }
    if (this.#seekTo !== null) {
      const target = this.#seekTo;
      this.#seekTo = null;
      this.seek(target);
      done(null, TableBatch.empty(target));
      return;
    }
    if (error !== null) {
      done(storageError(error), TableBatch.empty(this.#position));
      return;
    }
    this.#finish(buffer, table, count, maxBytes, end, done);
  }

  #finish(
    buffer: Buffer,
    table: Float64Array,
    count: number,
    maxBytes: number,
    end: number,
    done: ReadDone,
  ): void {
    const needed = table[BYTES_NEEDED] ?? 0;
    if (count === 0 && needed > buffer.length) {
      this.#attempt(needed, Math.max(needed, maxBytes), end, done);
      return;
    }
    this.#position = table[NEXT_OFFSET] ?? this.#position;
    this.#readBytes =
      this.#position < end ? Math.min(buffer.length * 2, maxBytes) : FIRST_READ_BYTES;
    done(null, new TableBatch(buffer, table, count, this.#position));
  }
}
