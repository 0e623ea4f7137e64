/**
 * A consumer of a group with explicit acks, on a connection of its own: it asks with prefetch and
 * acks in lists what has come in one pass of the event loop, but for what it is told to give back,
 * to be late with, or to fail at. Used by traffic.ts and crowd.ts; tells the ledger what it decided
 * and was answered.
 */
import assert from 'node:assert/strict';
import type { Headers } from '../support/client.js';
import { isStopping, type Reply } from '../support/reply-parser.js';
import type { AckLedger, Verdict } from './ack-ledger.js';
import { Peer } from './peer.js';

export interface AckingOptions {
  readonly port: number;
  /** Topic and group. */
  readonly headers: Headers;
  /** Number of this consumer in the ledger. */
  readonly consumer: number;
  readonly ledger: AckLedger;
  readonly random: () => number;
  /** Notes and checks what came; returns its offset. */
  readonly saw: (reply: Reply) => number;
  readonly verdictOn: (offset: number) => Verdict;
  /** It has left, with acks of these messages unanswered. */
  readonly left?: (unanswered: readonly number[]) => void;
}

const MESSAGE_ID = 'prefetched';
/** As many offsets as a refusal names. */
const PREFETCH = 10;
/** Of the ack timeout. */
const LATE_FACTOR = 1.4;
const NACK_DELAY_MS_MAX = 50;

export class AckingConsumer {
  readonly peer: Peer;
  readonly #options: AckingOptions;
  /** Came in this pass of the event loop. */
  #batch: number[] = [];
  /** Sent and not answered, by id. */
  readonly #acks = new Map<string, readonly number[]>();
  /** When each message that may come was asked for. */
  readonly #askedMs: number[] = [];
  #ids = 0;
  #gone = false;

  private constructor(options: AckingOptions, peer: Peer) {
    this.#options = options;
    this.peer = peer;
  }

  static async start(options: AckingOptions): Promise<AckingConsumer> {
    const peer = await Peer.connect(options.port, (reply, id) => {
      consumer.#onReply(reply, id);
    });
    const consumer = new AckingConsumer(options, peer);
    consumer.#grant(PREFETCH);
    return consumer;
  }

  /** Resolves once all that the broker has sent to it was handled. */
  async quiet(): Promise<void> {
    await (this.#gone ? this.peer.closed() : this.peer.fence());
  }

  #grant(prefetch: number): void {
    const askedMs = performance.now();
    for (let i = 0; i < prefetch; i++) this.#askedMs.push(askedMs);
    this.peer.send({ cmd: 'consume', id: MESSAGE_ID, ...this.#options.headers, prefetch });
  }

  #onReply(reply: Reply, id: string): void {
    if (id === MESSAGE_ID) {
      if (this.#gone || isStopping(reply)) return;
      if (this.#batch.length === 0) setImmediate(this.#decide);
      const askedMs = this.#askedMs.shift();
      assert(askedMs !== undefined, 'a message came that was not asked for');
      const offset = this.#options.saw(reply);
      this.#options.ledger.delivered(offset, this.#options.consumer, askedMs);
      this.#batch.push(offset);
      return;
    }
    const offsets = this.#acks.get(id);
    this.#acks.delete(id);
    if (offsets !== undefined) this.#onAcked(offsets, reply);
    else assert([200, 409].includes(reply.status), `nack: ${reply.body.toString()}`);
  }

  #onAcked(offsets: readonly number[], { status, body }: Reply): void {
    const { ledger, consumer } = this.#options;
    const refused = status === 409 ? refusedOffsets(body.toString()) : [];
    assert(status === 200 || refused.length > 0, `ack: ${status} ${body.toString()}`);
    for (const offset of offsets) {
      if (!refused.includes(offset)) ledger.acked(offset, consumer);
    }
  }

  readonly #decide = (): void => {
    const { ledger, random, verdictOn } = this.#options;
    const batch = this.#batch;
    this.#batch = [];
    const lists: Record<Verdict, number[]> = { ack: [], nack: [], late: [], forget: [], drop: [] };
    for (const offset of batch) {
      const verdict = verdictOn(offset);
      lists[verdict].push(offset);
      ledger.decided(offset, verdict);
    }
    this.#ack(lists.ack);
    if (lists.late.length > 0) {
      const lateMs = ledger.ackTimeoutMs * LATE_FACTOR;
      setTimeout(() => this.#ack(lists.late), lateMs).unref();
    }
    this.#answer('nack', lists.nack, { delay: Math.floor(random() * NACK_DELAY_MS_MAX) });
    if (lists.drop.length > 0) this.#leave();
    else this.#grant(batch.length);
  };

  /** Breaks the connection or closes it in order: both say that what it holds must come back. */
  #leave(): void {
    const { ledger, consumer, random, left } = this.#options;
    const { peer } = this;
    this.#gone = true;
    ledger.left(consumer);
    if (random() < 0.5) peer.socket.resetAndDestroy();
    else peer.socket.end();
    void peer.closed().then(() => left?.([...this.#acks.values()].flat()));
  }

  #ack(offsets: readonly number[]): void {
    const id = this.#answer('ack', offsets, {});
    if (id !== null) this.#acks.set(id, offsets);
  }

  /** Returns the id of what was sent. */
  #answer(cmd: string, offsets: readonly number[], settings: Headers): string | null {
    if (offsets.length === 0) return null;
    const id = `${cmd}-${this.#ids++}`;
    const { headers } = this.#options;
    this.peer.send({ cmd, id, ...headers, ...settings, offsets: offsets.join() });
    return id;
  }
}

/** Those that a refusal names: all of a list of ten. */
function refusedOffsets(text: string): number[] {
  const list = /not in your hands: ([\d, ]+)/u.exec(text)?.[1] ?? '';
  return list.split(', ').filter(Boolean).map(Number);
}
