/**
 * Consume with prefetch: how many messages come under one id, who shares them, and what ends a
 * grant. Groups acknowledge by themselves here unless a test says otherwise.
 */
import assert from 'node:assert/strict';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';
import type { Client, Headers } from '../../support/client.js';
import { numbered, produceAll } from '../../support/consumer.js';
import { GroupClient, MaskBit, offsetsOf, range, retriesOf } from '../../support/group-client.js';
import { ManualClock } from '../../support/manual-clock.js';
import { until } from '../../support/wait.js';

let broker: TestBroker;
let clock: ManualClock;
let producer: Client;
let group: GroupClient;

async function start(topicMask = 0): Promise<void> {
  clock = new ManualClock();
  broker = await TestBroker.start({ unsentBytesMax: 1024 * 1024 }, clock);
  producer = await broker.connect();
  await producer.expect(200, 'declare', { topic: 't', topic_mask: topicMask });
  group = await consumer();
  await group.declare({ group_mask: 0 });
}

/** Another connection. */
async function consumer(): Promise<GroupClient> {
  return new GroupClient(await broker.connect(), 't', 'g');
}

function produce(count: number): Promise<unknown> {
  return produceAll(producer, 't', numbered(count));
}

/** Asserts that nothing but what was taken has come to the consumer. */
async function assertSilent({ client }: GroupClient): Promise<void> {
  await client.fence();
  assert.deepEqual(client.unclaimed, []);
}

for (const [kind, mask] of [
  ['disk', 0],
  ['memory', MaskBit.memory],
] as const) {
  describe(`a grant in a ${kind} topic`, () => {
    beforeEach(() => start(mask));
    afterEach(cleanUp);

    it('is as many messages under its id as were granted, then silence', async () => {
      await produce(5);
      group.grant('p', 3);
      assert.deepEqual(offsetsOf(await group.nextMany('p', 3)), [0, 1, 2]);
      await assertSilent(group);
      assert.equal((await group.take()).offset, 3);
    });

    it('waits for what is not there yet', async () => {
      group.grant('p', 3);
      await produce(2);
      assert.deepEqual(offsetsOf(await group.nextMany('p', 2)), [0, 1]);
      await produce(2);
      assert.equal((await group.next('p')).offset, 2);
      await assertSilent(group);
    });

    it('grows with another one of the same id, which has no reply of its own', async () => {
      group.grant('p', 2);
      group.grant('p', 3);
      await assertSilent(group);
      await produce(6);
      assert.deepEqual(offsetsOf(await group.nextMany('p', 5)), range(0, 4));
      await assertSilent(group);
    });

    it('that is granted again with each message never ends', async () => {
      group.grant('p', 2);
      for (let n = 0; n < 50; n++) {
        await produce(1);
        assert.equal((await group.next('p')).offset, n);
        group.grant('p', 1);
      }
      await produce(4);
      assert.deepEqual(offsetsOf(await group.nextMany('p', 2)), [50, 51]);
      await assertSilent(group);
    });

    it('that was used up begins anew under the same id', async () => {
      await produce(3);
      group.grant('p', 1);
      assert.equal((await group.next('p')).offset, 0);
      group.grant('p', 2);
      assert.deepEqual(offsetsOf(await group.nextMany('p', 2)), [1, 2]);
    });
  });
}

