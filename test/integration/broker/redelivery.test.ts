/**
 * Messages that were delivered and not acknowledged: when they come back, to whom, in which order,
 * how often. Dead ones are in dead-letters.test.ts.
 */
import assert from 'node:assert/strict';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';
import type { Client } from '../../support/client.js';
import { numbered, produceAll } from '../../support/consumer.js';
import { GroupClient, MaskBit, offsetsOf, range, retriesOf } from '../../support/group-client.js';
import { ManualClock } from '../../support/manual-clock.js';
import { until, watch } from '../../support/wait.js';

let broker: TestBroker;
let clock: ManualClock;
let producer: Client;
let group: GroupClient;

async function start(topicMask = 0): Promise<void> {
  clock = new ManualClock();
  broker = await TestBroker.start({}, clock);
  producer = await broker.connect();
  await producer.expect(200, 'declare', { topic: 't', topic_mask: topicMask });
  group = await consumer();
  await group.declare({ group_ack_timeout: 1000 });
}

/** Another connection. */
async function consumer(): Promise<GroupClient> {
  return new GroupClient(await broker.connect(), 't', 'g');
}

function produce(count: number): Promise<unknown> {
  return produceAll(producer, 't', numbered(count));
}

for (const [kind, mask] of [
  ['disk', 0],
  ['memory', MaskBit.memory],
] as const) {
  describe(`what is not acknowledged in a ${kind} topic`, () => {
    beforeEach(() => start(mask));
    afterEach(cleanUp);

    it('comes back when its timeout ends and not before, the same but for retry', async () => {
      await producer.expect(200, 'produce', { topic: 't', tag: 'a.b', 'x-own': 'mine' }, 'body');
      const first = await group.take();
      const waiting = (await consumer()).take();
      const watched = watch(waiting);
      clock.advance(999);
      assert.equal((await group.query()).inFlightCount, 1);
      assert.equal(watched.fulfilled, false);
      clock.advance(1);
      const again = await waiting;
      const { id, retry, ...rest } = Object.fromEntries(again.headers);
      assert.equal(retry, '1');
      assert(!first.headers.has('retry'), 'the first time has no retry');
      const { id: firstId, ...expected } = Object.fromEntries(first.headers);
      assert(id !== undefined && firstId !== undefined);
      assert.deepEqual([rest, again.body], [expected, 'body']);
    });

    it('comes back again and again, and counts', async () => {
      await produce(1);
      for (const retry of [0, 1, 2, 3]) {
        assert.deepEqual(retriesOf([await group.take()]), [[0, retry]]);
        clock.advance(1000);
      }
      await group.take();
      await group.ack(0);
      clock.advance(1000);
      await group.getsNothing();
      assert.equal((await group.query()).redeliveredCount, 4);
    });

    for (const [how, leave] of [
      ['closes (FIN)', (client: Client) => void client.socket.end()],
      ['breaks (RST)', (client: Client) => client.reset()],
    ] as const) {
      it(`comes back at once when its connection ${how}`, async () => {
        await produce(3);
        await group.takeMany(3);
        await group.ack(1);
        const next = await consumer();
        const waiting = [next.take(), next.take()];
        await next.client.fence();
        leave(group.client);
        assert.deepEqual(retriesOf(await Promise.all(waiting)), [
          [0, 1],
          [2, 1],
        ]);
        await next.getsNothing();
      });
    }

    it('comes back before what is new, whoever asks', async () => {
      await produce(2);
      await group.takeMany(2);
      await produce(2);
      await group.nack('0-1');
      assert.deepEqual(retriesOf(await group.takeMany(4)), [
        [0, 1],
        [1, 1],
        [2, 0],
        [3, 0],
      ]);
    });

    it('comes back as it was also from far behind the others', async () => {
      await produce(1000);
      await group.declare({ group_ack_window: 1000 });
      group.grant('all', 1000);
      await group.nextMany('all', 1000);
      await group.ack('1-998');
      await group.nack('0,999');
      const bodies = (await group.takeMany(2)).map(({ body }) => body);
      assert.deepEqual(bodies, ['0', '999']);
    });
  });
}

