/**
 * The one timer of the server: once a second it asks every connection whether one of its deadlines
 * has passed. A timer per event would cost more than the event; 10,000 checks a second cost well
 * under a millisecond. Made by the listener.
 */
import type { Clock } from '../clock.js';

/** Deadlines are kept to this: a timeout fires up to two intervals late, never early. */
export const SWEEP_INTERVAL_MS = 1000;

export interface Swept {
  /**
   * Closes what has overrun at `nowMs`, a time that all stamps taken from `TimeoutSweep.nowMs` lie
   * before.
   */
  checkTimeouts(nowMs: number): void;
}

export class TimeoutSweep {
  /** The last tick: what events are stamped with, so that none of them has to read the clock. */
  nowMs: number;
  readonly #clock: Clock;
  readonly #swept: ReadonlySet<Swept>;
  readonly #onTick: () => void;
  #stop: (() => void) | null = null;

  /** `onTick` is what else is to be done once a second. */
  constructor(clock: Clock, swept: ReadonlySet<Swept>, onTick: () => void) {
    this.#clock = clock;
    this.#swept = swept;
    this.#onTick = onTick;
    this.nowMs = clock.nowMs();
  }

  start(): void {
    this.#stop = this.#clock.every(SWEEP_INTERVAL_MS, () => {
      this.#sweep();
    });
  }

  stop(): void {
    this.#stop?.();
    this.#stop = null;
  }

  #sweep(): void {
    this.nowMs = this.#clock.nowMs();
    this.#onTick();
    // A stamp may be one interval older than its event: take that off, so that nobody is timed out
    // early.
    const checkedMs = this.nowMs - SWEEP_INTERVAL_MS;
    for (const connection of this.#swept) connection.checkTimeouts(checkedMs);
  }
}
