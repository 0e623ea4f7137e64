/**
 * Typed events, since `node:events` is not there in browsers. A listener that throws harms neither
 * the others nor the client.
 */

/** Event names and what each listener is given. */
export type Listener<Detail> = (detail: Detail) => void;

export class Emitter<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<Listener<never>>>();

  /** Calls `listener` at each `name`, until the returned function is called. */
  on<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(listener));
    return () => void listeners.delete(listener);
  }

  emit<Name extends keyof Events>(name: Name, detail: Events[Name]): void {
    const listeners = (this.#listeners.get(name) ?? []) as Iterable<Listener<Events[Name]>>;
    for (const listener of [...listeners]) {
      try {
        listener(detail);
      } catch (error) {
        // As the DOM does: reported as uncaught, outside of our stack.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
