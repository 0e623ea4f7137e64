/**
 * What a consume group reads: new messages in batches ahead of its consumers, and one by one those
 * that came back. Owned by ConsumeGroup. Promises that a batch read before the group was moved is
 * never handed out.
 */
import type { Queue, QueueReader, RecordBatch } from '../queue/queue.js';
import { BATCH_BYTES, type BatchBudget, type BatchHolder } from './batch-budget.js';
import type { GroupPositions } from './group-positions.js';
import type { Lease } from './lease.js';

export interface GroupReaderContext {
  readonly queue: Queue;
  readonly budget: BatchBudget;
  readonly positions: GroupPositions;
  /** Addressed to by records that are for one group alone. */
  readonly groupKey: string;
  /** There may be something to hand out now. */
  readonly ready: () => void;
  /** Messages that are not for this group were passed. */
  readonly skipped: () => void;
  readonly failed: (error: Error) => void;
}

export class GroupReader implements BatchHolder {
  /** The place of the next new record in the batch that `peek` returned. */
  index = 0;
  readonly #context: GroupReaderContext;
  #reader: QueueReader;
  #batch: RecordBatch | null = null;
  #reading = false;
  /** The message that came back last, once it was read again. */
  #again: RecordBatch | null = null;
  #readingAgain: Lease | null = null;

  constructor(context: GroupReaderContext, filter: string) {
    this.#context = context;
    this.#reader = this.#open(filter);
  }

  /** The batch whose record `index` is the next new one; null while none is at hand. */
  peek(): RecordBatch | null {
    if (this.#batch === null || this.index === this.#batch.count) this.#read();
    return this.#batch;
  }

  /**
   * The message of `lease`, as the one record of a batch; null while it is read, or when `gone`
   * was called because it is no longer in the log.
   */
  readAgain(lease: Lease, gone: (lease: Lease) => void): RecordBatch | null {
    if (this.#again?.offset(0) === lease.offset) return this.#again;
    if (this.#readingAgain !== null) return null;
    this.#again = null;
    this.#readingAgain = lease;
    let returned = false;
    this.#context.queue.readOne(lease.offset, (error, batch) => {
      // Forgotten meanwhile: the group was moved.
      if (this.#readingAgain !== lease) return;
      this.#readingAgain = null;
      if (error !== null) this.#context.failed(error);
      else if (batch.count === 0) gone(lease);
      else this.#again = batch;
      if (returned && error === null) this.#context.ready();
    });
    returned = true;
    return this.#again;
  }

  /** Reads on at the group's next offset, under another filter. */
  refilter(filter: string): void {
    this.#reader.close();
    this.forget();
    this.#reader = this.#open(filter);
  }

  /** Reads on at the group's next offset. */
  restart(): void {
    this.forget();
    this.#reader.seek(this.#context.positions.next);
  }

  dropBatch(): void {
    if (this.#batch === null) return;
    this.#batch = null;
    this.#reader.seek(this.#context.positions.next);
  }

  forget(): void {
    this.#batch = null;
    this.#again = null;
    this.#readingAgain = null;
    this.#context.budget.released(this);
  }

  close(): void {
    this.forget();
    this.#reader.close();
  }

  /** Reads on behind the batch; #batch is null afterwards when nothing is at hand. */
  #read(): void {
    const { positions, queue, budget } = this.#context;
    if (this.#batch !== null) {
      this.#passTo(this.#batch.nextOffset);
      this.#batch = null;
      budget.released(this);
    }
    if (this.#reading || positions.next >= queue.readableEnd) return;
    const { next } = positions;
    const reader = this.#reader;
    let returned = false;
    this.#reading = true;
    reader.read(BATCH_BYTES, (error, batch) => {
      if (reader !== this.#reader) return;
      this.#reading = false;
      if (error !== null) {
        this.#context.failed(error);
        return;
      }
      if (next === positions.next) this.#landed(batch);
      if (returned || this.#batch === null) this.#context.ready();
    });
    returned = true;
  }

  #landed(batch: RecordBatch): void {
    const { positions, queue } = this.#context;
    // Of blocks that went while it was read the group has not been told yet, and the reader passes
    // over them without a word.
    positions.trimmed(queue.firstOffset);
    if (batch.count === 0) {
      this.#passTo(batch.nextOffset);
      return;
    }
    if (batch.offset(0) < positions.next) {
      this.restart();
      this.#context.skipped();
      return;
    }
    this.#batch = batch;
    this.index = 0;
    this.#context.budget.took(this);
  }

  #passTo(offset: number): void {
    this.#context.positions.skipTo(offset);
    this.#context.skipped();
  }

  #open(filter: string): QueueReader {
    this.#reading = false;
    const { queue, positions, groupKey } = this.#context;
    return queue.openReader(positions.next, filter === '' ? null : filter, groupKey);
  }
}
