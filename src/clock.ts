/**
 * Time as the broker sees it, replaceable so that a test of a timeout does not wait for it. Used by
 * server and broker.
 */

export interface Clock {
  /** Monotonic milliseconds. */
  nowMs(): number;
  /**
   * Runs `task` every `intervalMs` until the returned function is called; does not keep the process
   * alive.
   */
  every(intervalMs: number, task: () => void): () => void;
  /** Runs `task` once after `delayMs` unless the returned function is called before. */
  after(delayMs: number, task: () => void): () => void;
}

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  every(intervalMs, task) {
    const timer = setInterval(task, intervalMs);
    // A browser's is a number, and keeps nothing alive.
    if (typeof timer === 'object') timer.unref();
    return () => {
      clearInterval(timer);
    };
  },
  after(delayMs, task) {
    const timer = setTimeout(task, delayMs);
    return () => {
      clearTimeout(timer);
    };
  },
};
