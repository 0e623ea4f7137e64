/**
 * Bounds the memory that consume groups hold in read-ahead batches, however many groups there are:
 * the group that has read longest ago gives its batch up and reads again when it is asked. Shared
 * by all groups of a broker.
 */

export interface BatchHolder {
  /** Forgets the batch; what was not delivered is read again. */
  dropBatch(): void;
}

/** Bytes of one batch at most, unless a single record is larger. */
export const BATCH_BYTES = 128 * 1024;
const HOLDERS_MAX = 128;

export class BatchBudget {
  /** In the order of their last read. */
  readonly #holders = new Set<BatchHolder>();

  /** `holder` has read a batch. */
  took(holder: BatchHolder): void {
    this.#holders.delete(holder);
    this.#holders.add(holder);
    if (this.#holders.size <= HOLDERS_MAX) return;
    for (const oldest of this.#holders) {
      this.#holders.delete(oldest);
      oldest.dropBatch();
      return;
    }
  }

  /** `holder` has none any more. */
  released(holder: BatchHolder): void {
    this.#holders.delete(holder);
  }
}
