/**
 * Who wants to know of every change of the table, and what each has not been told yet. One that is
 * slow has one message under way and gets the newest state behind it, never a pile. Owned by
 * Tracker.
 */
import type { Buffer } from 'node:buffer';
import { jsonRecord } from '../protocol/encode.js';
import { seesAll, type Visibility } from './table-json.js';

export interface Subscriber {
  readonly reader: Visibility;
  /** Wants the whole table first, and only what has changed from then on. */
  readonly delta: boolean;
  /** Sends a table, as a record; `taken` is called once the peer has taken it. */
  send(record: Buffer, taken: () => void): void;
}

/** Makes the JSON; `keys` null: of the whole table, else the change of these servers. */
export type TableSource = (reader: Visibility, keys: readonly string[] | null) => Buffer;

interface State {
  readonly changed: Set<string>;
  /** A message is on its way. */
  busy: boolean;
  /** Its turn came while it was busy. */
  due: boolean;
}

export class Subscriptions {
  readonly #source: TableSource;
  readonly #states = new Map<Subscriber, State>();
  /** Most subscribers are told the same: encoded once. */
  readonly #encoded = new Map<string, Buffer>();

  constructor(source: TableSource) {
    this.#source = source;
  }

  get size(): number {
    return this.#states.size;
  }

  add(subscriber: Subscriber): void {
    const state = { changed: new Set<string>(), busy: false, due: false };
    this.#states.set(subscriber, state);
    this.#send(subscriber, state, null);
  }

  remove(subscriber: Subscriber): void {
    this.#states.delete(subscriber);
  }

  /** The server with this key is new, changed or gone. */
  changed(key: string): void {
    this.#encoded.clear();
    for (const { changed } of this.#states.values()) changed.add(key);
  }

  /** Tells everyone what is new; those who are busy once they are not. */
  push(): void {
    for (const [subscriber, state] of this.#states) this.#pushTo(subscriber, state);
  }

  clear(): void {
    this.#states.clear();
  }

  #pushTo(subscriber: Subscriber, state: State): void {
    if (state.busy) {
      state.due = true;
    } else if (state.changed.size > 0) {
      this.#send(subscriber, state, subscriber.delta ? [...state.changed].sort() : null);
    }
  }

  #send(subscriber: Subscriber, state: State, keys: readonly string[] | null): void {
    state.busy = true;
    state.due = false;
    state.changed.clear();
    subscriber.send(this.#encode(subscriber.reader, keys), () => {
      state.busy = false;
      if (state.due && this.#states.has(subscriber)) this.#pushTo(subscriber, state);
    });
  }

  #encode(reader: Visibility, keys: readonly string[] | null): Buffer {
    if (!seesAll(reader)) return jsonRecord(this.#source(reader, keys));
    const name = keys === null ? '' : keys.join();
    const known = this.#encoded.get(name) ?? jsonRecord(this.#source(reader, keys));
    this.#encoded.set(name, known);
    return known;
  }
}
