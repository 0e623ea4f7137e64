/**
 * Producers and consumers at work on a running broker, until it or they are stopped. Used by the
 * tests of this folder; tells the oracle everything that was sent, acknowledged and seen.
 */
import assert from 'node:assert/strict';
import type { Verdict } from './ack-ledger.js';
import { AckingConsumer } from './acking-consumer.js';
import type { Entry, GroupRule, Oracle } from './oracle.js';
import type { Payloads } from './payload.js';
import { Client, type Headers } from '../support/client.js';
import type { Peer } from './peer.js';
import { isStopping, type Reply } from '../support/reply-parser.js';

export const TOPIC = 'kept';
export const PRODUCERS = 4;

interface GroupPlan {
  readonly name: string;
  readonly filter: string | null;
  readonly consumers: number;
  /** null: without explicit acks. */
  readonly ackTimeoutMs: number | null;
}

/**
 * One consumer, one consumer of some of it, two consumers that share it, three that share it and
 * acknowledge.
 */
export const GROUPS: readonly GroupPlan[] = [
  { name: 'all', filter: null, consumers: 1, ackTimeoutMs: null },
  { name: 'some', filter: 'from.0;from.2', consumers: 1, ackTimeoutMs: null },
  { name: 'shared', filter: null, consumers: 2, ackTimeoutMs: null },
  { name: 'acked', filter: null, consumers: 3, ackTimeoutMs: 600 },
];

/** As Oracle wants to know the groups. */
export const GROUP_RULES: readonly GroupRule[] = GROUPS.map(
  ({ filter, consumers, ackTimeoutMs }) => ({
    wants: (producer) => filter === null || producer % 2 === 0,
    ordered: consumers === 1,
    ackTimeoutMs,
  }),
);

/** Messages a producer has under way. */
const PRODUCE_WINDOW = 32;
/** Consume requests a consumer has waiting. */
export const CONSUME_WINDOW = 4;
const READ_WINDOW = 256;
const NACK_SHARE = 0.03;
const LATE_SHARE = 0.01;

export class Traffic {
  readonly #oracle: Oracle;
  readonly #payloads: Payloads;
  readonly #random: () => number;
  readonly #producers: Client[] = [];
  readonly #consumers: (Client | Peer)[] = [];
  #producing = true;

  constructor(oracle: Oracle, payloads: Payloads, random: () => number) {
    this.#oracle = oracle;
    this.#payloads = payloads;
    this.#random = random;
  }

  static async declare(client: Client): Promise<void> {
    await client.expect(200, 'declare', { topic: TOPIC });
    for (const { name, filter, ackTimeoutMs } of GROUPS) {
      await client.expect(200, 'declare', {
        topic: TOPIC,
        consume_group: name,
        group_start_offset: 0,
        ...(filter === null ? {} : { group_filter: filter }),
        ...(ackTimeoutMs === null ? {} : { group_mask: 64, group_ack_timeout: ackTimeoutMs }),
      });
    }
  }

  async consume(port: number): Promise<void> {
    for (const [group, { consumers, ackTimeoutMs }] of GROUPS.entries()) {
      for (let i = 0; i < consumers; i++) {
        if (ackTimeoutMs === null) await this.#startConsumer(port, group);
        else await this.#startAckingConsumer(port, group, i);
      }
    }
  }

