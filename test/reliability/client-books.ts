/**
 * The survivor of a trial of clients: knows what each producer was told and what each consumer got,
 * and when. Fed with the events of client-load.ts, asked by client-trial.ts. Throws AssertionError
 * that names the broken promise.
 */
import assert from 'node:assert/strict';
import {
  CLIENTS,
  type GotEvent,
  type LoadEvent,
  type LoadRole,
  type StoredEvent,
} from './client-events.js';
import { CallBooks } from './client-call-books.js';
import type { Entry } from './oracle.js';

/** Clocks of several processes, and what they round. */
const CLOCK_ERROR_MS = 5;

/** When each of the clients was at work again, after a moment. */
export interface Recovery {
  readonly firstMs: number;
  readonly allMs: number;
}

/** What shows that a client is at work: answers to producers and callers, messages to consumers. */
export const WORKS = ['produce', 'consume', 'call'] as const;
export type Work = (typeof WORKS)[number];

export interface Totals {
  readonly stored: number;
  /** Copies of messages beyond the first. */
  readonly duplicates: number;
  /** Deliveries of the same copy beyond the first. */
  readonly redelivered: number;
  /** Ended calls by outcome. */
  readonly calls: ReadonlyMap<string, number>;
  /** Calls that ran more than once, all of them idempotent. */
  readonly ranAgain: number;
}

/** An ack was answered. */
interface Acked {
  /** Of all its deliveries that had come by then, the highest. */
  readonly retry: number;
  readonly restarts: number;
}

interface Loss {
  readonly bus: number;
  readonly atMs: number;
}

export class ClientBooks {
  readonly #stored: readonly Map<number, StoredEvent>[] = numbered(() => new Map());
  /** By offset. */
  readonly #got = new Map<number, GotEvent>();
  readonly #acked = new Map<number, Acked>();
  /** Restarts of the broker so far. */
  #restarts = 0;
  readonly #lost: Record<LoadRole, Loss[]> = { produce: [], consume: [] };
  #redelivered = 0;
  readonly #calls = new CallBooks();
  /** Since `mark`, by client: when it first had an answer, or a message. */
  #markMs = 0;
  #first = noWork();

  note(role: LoadRole, event: LoadEvent): void {
    if (event.kind === 'lost') this.#lost[role].push(event);
    else if (event.kind === 'stored') this.#noteStored(event);
    else if (event.kind === 'got') this.#noteGot(event);
    else if (event.kind === 'acked') this.#noteAcked(event.offset);
    else if (event.kind === 'ran') this.#calls.ran(event);
    else if (event.kind === 'called') {
      this.#calls.called(event);
      if (event.outcome === 'done') this.#noteWork('call', event.caller, event.atMs);
    } else if (event.kind === 'notStored') {
      assert.fail(`${nameOf(event)} was given up: ${event.why}`);
    }
  }

  /** The broker is there again: what comes from now on it has handed out now. */
  restarted(): void {
    this.#restarts++;
  }

  /** What comes from now on shows that the clients are at work. */
  mark(atMs: number): void {
    this.#markMs = atMs;
    this.#first = noWork();
  }

  /** All its clients have done such work since the mark. */
  areAtWork(work: Work): boolean {
    return this.#first[work].size === CLIENTS;
  }

