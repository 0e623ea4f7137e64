/**
 * Runs a task soon after it was asked for, however often that was: many changes become one message.
 * What takes long runs less often, so that it takes a tenth of the time, or runs once a second.
 */
import type { Clock } from '../clock.js';

/** Changes within this become one. */
export const COALESCE_MS = 50;
const IDLE_SHARE = 10;
/** News must not grow old, whatever they cost. */
const DELAY_MS_MAX = 1000;

export class PacedTask {
  readonly #clock: Clock;
  readonly #task: () => void;
  #costMs = 0;
  #stopTimer: (() => void) | null = null;
  #closed = false;

  constructor(clock: Clock, task: () => void) {
    this.#clock = clock;
    this.#task = task;
  }

  request(): void {
    if (this.#closed || this.#stopTimer !== null) return;
    const restMs = Math.min(IDLE_SHARE * this.#costMs, DELAY_MS_MAX);
    const delayMs = Math.max(COALESCE_MS, restMs);
    this.#stopTimer = this.#clock.after(delayMs, () => {
      this.#stopTimer = null;
      const beganMs = this.#clock.nowMs();
      this.#task();
      this.#costMs = this.#clock.nowMs() - beganMs;
    });
  }

  close(): void {
    this.#closed = true;
    this.#stopTimer?.();
    this.#stopTimer = null;
  }
}
