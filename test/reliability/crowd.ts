/**
 * Many consumers of one group with explicit acks, each on a connection of its own, and one producer
 * that feeds them. Used by crowd.test.ts; checks what it can while it runs and keeps the books for
 * the rest.
 */
import assert from 'node:assert/strict';
import type { Client } from '../support/client.js';
import type { Reply } from '../support/reply-parser.js';
import { AckLedger, type Verdict } from './ack-ledger.js';
import { AckingConsumer } from './acking-consumer.js';

export const TOPIC = 'jobs';
export const GROUP = 'workers';
const HEADERS = { topic: TOPIC, consume_group: GROUP };
export const ATTEMPTS_MAX = 5;
const ACK_TIMEOUT_MS = 500;
const BODY_BYTES = 100;
const PRODUCE_WINDOW = 500;

export interface CrowdOptions {
  readonly port: number;
  readonly consumers: number;
  readonly messages: number;
  readonly random: () => number;
  readonly verdictOn: (offset: number) => Verdict;
}

export class Crowd {
  readonly ledger = new AckLedger(ACK_TIMEOUT_MS);
  /** Their acks may have been taken: the consumer left before they were answered. */
  readonly doubtful = new Set<number>();
  /** Deliveries, by the place of the consumer. */
  readonly shares: number[];
  /** Deliveries, by message. */
  readonly #deliveries: Uint8Array;
  readonly #options: CrowdOptions;
  readonly #consumers = new Set<AckingConsumer>();
  /** Consumers so far; each that takes the place of one that left has a number of its own. */
  #count = 0;

  constructor(options: CrowdOptions) {
    this.#options = options;
    this.shares = new Array<number>(options.consumers).fill(0);
    this.#deliveries = new Uint8Array(options.messages);
  }

  get dropped(): number {
    return this.#count - this.#options.consumers;
  }

  static async declare(client: Client): Promise<void> {
    await client.expect(200, 'declare', {
      ...HEADERS,
      group_mask: 64,
      group_ack_timeout: ACK_TIMEOUT_MS,
      group_ack_window: 1000,
      group_max_attempts: ATTEMPTS_MAX,
    });
  }

  async start(): Promise<void> {
    const places = this.shares.map((_, place) => this.#join(place));
    await Promise.all(places);
  }

  /** Resolves once all are acknowledged. */
  async produce(client: Client): Promise<void> {
    const { messages } = this.#options;
    let next = 0;
    const lanes = Array.from({ length: PRODUCE_WINDOW }, async () => {
      while (next < messages) {
        const n = next++;
        const headers = { topic: TOPIC, ack_level: 'page' };
        const reply = await client.expect(200, 'produce', headers, bodyOf(n));
        assert.equal(Number(reply.headers.get('offset')), n);
      }
    });
    await Promise.all(lanes);
  }

  /** Resolves once every message is acknowledged or dead, and every answer to an ack has come. */
  async settled(client: Client): Promise<void> {
    for (let settled = -1; settled < this.#options.messages;) {
      settled = (await client.query<{ settledOffset: number }>(TOPIC, GROUP)).settledOffset;
    }
    await Promise.all([...this.#consumers].map((consumer) => consumer.quiet()));
  }

  async #join(place: number): Promise<void> {
    const { port, random, verdictOn } = this.#options;
    const number = this.#count++;
    const consumer = await AckingConsumer.start({
      port,
      headers: HEADERS,
      consumer: number,
      ledger: this.ledger,
      random,
      saw: (reply) => this.#saw(reply, place),
      verdictOn,
      left: (unanswered) => {
        for (const offset of unanswered) this.doubtful.add(offset);
        this.#consumers.delete(consumer);
        void this.#join(place);
      },
    });
    this.#consumers.add(consumer);
  }

  #saw(reply: Reply, place: number): number {
    assert.equal(reply.status, 200, reply.body.toString());
    const offset = Number(reply.headers.get('offset'));
    assert.equal(reply.body.toString(), bodyOf(offset), 'the message has the bytes that were sent');
    const deliveries = (this.#deliveries[offset] ?? 0) + 1;
    assert(deliveries <= ATTEMPTS_MAX, `${offset} came ${deliveries} times`);
    this.#deliveries[offset] = deliveries;
    this.shares[place] = (this.shares[place] ?? 0) + 1;
    return offset;
  }
}

/** The one message at offset `n`. */
function bodyOf(n: number): string {
  return String(n).padEnd(BODY_BYTES, '.');
}

/** Origin offsets of the dead letters, in their order. */
export async function deadLetters(client: Client): Promise<number[]> {
  const topic = `${TOPIC}.dead`;
  const { messageDepth } = await client.query<{ messageDepth: number }>(topic);
  const offsets = Array.from({ length: messageDepth }, (_, i) => i);
  const letters = await Promise.all(
    offsets.map((offset) => client.expect(200, 'consume', { topic, offset })),
  );
  return letters.map(({ headers, body }) => {
    const origin = Number(headers.get('origin_offset'));
    assert.equal(headers.get('origin_group'), GROUP);
    assert.equal(Number(headers.get('dead_attempts')), ATTEMPTS_MAX);
    assert.equal(body.toString(), bodyOf(origin), 'a dead letter has the bytes of its message');
    return origin;
  });
}