describe('the timeout', () => {
  beforeEach(() => start());
  afterEach(cleanUp);

  it('of each message begins when it was delivered', async () => {
    await produce(2);
    await group.take();
    clock.advance(600);
    await group.take();
    clock.advance(400);
    const next = await consumer();
    assert.equal((await next.take()).offset, 0);
    await next.getsNothing();
    clock.advance(600);
    assert.equal((await next.take()).offset, 1);
  });

  it('begins anew with renew, for those that are named', async () => {
    await produce(4);
    await group.takeMany(4);
    clock.advance(900);
    await group.renew('0,2-3');
    clock.advance(100);
    const next = await consumer();
    assert.deepEqual(retriesOf([await next.take()]), [[1, 1]]);
    await next.getsNothing();
    clock.advance(899);
    await next.getsNothing();
    clock.advance(1);
    assert.deepEqual(offsetsOf(await next.takeMany(3)), [0, 2, 3]);
  });

  it('never ends for a consumer that goes on to renew', async () => {
    await produce(1);
    await group.take();
    for (let n = 0; n < 20; n++) {
      clock.advance(999);
      await group.renew(0);
    }
    await group.ack(0);
    assert.equal((await group.query()).redeliveredCount, 0);
  });

  it('of messages in flight changes with the declaration', async () => {
    await produce(1);
    await group.take();
    await group.declare({ group_ack_timeout: 5000 });
    clock.advance(4999);
    await group.getsNothing();
    await group.declare({ group_ack_timeout: 10 });
    assert.deepEqual(retriesOf([await group.take()]), [[0, 1]]);
  });

  it('runs on the real clock when nothing stops it', async () => {
    const real = await TestBroker.start();
    const client = await real.connect();
    await client.expect(200, 'declare', { topic: 't' });
    const timed = new GroupClient(client, 't', 'g');
    await timed.declare({ group_ack_timeout: 100 });
    await client.expect(200, 'produce', { topic: 't' }, 'x');
    await timed.take();
    const began = performance.now();
    assert.equal((await timed.take()).retry, 1);
    // Delivered before `began`, and timers may end a millisecond early.
    assert(performance.now() - began >= 50, `after ${performance.now() - began} ms`);
  });

  it('that ends while nobody consumes is told by query, and served to who comes', async () => {
    await produce(1);
    await group.take();
    clock.advance(1000);
    await until(async () => (await group.query()).returnedCount === 1);
    assert.deepEqual((await group.query()).returned, [{ offset: 0, retry: 1, dueInMs: 0 }]);
    assert.equal((await group.query()).messageCount, 1);
    assert.equal((await group.take()).retry, 1);
  });
});

describe('nack', () => {
  beforeEach(() => start());
  afterEach(cleanUp);

  it('gives back a list at once, lowest offset first', async () => {
    await produce(6);
    await group.takeMany(6);
    await group.nack('5,0-1,3');
    assert.deepEqual(retriesOf(await group.takeMany(4)), [
      [0, 1],
      [1, 1],
      [3, 1],
      [5, 1],
    ]);
  });

  it('takes one offset, and no delay is none', async () => {
    await produce(1);
    await group.take();
    await group.expect(200, 'nack', { offset: 0 });
    assert.equal((await group.take()).retry, 1);
  });

  it('with a delay gives back after it and not before; what is new goes on', async () => {
    await produce(2);
    await group.take();
    await group.nack(0, 5000);
    assert.equal((await group.take()).offset, 1);
    const waiting = group.take();
    const watched = watch(waiting);
    await group.renew(1);
    clock.advance(999);
    await group.renew(1);
    clock.advance(999);
    await group.ack(1);
    clock.advance(3001);
    await group.client.fence();
    assert.equal(watched.fulfilled, false);
    clock.advance(1);
    assert.deepEqual(retriesOf([await waiting]), [[0, 1]]);
  });

  it('with a delay gives back before what is new once it is due', async () => {
    await produce(3);
    await group.takeMany(2);
    await group.nack(0, 500);
    await group.nack(1, 400);
    clock.advance(500);
    assert.deepEqual(offsetsOf(await group.takeMany(3)), [1, 0, 2]);
  });

  it('with delays gives back in the order of their ends, then of offsets', async () => {
    await produce(6);
    await group.declare({ group_ack_timeout: 60_000 });
    await group.takeMany(6);
    for (const [offset, delayMs] of [
      [3, 300],
      [0, 200],
      [4, 100],
      [2, 300],
      [5, 200],
      [1, 300],
    ] as const) {
      await group.nack(offset, delayMs);
    }
    clock.advance(300);
    assert.deepEqual(offsetsOf(await group.takeMany(6)), [4, 0, 5, 1, 2, 3]);
  });

  it('with the longest delay there is delays, also past what a timer can hold', async () => {
    await produce(1);
    await group.take();
    await group.nack(0, 2 ** 31 + 1000);
    clock.advance(2 ** 31 + 999);
    // Idle connections were closed meanwhile.
    await (await consumer()).getsNothing();
    clock.advance(1);
    assert.equal((await (await consumer()).take()).retry, 1);
  });

  it('serves another consumer that waits', async () => {
    await produce(1);
    await group.take();
    const waiting = (await consumer()).take();
    await group.nack(0);
    assert.equal((await waiting).retry, 1);
    await group.refused('ack', 0);
  });
});