  async produce(port: number): Promise<void> {
    for (let producer = 0; producer < PRODUCERS; producer++) {
      this.#producers.push(await Client.connect(port));
    }
    this.#producers.forEach((client, producer) => {
      for (let k = 0; k < PRODUCE_WINDOW; k++) this.#produceNext(client, producer);
    });
  }

  /** Resolves when the broker has ended and all its connections are gone. */
  async ended(): Promise<void> {
    this.#producing = false;
    const clients = [...this.#producers, ...this.#consumers];
    // A killed broker resets its connections: that is an end like any other here.
    await Promise.allSettled(clients.map((client) => client.closed()));
  }

  /** Lets the consumers, which `consume` has started, take all that the groups still hold. */
  async drain(client: Client): Promise<void> {
    for (const { name } of GROUPS) {
      while ((await openCount(client, name)) > 0);
    }
    // A ping's answer stands behind all that was delivered on its connection.
    await Promise.all(this.#consumers.map((consumer) => consumer.fence()));
  }

  async close(): Promise<void> {
    this.#producing = false;
    await Promise.all([...this.#producers, ...this.#consumers].map((client) => client.close()));
  }

  #produceNext(client: Client, producer: number): void {
    if (!this.#producing) return;
    const n = this.#oracle.sends(producer);
    const body = this.#payloads.body(producer, n);
    const onReply = (reply: Reply): void => {
      if (isStopping(reply)) return;
      assert.equal(reply.status, 200, reply.body.toString());
      this.#oracle.acked(producer, n, Number(reply.headers.get('offset')));
      this.#produceNext(client, producer);
    };
    void client
      .request('produce', produceHeaders(producer, n), body)
      .then(onReply, connectionEnded);
  }

  async #startConsumer(port: number, group: number): Promise<void> {
    const client = await Client.connect(port);
    this.#consumers.push(client);
    for (let k = 0; k < CONSUME_WINDOW; k++) this.#consumeNext(client, group);
  }

  async #startAckingConsumer(port: number, group: number, consumer: number): Promise<void> {
    const ledger = this.#oracle.ledger(group);
    const saw = (reply: Reply): number => {
      const entry = entryOf(reply, this.#payloads);
      this.#oracle.saw(group, entry);
      return entry.offset;
    };
    const headers = groupHeaders(group);
    const { peer } = await AckingConsumer.start({
      port,
      headers,
      consumer,
      ledger,
      random: this.#random,
      saw,
      verdictOn: () => verdictOf(this.#random()),
    });
    this.#consumers.push(peer);
  }

  #consumeNext(client: Client, group: number): void {
    const headers = groupHeaders(group);
    const onReply = (reply: Reply): void => {
      if (isStopping(reply)) return;
      this.#oracle.saw(group, entryOf(reply, this.#payloads));
      this.#consumeNext(client, group);
    };
    void client.request('consume', headers).then(onReply, connectionEnded);
  }
}

/** Requests that a kill cut off are in doubt: the oracle accepts either end of them. */
function connectionEnded(): void {
  return undefined;
}

/** Reads everything from `from` on, each message by its offset, and checks its bytes. */
export async function readLog(client: Client, payloads: Payloads, from: number): Promise<Entry[]> {
  const { messageDepth } = await client.query<{ messageDepth: number }>(TOPIC);
  const entries: Entry[] = [];
  for (let start = from; start < messageDepth; start += READ_WINDOW) {
    const count = Math.min(READ_WINDOW, messageDepth - start);
    const offsets = Array.from({ length: count }, (_, i) => start + i);
    entries.push(...(await Promise.all(offsets.map((offset) => readAt(client, payloads, offset)))));
  }
  // Nothing lies behind the end.
  await client.expect(404, 'consume', { topic: TOPIC, offset: messageDepth });
  return entries;
}

async function readAt(client: Client, payloads: Payloads, offset: number): Promise<Entry> {
  const reply = await client.expect(200, 'consume', { topic: TOPIC, offset });
  const entry = entryOf(reply, payloads);
  assert.equal(entry.offset, offset, 'the reply names the offset that was asked for');
  return entry;
}

/** Who sent the message, with its bytes checked. */
function entryOf(reply: Reply, payloads: Payloads): Entry {
  const entry = {
    offset: Number(reply.headers.get('offset')),
    producer: Number(reply.headers.get('producer')),
    n: Number(reply.headers.get('n')),
  };
  const whole = reply.status === 200 && reply.headers.get('tag') === `from.${entry.producer}`;
  assert(
    whole,
    `not one of the messages that were sent: status ${reply.status}, ` +
      [...reply.headers.keys()].join(),
  );
  const same = payloads.body(entry.producer, entry.n).equals(reply.body);
  assert(same, `message ${entry.n} of producer ${entry.producer} has other bytes than were sent`);
  return entry;
}

function produceHeaders(producer: number, n: number): Record<string, string | number> {
  const level = producer < 2 || (producer === 3 && n % 2 === 0) ? 'disk' : 'page';
  return { topic: TOPIC, tag: `from.${producer}`, ack_level: level, producer, n };
}

function verdictOf(share: number): Verdict {
  if (share < NACK_SHARE) return 'nack';
  return share < NACK_SHARE + LATE_SHARE ? 'late' : 'ack';
}

function groupHeaders(group: number): Headers {
  return { topic: TOPIC, consume_group: GROUPS[group]?.name ?? '' };
}

/** Messages that the group has not handed out, or that are not acknowledged. */
async function openCount(client: Client, group: string): Promise<number> {
  const info = await client.query<{ messageCount: number; inFlightCount?: number }>(TOPIC, group);
  return info.messageCount + (info.inFlightCount ?? 0);
}
