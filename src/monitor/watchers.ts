/**
 * Those who watch, and what each has not been told yet. One that is slow has one message under way
 * and gets the newest state behind it, never a pile. Owned by Monitor.
 */
import type { Buffer } from 'node:buffer';
import type { Grant } from '../auth/grant.js';
import type { Exchange } from '../broker/exchange.js';
import { jsonRecord } from '../protocol/encode.js';

/** Makes the JSON; `names` null: whole, else with these topics. */
export type StateSource = (grant: Grant, names: ReadonlySet<string> | null) => Buffer;

interface Watcher {
  readonly exchange: Exchange;
  readonly grant: Grant;
  /** Topics that have changed since it was told last. */
  changed: Set<string>;
  /** A message is on its way. */
  busy: boolean;
}

export class Watchers {
  readonly #source: StateSource;
  readonly #watchers = new Set<Watcher>();

  constructor(source: StateSource) {
    this.#source = source;
  }

  add(exchange: Exchange, grant: Grant): void {
    const watcher = { exchange, grant, changed: new Set<string>(), busy: false };
    this.#watchers.add(watcher);
    exchange.session.onEnd(() => {
      this.#watchers.delete(watcher);
    });
    this.#send(watcher, null);
  }

  changed(name: string): void {
    for (const { changed } of this.#watchers) changed.add(name);
  }

  /** Tells everyone who has taken what was sent before. */
  push(): void {
    for (const watcher of this.#watchers) {
      if (!watcher.exchange.alive || watcher.grant.revoked) this.#watchers.delete(watcher);
      else if (!watcher.busy) this.#send(watcher, watcher.changed);
    }
  }

  clear(): void {
    this.#watchers.clear();
  }

  #send(watcher: Watcher, names: ReadonlySet<string> | null): void {
    const record = jsonRecord(this.#source(watcher.grant, names));
    watcher.changed = new Set();
    watcher.busy = true;
    const taken = (): void => {
      watcher.busy = false;
    };
    const delivery = { delivered: taken, undelivered: taken };
    watcher.exchange.deliver('', record, 0, record.length, delivery, true);
  }
}