describe('a consumer', () => {
  beforeEach(() => start());
  afterEach(cleanUp);

  it('that unconsumes keeps what it holds, and may acknowledge it', async () => {
    await produce(3);
    await group.takeMany(3);
    group.unconsume();
    const next = await consumer();
    await next.getsNothing();
    await group.ack(0);
    clock.advance(1000);
    assert.equal((await next.take()).offset, 1);
    await next.ack(1);
    assert.equal((await next.take()).offset, 2);
  });

  it('that unconsumed and ends gives back what it held', async () => {
    await produce(1);
    await group.take();
    group.unconsume();
    await group.client.fence();
    await group.client.close();
    assert.deepEqual(retriesOf([await (await consumer()).take()]), [[0, 1]]);
  });

  it('that shuts down its sending side alone gives back what it held', async () => {
    await produce(1);
    await group.take();
    const next = await consumer();
    // What the connection is still owed keeps it open in the other direction.
    await producer.expect(200, 'declare', { topic: 'big', topic_mask: MaskBit.memory });
    await producer.expect(200, 'produce', { topic: 'big' }, Buffer.alloc(12_000_000));
    group.client.socket.pause();
    for (let n = 0; n < 3; n++) group.client.send({ cmd: 'consume', topic: 'big', offset: 0 });
    group.client.socket.end();
    assert.deepEqual(retriesOf([await next.take()]), [[0, 1]]);
    assert.equal(group.client.socket.readyState, 'readOnly');
  });

  it('that never read its messages does not count as having had them', async () => {
    const body = Buffer.alloc(256 * 1024, 'b');
    const count = 100;
    for (let n = 0; n < count; n++) {
      await producer.expect(200, 'produce', { topic: 't', ack_level: 'page' }, body);
    }
    group.client.socket.pause();
    group.grant('stuck', count);
    const next = await consumer();
    await until(async () => (await next.query()).inFlightCount > 0);
    const { nextOffset } = await next.query();
    assert(nextOffset < count, 'all 25 MiB were handed to a connection that takes none');
    group.client.reset();
    next.grant('all', count);
    const got = await next.nextMany('all', count);
    assert.deepEqual(
      offsetsOf(got).sort((a, b) => a - b),
      range(0, count - 1),
    );
    const sent = got.filter(({ retry }) => retry === 1).map(({ offset }) => offset);
    assert.deepEqual(sent, range(0, sent.length - 1), 'a prefix left the broker');
    assert(sent.length < nextOffset, `${sent.length} of ${nextOffset} count as delivered`);
    assert.deepEqual([...new Set(got.map(({ retry }) => retry))].sort(), [0, 1]);
  });

  it('keeps nothing of a group that is removed, nor of one made anew', async () => {
    await produce(2);
    await group.takeMany(2);
    await group.expect(200, 'remove');
    await group.expect(404, 'ack', { offset: 0 });
    await group.declare({ group_start_offset: 0 });
    await group.refused('ack', 0);
    assert.deepEqual(retriesOf([await group.take()]), [[0, 0]]);
    await group.client.close();
    const next = await consumer();
    assert.deepEqual(retriesOf([await next.take()]), [[0, 1]]);
  });
});
