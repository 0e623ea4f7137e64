/**
 * Messages that were sent and are not answered yet: many at once, so that one does not wait for the
 * answer to the one before, but no more than a bound. Used by produce. Promises to report answers
 * in the order in which the messages were sent.
 */
import type { Produced } from '../client/mq-client.js';

const MESSAGES_MAX = 1000;
const BYTES_MAX = 4 * 1024 * 1024;

export class SendWindow {
  /** Answered with 200. */
  ackedCount = 0;
  /** Sent, and neither acknowledged nor refused. */
  openCount = 0;
  readonly #report: (produced: Produced) => Promise<void>;
  readonly #ids = new Set<string>();
  #unreportedCount = 0;
  #unreportedBytes = 0;
  /** Ends when all that was sent is reported. */
  #reported: Promise<void> = Promise.resolve();
  #failure: { readonly error: unknown } | null = null;
  #wake: (() => void) | null = null;

  constructor(report: (produced: Produced) => Promise<void>) {
    this.#report = report;
  }

  /** Sends when there is room. Rejects with the first error of any message before. */
  async send(bytes: number, id: string | undefined, begin: () => Promise<Produced>): Promise<void> {
    // Two answers under one id could not be told apart.
    const isTwin = id !== undefined && this.#ids.has(id);
    while (this.#isFull(bytes) || (isTwin && this.#unreportedCount > 0)) await this.#change();
    this.#throwFailure();
    this.#unreportedCount++;
    this.#unreportedBytes += bytes;
    this.openCount++;
    if (id !== undefined) this.#ids.add(id);
    this.#reported = this.#inOrder(this.#reported, this.#answered(begin()), bytes, id);
  }

  /** Resolves once all is answered and reported. Rejects with the first error. */
  async finish(): Promise<void> {
    await this.#reported;
    this.#throwFailure();
  }

  async #answered(sent: Promise<Produced>): Promise<Produced | null> {
    try {
      const produced = await sent;
      this.ackedCount++;
      return produced;
    } catch (error) {
      this.#failure ??= { error };
      return null;
    } finally {
      this.openCount--;
    }
  }

  async #inOrder(
    before: Promise<void>,
    answered: Promise<Produced | null>,
    bytes: number,
    id: string | undefined,
  ): Promise<void> {
    await before;
    const produced = await answered;
    try {
      if (produced !== null) await this.#report(produced);
    } catch (error) {
      this.#failure ??= { error };
    }
    this.#unreportedCount--;
    this.#unreportedBytes -= bytes;
    if (id !== undefined) this.#ids.delete(id);
    this.#wake?.();
  }

  #isFull(bytes: number): boolean {
    if (this.#failure !== null || this.#unreportedCount === 0) return false;
    return this.#unreportedCount >= MESSAGES_MAX || this.#unreportedBytes + bytes > BYTES_MAX;
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #throwFailure(): void {
    if (this.#failure !== null) throw this.#failure.error;
  }
}
