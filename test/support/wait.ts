/**
 * Waiting for something that comes by itself: a condition is asked for again and again, each time
 * after the loop has turned, so a test takes as long as the thing it waits for. One that never
 * comes ends with its test.
 */
import { onCleanUp } from './cleanup.js';

/** Lets the event loop handle what is ready. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Rejects when the test ends before. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const test = { over: false };
  onCleanUp(() => {
    test.over = true;
  });
  while (!(await condition())) {
    if (test.over) throw new Error('the test ended before the condition came true');
    await turn();
  }
}

/** Whether the promise has been fulfilled so far; for what must not happen, after a fence. */
export function watch(promise: Promise<unknown>): { readonly fulfilled: boolean } {
  const watched = { fulfilled: false };
  void promise.then(
    () => {
      watched.fulfilled = true;
    },
    () => undefined,
  );
  return watched;
}
