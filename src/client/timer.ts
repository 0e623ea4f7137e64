/** Timers for times that an application chose, which may be longer than a timer can be. */
import type { Clock } from '../clock.js';

/** Timers hold 31 bits of milliseconds: 24 days. */
const TIMER_MAX_MS = 2 ** 31 - 1;

/** As `clock.after`; a delay that no timer can hold, Infinity too, is cut to the longest. */
export function startTimer(clock: Clock, delayMs: number, task: () => void): () => void {
  return clock.after(Math.min(Math.max(0, delayMs), TIMER_MAX_MS), task);
}