describe('a grant', () => {
  beforeEach(() => start());
  afterEach(cleanUp);

  it('of another id, connection or group is another one', async () => {
    const [other, elsewhere] = [await consumer(), new GroupClient(producer, 't', 'else')];
    await elsewhere.declare({ group_mask: 0 });
    group.grant('p', 1);
    group.grant('q', 1);
    await group.client.fence();
    other.grant('p', 1);
    elsewhere.grant('p', 3);
    await other.client.fence();
    await produce(4);
    assert.equal((await group.next('p')).offset, 0);
    assert.equal((await group.next('q')).offset, 1);
    assert.equal((await other.next('p')).offset, 2);
    assert.deepEqual(offsetsOf(await elsewhere.nextMany('p', 3)), [0, 1, 2]);
    for (const each of [group, other, elsewhere]) await assertSilent(each);
  });

  it('of none is refused, and so is one without an id', async () => {
    const none = await group.expect(400, 'consume', { prefetch: 0 });
    assert.match(none.body.toString(), /Bad prefetch "0": must be at least 1/);
    const plain = await group.client.get('/consume/t/g?prefetch=2');
    assert.equal(plain.status, 400);
    assert.match(plain.body.toString(), /Bad prefetch: needs an id/);
    await produce(1);
    await assertSilent(group);
    assert.equal((await group.take()).offset, 0);
  });

  it('may come by URL when the request has an id', async () => {
    await produce(2);
    const first = await group.client.get('/consume/t/g?prefetch=2', { id: 'u' });
    assert.equal(first.headers.get('offset'), '0');
    assert.equal((await group.next('u')).offset, 1);
  });

  it('ends with unconsume: no message more and no reply, and none is lost', async () => {
    group.grant('p', 5);
    await produce(2);
    await group.nextMany('p', 2);
    group.unconsume();
    await group.client.fence();
    await produce(2);
    await assertSilent(group);
    assert.equal((await group.query()).consumerCount, 0);
    assert.deepEqual(offsetsOf(await (await consumer()).takeMany(2)), [2, 3]);
  });

  it('ends with its connection, and none is lost', async () => {
    group.grant('p', 5);
    await produce(2);
    await group.nextMany('p', 2);
    group.client.reset();
    await until(async () => {
      const { consumerCount } = await producer.query<{ consumerCount: number }>('t', 'g');
      return consumerCount === 0;
    });
    await produce(2);
    assert.deepEqual(offsetsOf(await (await consumer()).takeMany(2)), [2, 3]);
  });

  it('ends with its group: 404', async () => {
    group.grant('p', 5);
    await produce(1);
    await group.next('p');
    await producer.expect(200, 'remove', { topic: 't', consume_group: 'g' });
    assert.equal((await group.client.reply('p')).status, 404);
  });

  it('with a timeout ends with 204 after that long without a message, not before', async () => {
    group.grant('p', 3, { timeout: 1000 });
    await group.client.fence();
    clock.advance(999);
    await produce(1);
    assert.equal((await group.next('p')).offset, 0);
    clock.advance(999);
    await assertSilent(group);
    clock.advance(1);
    assert.equal((await group.client.reply('p')).status, 204);
    await produce(2);
    await assertSilent(group);
    group.grant('p', 2);
    assert.deepEqual(offsetsOf(await group.nextMany('p', 2)), [1, 2]);
  });

  it('with a timeout waits anew when more is granted, and ends silently when used up', async () => {
    group.grant('p', 1, { timeout: 1000 });
    await group.client.fence();
    clock.advance(999);
    group.grant('p', 1);
    await group.client.fence();
    clock.advance(999);
    await produce(2);
    await group.nextMany('p', 2);
    clock.advance(5000);
    await assertSilent(group);
  });

  it('takes messages that came back as it takes new ones', async () => {
    await group.declare({ group_mask: MaskBit.ackRequired });
    await produce(3);
    group.grant('p', 5);
    await group.nextMany('p', 2);
    await group.nack('0-1');
    assert.deepEqual(
      retriesOf(await group.nextMany('p', 3)).sort(([a], [b]) => a - b),
      [
        [0, 1],
        [1, 1],
        [2, 0],
      ],
    );
  });

  it('beyond the window is held back until there is room', async () => {
    await group.declare({ group_mask: MaskBit.ackRequired, group_ack_window: 3 });
    await produce(10);
    group.grant('p', 10);
    assert.deepEqual(offsetsOf(await group.nextMany('p', 3)), [0, 1, 2]);
    await assertSilent(group);
    await group.ack('0,2');
    assert.deepEqual(offsetsOf(await group.nextMany('p', 2)), [3, 4]);
    await assertSilent(group);
  });

  it('as large as numbers go is one', async () => {
    group.grant('p', Number.MAX_SAFE_INTEGER);
    await produce(2);
    assert.deepEqual(offsetsOf(await group.nextMany('p', 2)), [0, 1]);
  });
});

