/**
 * What has passed through a topic, and through all of them, since the broker started: plain numbers
 * that the hot path adds to, and that the metrics and the monitor page read when they are asked.
 * Owned by Topic; those of the broker go on when a topic is removed.
 */

export class TrafficCounts {
  /** Messages stored, dead letters and redriven ones included. */
  producedCount = 0;
  /** Of their header lines and bodies. */
  producedBytes = 0;
  /** Messages that the kernel took to a consumer, again and again included. */
  deliveredCount = 0;
  /** Messages that consumers acknowledged. */
  ackedCount = 0;
  /** Handed out though they were handed out before. */
  redeliveredCount = 0;
  /** Messages that went to a dead-letter topic. */
  deadCount = 0;
  /** Calls that have ended, well or not. */
  rpcEndedCount = 0;
  /** Messages that retention, `empty` or `remove` deleted. */
  deletedCount = 0;
  /**
   * Grows with everything that may change what is shown of the topic: whoever has seen this value
   * has nothing new to look at.
   */
  changes = 0;
  /** Of all topics; null for that itself. */
  readonly #total: TrafficCounts | null;

  constructor(total: TrafficCounts | null) {
    this.#total = total;
  }

  produced(bytes: number): void {
    this.producedCount++;
    this.producedBytes += bytes;
    this.changes++;
    this.#total?.produced(bytes);
  }

  delivered(): void {
    this.deliveredCount++;
    this.changes++;
    this.#total?.delivered();
  }

  acked(count: number): void {
    this.ackedCount += count;
    this.changes++;
    this.#total?.acked(count);
  }

  redelivered(): void {
    this.redeliveredCount++;
    this.changes++;
    this.#total?.redelivered();
  }

  died(): void {
    this.deadCount++;
    this.changes++;
    this.#total?.died();
  }

  deleted(count: number): void {
    this.deletedCount += count;
    this.changes++;
    this.#total?.deleted(count);
  }

  rpcEnded(): void {
    this.rpcEndedCount++;
    this.changes++;
    this.#total?.rpcEnded();
  }

  /** Something else that is shown has changed: consumers, positions, settings. */
  touched(): void {
    this.changes++;
  }
}
