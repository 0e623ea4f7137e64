/**
 * Time that only the test moves: a timeout ends when the test says so, and not before, however busy
 * the machine is.
 */
import type { Clock } from '../../src/clock.js';

interface Task {
  readonly intervalMs: number;
  dueMs: number;
  readonly run: () => void;
}

export class ManualClock implements Clock {
  #nowMs = 0;
  readonly #tasks = new Set<Task>();

  nowMs(): number {
    return this.#nowMs;
  }

  every(intervalMs: number, run: () => void): () => void {
    const task = { intervalMs, dueMs: this.#nowMs + intervalMs, run };
    this.#tasks.add(task);
    return () => void this.#tasks.delete(task);
  }

  after(delayMs: number, run: () => void): () => void {
    const stop = this.every(delayMs, () => {
      stop();
      run();
    });
    return stop;
  }

  /** Moves time on and runs what falls due, in order. */
  advance(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (;;) {
      const due = [...this.#tasks].filter((task) => task.dueMs <= endMs);
      const next = due.sort((a, b) => a.dueMs - b.dueMs)[0];
      if (next === undefined) break;
      this.#nowMs = next.dueMs;
      next.dueMs += next.intervalMs;
      next.run();
    }
    this.#nowMs = endMs;
  }
}