describe('the consumers of a group', () => {
  beforeEach(() => start());
  afterEach(cleanUp);

  it('with grants and plain requests get one message each, then the next', async () => {
    const [plain, late] = [await consumer(), await consumer()];
    group.grant('p', 4);
    await group.client.fence();
    const first = plain.take();
    await plain.client.fence();
    late.grant('p', 2);
    await late.client.fence();
    await produce(6);
    assert.equal((await first).offset, 1);
    assert.deepEqual(offsetsOf(await group.nextMany('p', 3)), [0, 3, 5]);
    assert.deepEqual(offsetsOf(await late.nextMany('p', 2)), [2, 4]);
    await assertSilent(group);
  });

  for (const [what, headers] of [
    ['acknowledge', { group_mask: MaskBit.ackRequired, group_ack_window: 1000 }],
    ['need not acknowledge', { group_mask: 0 }],
  ] as const) {
    it(`that grant as much as each other and ${what} get fair shares`, async () => {
      await group.declare(headers satisfies Headers);
      const consumers = await Promise.all(Array.from({ length: 4 }, consumer));
      for (const each of consumers) {
        each.grant('p', 400);
        await each.client.fence();
      }
      await produce(400);
      await until(async () => (await group.query()).messageCount === 0);
      for (const { client } of consumers) await client.fence();
      const shares = consumers.map(({ client }) => client.unclaimed.length);
      assert(
        shares.every((share) => share >= 99 && share <= 101),
        `shares ${shares.join(' ')} of 400`,
      );
    });
  }

  it('that have no room left leave the rest to those that have', async () => {
    const [one, two] = [await consumer(), await consumer()];
    one.grant('p', 10);
    two.grant('p', 100);
    await Promise.all([one.client.fence(), two.client.fence()]);
    await produce(60);
    const got = [await one.nextMany('p', 10), await two.nextMany('p', 50)].map(offsetsOf).flat();
    assert.deepEqual(
      got.sort((a, b) => a - b),
      range(0, 59),
    );
    await assertSilent(one);
  });
});

describe('a consumer that grants more than it reads', () => {
  const BODY = Buffer.alloc(256 * 1024, 'b');
  const COUNT = 128;
  /** What the kernel may hold between two sockets on loopback, with room to spare. */
  const KERNEL_BYTES = 16 * 1024 * 1024;
  let nextOffset: number;
  beforeEach(async () => {
    await start();
    await group.declare({ group_ack_window: 1000 });
    group.client.socket.pause();
    group.grant('p', 1000);
    for (let n = 0; n < COUNT; n++) {
      await producer.expect(200, 'produce', { topic: 't', ack_level: 'page' }, BODY);
    }
    ({ nextOffset } = await new GroupClient(producer, 't', 'g').query());
  });
  afterEach(cleanUp);

  it('is handed no more than the cap, and the others get the rest', async () => {
    const heldMax = broker.config.unsentBytesMax + KERNEL_BYTES;
    assert(nextOffset * BODY.length <= heldMax, `${nextOffset} messages handed out`);
    const next = await consumer();
    next.grant('p', COUNT);
    const rest = await next.nextMany('p', COUNT - nextOffset);
    assert.deepEqual(offsetsOf(rest), range(nextOffset, COUNT - 1));
  });

  it('gets the rest in order when it reads again', async () => {
    group.client.socket.resume();
    assert.deepEqual(offsetsOf(await group.nextMany('p', COUNT)), range(0, COUNT - 1));
    await assertSilent(group);
  });

  it('may grant more and leave meanwhile', async () => {
    group.grant('p', 1);
    group.unconsume();
    group.client.socket.resume();
    const got = await group.nextMany('p', nextOffset);
    assert.deepEqual(offsetsOf(got), range(0, nextOffset - 1));
    await assertSilent(group);
    assert.equal((await group.query()).consumerCount, 0);
    await group.ack(`0-${nextOffset - 1}`);
    assert.equal((await group.query()).settledOffset, nextOffset);
  });
});
