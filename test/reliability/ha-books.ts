/**
 * What the clients of a trial of several servers were told and what came to them, and the judgement
 * over it. Fed by ha-trial.ts with HaEvents.
 */
import assert from 'node:assert/strict';
import { CALL_TIMEOUT_MS, CLIENTS, type HaEvent } from './ha-events.js';

type Stored = Extract<HaEvent, { kind: 'stored' }>;

export type Work = 'produce' | 'consume' | 'call';
export const WORKS: readonly Work[] = ['produce', 'consume', 'call'];

/** A message that came to a consumer, by the order in which it was produced. */
interface Place {
  readonly producer: number;
  readonly n: number;
}

/** A caller may hear of the end of its call so much later; the machine is busy. */
const LATE_MS = 3000;

export class HaBooks {
  /** By server, by offset. */
  readonly stored = new Map<string, Map<number, Stored>>();
  readonly #delivered = new Set<string>();
  readonly #runs = new Map<string, number>();
  readonly #outcomes = new Map<string, number>();
  #storedCount = 0;
  #sentTwice = 0;
  #ranTwice = 0;
  #worstCallMs = 0;
  /** Of messages and calls that succeeded and were begun after the mark. */
  readonly #slowest = { produce: 0, call: 0 };
  /** From here on work counts as going on. */
  #markMs = 0;
  #beganBefore = new Map<number, number>();
  readonly #resumed: Record<Work, Map<number, number>> = {
    produce: new Map(),
    consume: new Map(),
    call: new Map(),
  };
  /** First message begun after the mark, by server: stored there, and taken from there. */
  readonly storedAt = new Map<string, number>();
  readonly gotAt = new Map<string, number>();

  /** What is begun from now on is looked at. */
  mark(nowMs: number): void {
    this.#markMs = nowMs;
    for (const work of WORKS) this.#resumed[work].clear();
    this.#slowest.produce = 0;
    this.#slowest.call = 0;
    this.storedAt.clear();
    this.gotAt.clear();
  }

  /** Of all clients that do this work the slowest to go on since the mark; null: not all have. */
  resumedMs(work: Work): number | null {
    const times = this.#resumed[work];
    return times.size < CLIENTS ? null : Math.max(...times.values()) - this.#markMs;
  }

  /** What a message and a call that were begun since the mark had to wait at most. */
  get slowest(): Readonly<Record<'produce' | 'call', number>> {
    return this.#slowest;
  }

  /** Throws AssertionError for what must never be told. */
  note(event: HaEvent): void {
    if (event.kind === 'stored') this.#noteStored(event);
    else if (event.kind === 'notStored') assert.fail(`a message was not stored: ${event.why}`);
    else if (event.kind === 'got') this.#noteGot(event);
    else if (event.kind === 'called') this.#noteCalled(event);
    else if (event.kind === 'ran') {
      const key = `${event.client}/${event.n}`;
      this.#runs.set(key, (this.#runs.get(key) ?? 0) + 1);
    }
  }

  /** Throws AssertionError when something that was acknowledged did not come. */
  checkDelivered(): void {
    const missing: string[] = [];
    for (const [server, messages] of this.stored) {
      for (const offset of messages.keys()) {
        if (!this.#delivered.has(`${server} ${offset}`)) missing.push(`${server} ${offset}`);
      }
    }
    assert.deepEqual(missing.slice(0, 10), [], `${missing.length} were not delivered`);
    assert(this.#storedCount > 1000, 'too little traffic to prove anything');
  }

  get summary(): string {
    const outcomes = [...this.#outcomes].map(([name, count]) => `${count} ${name}`).join(', ');
    return (
      `${this.#storedCount} acknowledged, 0 lost, ${this.#sentTwice} sent more than once; ` +
      `calls: ${outcomes}; ${this.#ranTwice} idempotent ones ran again, ` +
      `the longest took ${this.#worstCallMs} ms`
    );
  }

  #noteStored(event: Stored): void {
    const { server, offset, attempts, client, n, beganMs, atMs } = event;
    const messages = this.stored.get(server) ?? new Map<number, Stored>();
    this.stored.set(server, messages);
    const before = messages.get(offset);
    assert(before === undefined, `${server} gave offset ${offset} to two messages`);
    messages.set(offset, event);
    this.#storedCount++;
    if (attempts > 1) this.#sentTwice++;
    if (beganMs < this.#markMs) {
      this.#beganBefore.set(client, Math.max(n, this.#beganBefore.get(client) ?? 0));
      return;
    }
    first(this.#resumed.produce, client, atMs);
    this.#slowest.produce = Math.max(this.#slowest.produce, atMs - beganMs);
    first(this.storedAt, server, atMs);
  }

  #noteGot({
    client,
    server,
    offset,
    whole,
    producer,
    n,
    atMs,
  }: Extract<HaEvent, { kind: 'got' }>) {
    assert(whole, `message ${offset} of ${server} has other bytes than were sent`);
    this.#delivered.add(`${server} ${offset}`);
    if (!this.#isNew({ producer, n })) return;
    first(this.#resumed.consume, client, atMs);
    first(this.gotAt, server, atMs);
  }

  /** True for messages that were produced after the mark: of lower ones another was seen before. */
  #isNew({ producer, n }: Place): boolean {
    return n > (this.#beganBefore.get(producer) ?? -1);
  }

  #noteCalled(event: Extract<HaEvent, { kind: 'called' }>): void {
    const { client, n, idempotent, outcome, beganMs, atMs } = event;
    assert(!outcome.startsWith('wrong'), outcome);
    const tookMs = atMs - beganMs;
    this.#worstCallMs = Math.max(this.#worstCallMs, tookMs);
    assert(tookMs <= CALL_TIMEOUT_MS + LATE_MS, `a call ended after ${tookMs} ms: ${outcome}`);
    this.#outcomes.set(outcome, (this.#outcomes.get(outcome) ?? 0) + 1);
    const runs = this.#runs.get(`${client}/${n}`) ?? 0;
    if (runs > 1) {
      assert(idempotent, `call ${n} of ${client} ran ${runs} times`);
      this.#ranTwice++;
    }
    if (outcome !== 'done' || beganMs < this.#markMs) return;
    first(this.#resumed.call, client, atMs);
    this.#slowest.call = Math.max(this.#slowest.call, tookMs);
  }
}

function first<Key>(times: Map<Key, number>, key: Key, atMs: number): void {
  if (!times.has(key)) times.set(key, atMs);
}
