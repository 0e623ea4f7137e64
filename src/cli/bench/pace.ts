/**
 * Says when the next message is due and when there are none left. Shared by all that send in one
 * run. With a rate, due times do not depend on how the broker answers: a latency that is counted
 * from them contains what a stalled broker kept from being sent (no coordinated omission).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Plan } from './plan.js';

export class Pace {
  readonly #plan: Pick<Plan, 'messages' | 'durationMs' | 'ratePerSecond'>;
  readonly #signal: AbortSignal;
  readonly #beganMs = performance.now();
  #taken = 0;
  #stopped = false;

  constructor(plan: Pick<Plan, 'messages' | 'durationMs' | 'ratePerSecond'>, signal: AbortSignal) {
    this.#plan = plan;
    this.#signal = signal;
  }

  get taken(): number {
    return this.#taken;
  }

  /** When the next one is due, on the clock of performance.now(); null when there are no more. */
  take(): number | null {
    const { messages, durationMs, ratePerSecond } = this.#plan;
    if (this.#stopped || this.#signal.aborted) return null;
    if (messages !== null && this.#taken >= messages) return null;
    const nowMs = performance.now();
    const dueMs =
      ratePerSecond === null ? nowMs : this.#beganMs + (this.#taken * 1000) / ratePerSecond;
    if (durationMs !== null && Math.max(nowMs, dueMs) >= this.#beganMs + durationMs) return null;
    this.#taken++;
    return dueMs;
  }

  /** Resolves at once for what is due, and when it is due or the run ends for what is not. */
  async until(dueMs: number): Promise<void> {
    const waitMs = dueMs - performance.now();
    if (waitMs <= 0) return;
    try {
      await sleep(waitMs, undefined, { signal: this.#signal });
    } catch (error) {
      if (!this.#signal.aborted) throw error;
    }
  }

  stop(): void {
    this.#stopped = true;
  }
}
