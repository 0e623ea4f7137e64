/**
 * The calls of a connection that are not answered yet, in the order they were begun, with one timer
 * for all their deadlines. Owned by Connection.
 */
import type { Clock } from '../clock.js';
import type { Call } from './call.js';
import { startTimer } from './timer.js';

export class CallTable {
  readonly #clock: Clock;
  readonly #onEmpty: () => void;
  readonly #calls = new Map<string, Call>();
  #bodyBytes = 0;
  /** When the timer ends; Infinity when there is none. */
  #timerMs = Infinity;
  #stopTimer: (() => void) | null = null;

  /** `onEmpty` is called when the last call has left. */
  constructor(clock: Clock, onEmpty: () => void) {
    this.#clock = clock;
    this.#onEmpty = onEmpty;
  }

  get size(): number {
    return this.#calls.size;
  }

  /** Of all their bodies. */
  get bodyBytes(): number {
    return this.#bodyBytes;
  }

  [Symbol.iterator](): IterableIterator<Call> {
    return this.#calls.values();
  }

  has(id: string): boolean {
    return this.#calls.has(id);
  }

  get(id: string): Call | undefined {
    return this.#calls.get(id);
  }

  add(call: Call): void {
    this.#calls.set(call.id, call);
    this.#bodyBytes += call.request.body.length;
    if (call.endMs < this.#timerMs) this.#arm(call.endMs);
  }

  /** Takes the call out; false when it was not there any more. */
  remove(call: Call): boolean {
    if (!this.#calls.delete(call.id)) return false;
    this.#bodyBytes -= call.request.body.length;
    if (this.#calls.size === 0) this.#onEmpty();
    return true;
  }

  /** Ends the calls whose deadlines have passed; to be called when some have moved forward. */
  expire(): void {
    const nowMs = this.#clock.nowMs();
    let nextMs = Infinity;
    for (const call of this.#calls.values()) {
      if (call.deadlineMs > nowMs) {
        // Before its deadline it is looked at when its time is over: it may not be sent by then.
        nextMs = Math.min(nextMs, call.endMs > nowMs ? call.endMs : call.deadlineMs);
        continue;
      }
      this.remove(call);
      call.expire();
    }
    if (nextMs < this.#timerMs) this.#arm(nextMs);
  }

  /** Stops the timer; for a table that stays empty. */
  close(): void {
    this.#stopTimer?.();
    this.#timerMs = Infinity;
  }

  /** Answered calls do not move the timer: it looks at what is left when it ends. */
  #arm(atMs: number): void {
    this.#stopTimer?.();
    this.#timerMs = atMs;
    this.#stopTimer = startTimer(this.#clock, atMs - this.#clock.nowMs(), () => {
      this.#timerMs = Infinity;
      this.expire();
    });
  }
}
