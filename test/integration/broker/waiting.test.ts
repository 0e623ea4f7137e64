/** Consumers that wait: whose turn it is, how long, and what becomes of those who leave. */
import assert from 'node:assert/strict';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';
import type { Client } from '../../support/client.js';
import { until, watch } from '../../support/wait.js';

interface GroupJson {
  consumerCount: number;
  consumerList: string[] | null;
  messageCount: number;
}

describe('waiting consumers', () => {
  let broker: TestBroker;
  let producer: Client;
  beforeEach(async () => {
    broker = await TestBroker.start();
    producer = await broker.connect();
    await producer.expect(200, 'declare', { topic: 't' });
  });
  afterEach(cleanUp);

  const produce = (body: string) => producer.expect(200, 'produce', { topic: 't' }, body);

  /** A client whose consume stands in the waiting line. */
  async function waiting(headers = {}): Promise<{ client: Client; message: Promise<string> }> {
    const client = await broker.connect();
    const message = client
      .request('consume', { topic: 't', ...headers })
      .then(({ status, body }) => (status === 200 ? body.toString() : String(status)));
    message.catch(() => undefined);
    await client.fence();
    return { client, message };
  }

  it('are served in turn, one message each', async () => {
    const line = [await waiting(), await waiting(), await waiting()];
    for (const body of ['first', 'second', 'third']) await produce(body);
    assert.deepEqual(await Promise.all(line.map(({ message }) => message)), [
      'first',
      'second',
      'third',
    ]);
  });

  it('stand last again after each message', async () => {
    const first = await waiting();
    const second = await waiting();
    await produce('0');
    assert.equal(await first.message, '0');
    const again = first.client.request('consume', { topic: 't' });
    await first.client.fence();
    await produce('1');
    await produce('2');
    assert.equal(await second.message, '1');
    assert.equal((await again).body.toString(), '2');
  });

  it('get 204 when their timeout ends, with the id of the request', async () => {
    const client = await broker.connect();
    const reply = await client.expect(204, 'consume', { topic: 't', timeout: 20, id: 'mine' });
    assert.equal(reply.headers.get('id'), 'mine');
    assert.equal(reply.body.length, 0);
  });

  it('get 204 at once with a timeout of 0, and the message when there is one', async () => {
    const client = await broker.connect();
    await client.expect(204, 'consume', { topic: 't', timeout: 0 });
    await produce('there');
    const reply = await client.expect(200, 'consume', { topic: 't', timeout: 10_000 });
    assert.equal(reply.body.toString(), 'there');
  });

  it('take no message once their timeout has ended', async () => {
    const client = await broker.connect();
    await client.expect(204, 'consume', { topic: 't', timeout: 1 });
    await produce('for the next');
    const next = await waiting();
    assert.equal(await next.message, 'for the next');
  });

  for (const [how, leave] of [
    ['FIN', (client: Client) => void client.socket.end()],
    ['RST', (client: Client) => client.reset()],
  ] as const) {
    it(`that leave (${how}) before the message came are passed over`, async () => {
      const gone = await waiting();
      const next = await waiting();
      leave(gone.client);
      await produce('kept');
      assert.equal(await next.message, 'kept');
    });

    it(`that leave (${how}) while the message comes are passed over`, async () => {
      const gone = await waiting();
      const next = await waiting();
      producer.send({ cmd: 'produce', topic: 't', id: 'p' }, 'kept');
      leave(gone.client);
      assert.equal((await producer.reply('p')).status, 200);
      assert.equal(await next.message, 'kept');
    });

    it(`that leave (${how}) are no consumers any more, and the others still are`, async () => {
      const gone = await waiting();
      const left = await waiting();
      const before = await producer.query<GroupJson>('t', 't');
      assert.deepEqual(before.consumerList, [gone.client.address, left.client.address]);
      leave(gone.client);
      await gone.client.closed();
      await until(async () => (await producer.query<GroupJson>('t', 't')).consumerCount === 1);
      const { consumerList } = await producer.query<GroupJson>('t', 't');
      assert.deepEqual(consumerList, [left.client.address]);
    });
  }

  it('counts are right in the reply that follows an orderly end', async () => {
    const gone = await waiting();
    await gone.client.close();
    const { consumerCount, consumerList } = await producer.query<GroupJson>('t', 't');
    assert.deepEqual([consumerCount, consumerList], [0, null]);
    assert.equal((await producer.query<GroupJson>('t')).consumerCount, 0);
  });

  it('that unconsume get nothing more, and the message goes to the next', async () => {
    const left = await waiting();
    const next = await waiting();
    left.client.send({ cmd: 'unconsume', topic: 't', id: 'u' });
    await left.client.fence();
    assert.equal((await producer.query<GroupJson>('t', 't')).consumerCount, 1);
    const message = watch(left.message);
    await produce('kept');
    assert.equal(await next.message, 'kept');
    await left.client.fence();
    assert.equal(message.fulfilled, false);
    assert.deepEqual(left.client.unclaimed, [], 'unconsume is not answered');
  });

  it('that unconsume may consume again', async () => {
    const { client } = await waiting();
    client.send({ cmd: 'unconsume', topic: 't', id: 'u' });
    const again = client.request('consume', { topic: 't' });
    await client.fence();
    await produce('again');
    assert.equal((await again).body.toString(), 'again');
  });

  it('with many requests of one connection get a message for each', async () => {
    const client = await broker.connect();
    const replies = Array.from({ length: 100 }, () => client.request('consume', { topic: 't' }));
    await client.fence();
    for (let n = 0; n < 100; n++) await produce(String(n));
    const bodies = (await Promise.all(replies)).map(({ body }) => body.toString());
    assert.deepEqual(
      bodies,
      Array.from({ length: 100 }, (_, n) => String(n)),
    );
  });

  it('of one connection are refused above the limit, the others go on waiting', async () => {
    const client = await broker.connect();
    const first = client.request('consume', { topic: 't' });
    for (let n = 1; n < 4096; n++) client.send({ cmd: 'consume', topic: 't', id: `c${n}` });
    await client.expect(429, 'consume', { topic: 't' });
    await produce('for the first');
    assert.equal((await first).body.toString(), 'for the first');
  });
});

