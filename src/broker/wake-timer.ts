/**
 * One timer for many deadlines: it wakes its owner at the earliest time asked for, who then asks
 * for the next. Owned by ConsumeGroup, whose timeouts come and go with every message.
 */
import type { Clock } from '../clock.js';

/** Timers hold 31 bits of milliseconds. */
const DELAY_MAX_MS = 2 ** 31 - 1;

export class WakeTimer {
  readonly #clock: Clock;
  readonly #wake: () => void;
  #atMs = Infinity;
  #stop: (() => void) | null = null;

  constructor(clock: Clock, wake: () => void) {
    this.#clock = clock;
    this.#wake = wake;
  }

  /** Wakes at `atMs` on the clock, or earlier if that was asked for before. */
  arm(atMs: number, nowMs: number): void {
    if (atMs >= this.#atMs) return;
    this.stop();
    this.#atMs = atMs;
    const delayMs = Math.min(Math.max(1, Math.ceil(atMs - nowMs)), DELAY_MAX_MS);
    this.#stop = this.#clock.after(delayMs, () => {
      this.#atMs = Infinity;
      this.#stop = null;
      this.#wake();
    });
  }

  stop(): void {
    this.#stop?.();
    this.#stop = null;
    this.#atMs = Infinity;
  }
}
