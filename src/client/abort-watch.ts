/**
 * One listener for a signal, however many wait for it: platforms take many listeners on one signal
 * for a leak, and warn. Used by Call.
 */

const watchers = new WeakMap<AbortSignal, Set<() => void>>();

/** Calls `onAbort` when the signal is aborted, until the returned function is called. */
export function watchAbort(signal: AbortSignal, onAbort: () => void): () => void {
  const known = watchers.get(signal);
  if (known !== undefined) {
    known.add(onAbort);
    return () => void known.delete(onAbort);
  }
  const all = new Set([onAbort]);
  watchers.set(signal, all);
  signal.addEventListener(
    'abort',
    () => {
      watchers.delete(signal);
      for (const one of [...all]) one();
    },
    { once: true },
  );
  return () => void all.delete(onAbort);
}
