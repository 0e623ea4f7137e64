/**
 * Runs a task soon after it was asked for, however often that was: many changes become one message.
 * What takes long runs less often, so that it never takes more than a tenth of the time.
 */
import type { Clock } from '../clock.js';

/** Changes within this become one. */
export const COALESCE_MS = 50;
const IDLE_SHARE = 10;

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
    const delayMs = Math.max(COALESCE_MS, IDLE_SHARE * this.#costMs);
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