describe('a consumer that does not read', () => {
  const BODY = Buffer.alloc(256 * 1024, 'b');
  const COUNT = 128;
  let broker: TestBroker;
  let producer: Client;
  let stuck: Client;
  beforeEach(async () => {
    broker = await TestBroker.start({ unsentBytesMax: 1024 * 1024 });
    producer = await broker.connect();
    await producer.expect(200, 'declare', { topic: 't' });
    stuck = await broker.connect();
    stuck.socket.pause();
    for (let n = 0; n < COUNT; n++) stuck.send({ cmd: 'consume', topic: 't', id: `c${n}` });
    for (let n = 0; n < COUNT; n++) {
      await producer.expect(200, 'produce', { topic: 't', ack_level: 'page' }, BODY);
    }
  });
  afterEach(cleanUp);

  it('stops its own deliveries only: the rest stays in the topic', async () => {
    const { messageCount } = await producer.query<GroupJson>('t', 't');
    assert(messageCount > 0, 'all 32 MiB were handed to a connection that takes none');
    const reply = await producer.expect(200, 'consume', { topic: 't' });
    assert.equal(Number(reply.headers.get('offset')), COUNT - messageCount);
  });

  it('gets the rest when it reads again', async () => {
    stuck.socket.resume();
    const offsets = [];
    for (let n = 0; n < COUNT; n++) {
      offsets.push(Number((await stuck.next()).headers.get('offset')));
    }
    assert.deepEqual(
      offsets,
      Array.from({ length: COUNT }, (_, n) => n),
    );
  });

  it('when it breaks, what it had not taken goes to the next one, without a hole', async () => {
    const { messageCount } = await producer.query<GroupJson>('t', 't');
    stuck.reset();
    await until(async () => (await producer.query<GroupJson>('t', 't')).consumerCount === 0);
    const after = await producer.query<GroupJson>('t', 't');
    assert(after.messageCount > messageCount, 'nothing came back');
    const offsets = [];
    for (let n = 0; n < after.messageCount; n++) {
      const reply = await producer.expect(200, 'consume', { topic: 't' });
      offsets.push(Number(reply.headers.get('offset')));
    }
    const first = COUNT - after.messageCount;
    assert.deepEqual(
      offsets,
      Array.from({ length: after.messageCount }, (_, n) => first + n),
    );
  });
});
