/**
 * Keeps a failure that repeats itself from filling the log: a reason is told when it is new, and
 * again once in a long while. One for each peer; used by what connects to other brokers.
 */
import type { Clock } from '../clock.js';

const TOLD_AGAIN_MS = 10 * 60_000;
/** Reasons that alternate are told no faster than this. */
const GAP_MS = 5000;

export class RepeatFilter {
  readonly #clock: Clock;
  #told = '';
  #toldMs = -Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** True when the reason is to be told now. */
  passes(reason: string): boolean {
    const nowMs = this.#clock.nowMs();
    const quietMs = reason === this.#told ? TOLD_AGAIN_MS : GAP_MS;
    if (nowMs - this.#toldMs < quietMs) return false;
    this.#told = reason;
    this.#toldMs = nowMs;
    return true;
  }

  /** It went well: the next failure is news. */
  reset(): void {
    this.#told = '';
    this.#toldMs = -Infinity;
  }
}