  recovery(work: Work): Recovery {
    const times = [...this.#first[work].values()].map((atMs) => atMs - this.#markMs);
    return { firstMs: Math.min(...times), allMs: Math.max(...times) };
  }

  /** When each client first lost its connection after `sinceMs`, those that did. */
  lossesSince(role: LoadRole, sinceMs: number): number[] {
    const first = new Map<number, number>();
    for (const { bus, atMs } of this.#lost[role]) {
      if (atMs >= sinceMs && !first.has(bus)) first.set(bus, atMs);
    }
    return [...first.values()];
  }

  /** `log` is all that the broker has at the end, when nothing is under way any more. */
  check(log: readonly Entry[]): Totals {
    const copies = numbered(() => new Map<number, number>());
    for (const entry of log) {
      this.#checkOrder(entry, copies);
      const got = this.#got.get(entry.offset);
      assert(got !== undefined, `lost: ${nameOf(entry)} came to no consumer`);
      assert.deepEqual([got.producer, got.n], [entry.producer, entry.n], 'another message came');
    }
    assert.equal(this.#got.size, log.length, 'messages came that are not there');
    let stored = 0;
    this.#stored.forEach((events, producer) => {
      stored += events.size;
      for (const event of events.values()) {
        const found = log[event.offset];
        const kept = found?.producer === producer && found.n === event.n;
        assert(kept, `lost: ${nameOf(event)} was acknowledged at offset ${event.offset}`);
        this.#checkCopies(event, copies[producer]?.get(event.n) ?? 0);
      }
    });
    const redelivered = this.#redelivered;
    return { stored, duplicates: log.length - stored, redelivered, ...this.#calls.check() };
  }

  #noteStored(event: StoredEvent): void {
    const events = this.#stored[event.producer];
    assert(events !== undefined && !events.has(event.n), `${nameOf(event)} was answered twice`);
    events.set(event.n, event);
    this.#noteWork('produce', event.producer, event.atMs);
  }

  #noteGot(event: GotEvent): void {
    const { offset, id } = event;
    assert(event.whole, `${nameOf(event)} has other bytes than were sent`);
    const acked = this.#acked.get(offset);
    // What was handed out before the ack may be late; what is handed out behind it counts higher.
    const late = acked?.restarts === this.#restarts && event.retry <= acked.retry;
    assert(acked === undefined || late, `${offset} came again after its ack was answered`);
    const sent = this.#stored[event.producer]?.get(event.n);
    assert(sent === undefined || sent.id === id, `${nameOf(event)} came under another id`);
    const before = this.#got.get(offset);
    if (before !== undefined) this.#redelivered++;
    if (before === undefined || before.retry <= event.retry) this.#got.set(offset, event);
    this.#noteWork('consume', event.consumer, event.atMs);
  }

  #noteAcked(offset: number): void {
    const got = this.#got.get(offset);
    assert(got !== undefined, `the ack of ${offset} was answered, and nobody had it`);
    this.#acked.set(offset, { retry: got.retry, restarts: this.#restarts });
  }

  #noteWork(work: Work, client: number, atMs: number): void {
    const first = this.#first[work];
    if (atMs > this.#markMs && !first.has(client)) first.set(client, atMs);
  }

  /** The first copies of what a producer sent are in its order, without a hole. */
  #checkOrder({ producer, n }: Entry, copies: readonly Map<number, number>[]): void {
    const own = copies[producer];
    assert(own !== undefined, `there is no producer ${producer}`);
    const before = own.get(n) ?? 0;
    if (before === 0) assert.equal(n, own.size, `producer ${producer}: out of order, or a hole`);
    own.set(n, before + 1);
  }

  /** Only what had no answer when a connection was lost may be there more than once. */
  #checkCopies(event: StoredEvent, copies: number): void {
    const { attempts, beganMs, atMs } = event;
    assert(copies <= attempts, `${nameOf(event)}: ${copies} copies of ${attempts} attempts`);
    const losses = this.#lost.produce.filter(
      (loss) =>
        loss.bus === event.producer &&
        loss.atMs >= beganMs - CLOCK_ERROR_MS &&
        loss.atMs <= atMs + CLOCK_ERROR_MS,
    );
    const why = `${nameOf(event)}: ${copies} copies, and ${losses.length} losses before its answer`;
    assert(copies <= losses.length + 1, why);
  }
}

function noWork(): Record<Work, Map<number, number>> {
  return { produce: new Map(), consume: new Map(), call: new Map() };
}

function numbered<Item>(make: () => Item): Item[] {
  return Array.from({ length: CLIENTS }, make);
}

function nameOf({ producer, n }: Pick<Entry, 'producer' | 'n'>): string {
  return `message ${n} of producer ${producer}`;
}
