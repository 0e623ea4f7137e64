/**
 * How long to wait before the next attempt to connect: twice as long each time, between bounds, and
 * by chance, so that the clients of a broker that restarts do not come all at once.
 */

export interface BackoffOptions {
  readonly minMs: number;
  readonly maxMs: number;
  /** A number from 0 to less than 1. */
  readonly random: () => number;
}

export class Backoff {
  readonly #options: BackoffOptions;
  #boundMs: number;

  constructor(options: BackoffOptions) {
    this.#options = options;
    this.#boundMs = options.minMs;
  }

  /** Between half the bound and the bound, which then doubles. */
  nextMs(): number {
    const { maxMs, random } = this.#options;
    const boundMs = Math.min(this.#boundMs, maxMs);
    this.#boundMs = Math.min(2 * boundMs, maxMs);
    return (boundMs / 2) * (1 + random());
  }

  /** The peer was reached. */
  reset(): void {
    this.#boundMs = this.#options.minMs;
  }
}
