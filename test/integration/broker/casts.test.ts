/**
 * Unicast (consumers of one group share its messages), multicast (each group gets all of them) and
 * broadcast (a group for every consumer), over real sockets and the disk.
 */
import assert from 'node:assert/strict';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';
import type { Client } from '../../support/client.js';
import { Consumers, type Delivered, produceAll } from '../../support/consumer.js';

const COUNT = 10_000;
const TAGS = ['order.new', 'order.paid.card', 'stock.low', 'order'];
const tagOf = (n: number): string => TAGS[n % TAGS.length] ?? '';

const messages = Array.from({ length: COUNT }, (_, n) => ({
  body: String(n),
  headers: { tag: tagOf(n) },
}));
const bodies = messages.map(({ body }) => body);
const wanted = bodies.filter((body) => tagOf(Number(body)).startsWith('order.'));

function sorted(delivered: readonly Delivered[]): string[] {
  return delivered.map(({ body }) => body).sort((a, b) => Number(a) - Number(b));
}

describe('messages and groups', () => {
  let broker: TestBroker;
  let producer: Client;
  beforeEach(async () => {
    broker = await TestBroker.start();
    producer = await broker.connect();
    await producer.expect(200, 'declare', { topic: 't' });
  });
  afterEach(cleanUp);

  async function declareGroup(group: string, filter = ''): Promise<void> {
    const headers = { topic: 't', consume_group: group, group_filter: filter };
    await producer.expect(200, 'declare', headers);
  }

  async function connectMany(count: number): Promise<Client[]> {
    return Promise.all(Array.from({ length: count }, () => broker.connect()));
  }

  it('unicast: the consumers of a group share its messages, each message once', async () => {
    const consumers = new Consumers(await connectMany(2), { topic: 't' });
    await produceAll(producer, 't', messages);
    const delivered = await consumers.got(COUNT);
    assert.deepEqual(sorted(delivered), bodies);
    const shares = [0, 1].map((one) => delivered.filter(({ consumer }) => consumer === one).length);
    assert(
      shares.every((share) => share > 0),
      `shares ${shares.join(' and ')}`,
    );
  });

  it('multicast: three groups of two consumers, one filtered, each gets its messages', async () => {
    const groups = [
      { group: 'all', filter: '', expected: bodies },
      { group: 'too', filter: '', expected: bodies },
      { group: 'orders', filter: 'order.*', expected: wanted },
    ];
    const running = [];
    for (const { group, filter, expected } of groups) {
      await declareGroup(group, filter);
      const clients = await connectMany(2);
      const consumers = new Consumers(clients, { topic: 't', consume_group: group });
      running.push({ consumers, expected });
    }
    await produceAll(producer, 't', messages);
    for (const { consumers, expected } of running) {
      assert.deepEqual(sorted(await consumers.got(expected.length)), expected);
    }
  });

  it('broadcast: every consumer with a group of its own gets all, in order', async () => {
    const groups = ['a', 'b', 'c'];
    const running: Consumers[] = [];
    for (const group of groups) {
      await declareGroup(group);
      const [client] = await connectMany(1);
      assert(client);
      running.push(new Consumers([client], { topic: 't', consume_group: group }));
    }
    await produceAll(producer, 't', messages);
    for (const consumers of running) {
      const delivered = await consumers.got(COUNT);
      assert.deepEqual(
        delivered.map(({ body }) => body),
        bodies,
      );
      assert.deepEqual(
        delivered.map(({ offset }) => offset),
        bodies.map(Number),
      );
    }
  });

  it('a filtered group with one consumer keeps the order', async () => {
    await declareGroup('orders', 'order.*');
    const consumers = new Consumers([await broker.connect()], {
      topic: 't',
      consume_group: 'orders',
    });
    await produceAll(producer, 't', messages);
    const delivered = await consumers.got(wanted.length);
    assert.deepEqual(
      delivered.map(({ body }) => body),
      wanted,
    );
  });

  it('messages stored before the consumers came are delivered the same', async () => {
    await declareGroup('late');
    await produceAll(producer, 't', messages);
    const consumers = new Consumers([await broker.connect()], {
      topic: 't',
      consume_group: 'late',
    });
    const delivered = await consumers.got(COUNT);
    assert.deepEqual(
      delivered.map(({ body }) => body),
      bodies,
    );
  });

  it('many producers that outrun the disk are all answered, in order', async () => {
    const bodies = Array.from({ length: 64 }, (_, n) => `${n} `.padEnd(256 * 1024));
    const producers = await connectMany(8);
    const replies = await Promise.all(
      producers.map((one) =>
        produceAll(
          one,
          't',
          bodies.map((body) => ({ body })),
          'disk',
        ),
      ),
    );
    for (const own of replies) {
      const offsets = own.map(({ headers }) => Number(headers.get('offset')));
      assert.deepEqual(
        offsets,
        [...offsets].sort((a, b) => a - b),
      );
    }
    const { messageDepth } = await producer.query<{ messageDepth: number }>('t');
    assert.equal(messageDepth, producers.length * bodies.length);
  });

  it("two producers at once: each one's messages keep their order", async () => {
    const consumers = new Consumers([await broker.connect()], { topic: 't' });
    const other = await broker.connect();
    const half = messages.slice(0, COUNT / 2).map(({ body }) => body);
    await Promise.all([
      produceAll(
        producer,
        't',
        half.map((body) => ({ body: `first ${body}` })),
      ),
      produceAll(
        other,
        't',
        half.map((body) => ({ body: `second ${body}` })),
      ),
    ]);
    const delivered = await consumers.got(COUNT);
    for (const name of ['first', 'second']) {
      const own = delivered.filter(({ body }) => body.startsWith(name));
      assert.deepEqual(
        own.map(({ body }) => body.split(' ')[1]),
        half,
      );
    }
  });
});
