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
      const next = this.#next();
      if (next === undefined || next.dueMs > endMs) break;
      this.#nowMs = next.dueMs;
      next.dueMs += next.intervalMs;
      next.run();
    }
    this.#nowMs = endMs;
  }

  /** The task that is due first; of several the one that was made first. */
  #next(): Task | undefined {
    let next: Task | undefined;
    for (const task of this.#tasks) if (next === undefined || task.dueMs < next.dueMs) next = task;
    return next;
  }
}
