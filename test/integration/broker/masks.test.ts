/**
 * Masks that change while messages are in flight: acks required or not, pause, exclusive,
 * delete_on_exit. What a mask does to consumers that wait is in groups.test.ts.
 */
import assert from 'node:assert/strict';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';
import type { Client, Headers } from '../../support/client.js';
import { numbered, produceAll } from '../../support/consumer.js';
import { GroupClient, MaskBit, offsetsOf, range, retriesOf } from '../../support/group-client.js';
import { ManualClock } from '../../support/manual-clock.js';
import { until, watch } from '../../support/wait.js';

const { ackRequired: ACKS, pause: PAUSE, exclusive: EXCLUSIVE, deleteOnExit } = MaskBit;

let broker: TestBroker;
let clock: ManualClock;
let producer: Client;
let group: GroupClient;

async function start(): Promise<void> {
  clock = new ManualClock();
  broker = await TestBroker.start({}, clock);
  producer = await broker.connect();
  await declareTopic(0);
  group = await consumer();
}

function declareTopic(mask: number): Promise<unknown> {
  return producer.expect(200, 'declare', { topic: 't', topic_mask: mask });
}

/** Another connection. */
async function consumer(): Promise<GroupClient> {
  return new GroupClient(await broker.connect(), 't', 'g');
}

function produce(count: number): Promise<unknown> {
  return produceAll(producer, 't', numbered(count));
}

/** The consumer's connection ends, and the broker has seen it. */
async function leave(leaving: GroupClient): Promise<void> {
  await leaving.client.close();
}

describe('ack_required', () => {
  beforeEach(start);
  afterEach(cleanUp);

  for (const [what, require] of [
    ['the group', (mask: number) => group.declare({ group_mask: mask })],
    ['the topic', declareTopic],
  ] as const) {
    describe(`of ${what}`, () => {
      beforeEach(() => group.declare({ group_mask: 0 }));

      it('holds as long as it is set', async () => {
        await produce(1);
        await require(ACKS);
        await group.take();
        assert.equal((await group.query()).inFlightCount, 1);
        await leave(group);
        group = await consumer();
        assert.deepEqual(retriesOf([await group.take()]), [[0, 1]]);
        await group.ack(0);
        assert.equal((await group.query()).settledOffset, 1);
      });

      it('that is set counts for what is delivered from then on', async () => {
        await produce(4);
        await group.takeMany(2);
        await require(ACKS);
        await group.takeMany(2);
        await group.refused('ack', 1);
        await group.ack(2);
        await leave(group);
        group = await consumer();
        assert.deepEqual(retriesOf([await group.take()]), [[3, 1]]);
        await group.getsNothing();
      });

      it('that is taken away settles what was delivered, and frees the window', async () => {
        await produce(6);
        await require(ACKS);
        await group.declare({ group_ack_window: 2, group_mask: what === 'the group' ? ACKS : 0 });
        await group.takeMany(2);
        await group.getsNothing();
        await require(0);
        assert.match(await group.refused('ack', 0), /acknowledges by itself/);
        assert.deepEqual(offsetsOf(await group.takeMany(4)), [2, 3, 4, 5]);
        await leave(group);
        group = await consumer();
        await group.getsNothing();
        clock.advance(30_000);
        await group.getsNothing();
        await require(ACKS);
        assert.equal((await group.query()).settledOffset, 6);
      });

      it('that is taken away leaves what came back to be delivered, once', async () => {
        await produce(2);
        await require(ACKS);
        await group.takeMany(2);
        await group.nack(0);
        await group.nack(1, 500);
        await require(0);
        assert.deepEqual(retriesOf([await group.take()]), [[0, 1]]);
        await group.getsNothing();
        clock.advance(500);
        assert.deepEqual(retriesOf([await group.take()]), [[1, 1]]);
        await leave(group);
        group = await consumer();
        await group.getsNothing();
      });

      it('is there after a restart, with what was in flight', async () => {
        await produce(2);
        await require(ACKS);
        await group.takeMany(2);
        await group.ack(0);
        await broker.restart();
        producer = await broker.connect();
        group = await consumer();
        assert.deepEqual(retriesOf([await group.take()]), [[1, 1]]);
        assert.equal((await group.query()).inFlightCount, 1);
      });
    });
  }

  it('of the topic and the group is that of either', async () => {
    await declareTopic(ACKS);
    await group.declare({ group_mask: ACKS });
    await produce(1);
    await group.take();
    await declareTopic(0);
    assert.equal((await group.query()).inFlightCount, 1);
    await group.ack(0);
  });

  it('that is taken away settles no message that has not left the broker', async () => {
    const body = Buffer.alloc(256 * 1024, 'b');
    const count = 100;
    await group.declare({ group_mask: ACKS });
    for (let n = 0; n < count; n++) {
      await producer.expect(200, 'produce', { topic: 't', ack_level: 'page' }, body);
    }
    group.client.socket.pause();
    group.grant('stuck', count);
    const next = await consumer();
    await until(async () => (await next.query()).inFlightCount > 0);
    const { nextOffset } = await next.query();
    await next.declare({ group_mask: 0 });
    group.client.reset();
    await until(async () => (await next.query()).consumerCount === 0);
    const { offset } = await next.take();
    assert(offset < nextOffset, `${nextOffset} were handed out, the next one is ${offset}`);
    next.grant('rest', count);
    const rest = offsetsOf(await next.nextMany('rest', count - offset - 1));
    assert.deepEqual(rest, range(offset + 1, count - 1));
  });
});

for (const [what, pause, resume] of [
  ['the topic', () => declareTopic(PAUSE), () => declareTopic(0)],
  [
    'the group',
    () => group.declare({ group_mask: ACKS | PAUSE }),
    () => group.declare({ group_mask: ACKS }),
  ],
] as const) {
  describe(`pause of ${what} with messages in flight`, () => {
    beforeEach(async () => {
      await start();
      await group.declare({ group_ack_timeout: 1000 });
      await produce(4);
      await group.takeMany(3);
      await pause();
    });
    afterEach(cleanUp);

    it('takes acks, renewals and messages that are given back', async () => {
      await group.ack(0);
      await group.renew(1);
      await group.nack(2);
      const { settledOffset, inFlightCount, returnedCount } = await group.query();
      assert.deepEqual([settledOffset, inFlightCount, returnedCount], [1, 1, 1]);
    });

    it('delivers nothing, new or come back, and all of it in order when it goes on', async () => {
      await group.nack(2);
      const waiting = [group.take(), group.take()];
      const watched = waiting.map(watch);
      await produce(1);
      clock.advance(1000);
      await until(async () => (await group.query()).returnedCount === 3);
      assert.deepEqual(
        watched.map(({ fulfilled }) => fulfilled),
        [false, false],
      );
      await group.refused('ack', 0);
      await resume();
      const got = [...(await Promise.all(waiting)), ...(await group.takeMany(3))];
      assert.deepEqual(retriesOf(got), [
        [2, 1],
        [0, 1],
        [1, 1],
        [3, 0],
        [4, 0],
      ]);
    });

    it('keeps what a consumer that goes away held for those who come after', async () => {
      await leave(group);
      group = await consumer();
      await group.getsNothing();
      await resume();
      assert.deepEqual(retriesOf(await group.takeMany(3)), [
        [0, 1],
        [1, 1],
        [2, 1],
      ]);
    });

    it('holds after a restart', async () => {
      await broker.restart();
      producer = await broker.connect();
      group = await consumer();
      await group.getsNothing();
      await resume();
      assert.deepEqual(offsetsOf(await group.takeMany(4)), [0, 1, 2, 3]);
    });
  });
}

describe('an exclusive group', () => {
  beforeEach(start);
  afterEach(cleanUp);

  for (const [how, end] of [
    ['closes', (owner: Client) => void owner.socket.end()],
    ['breaks', (owner: Client) => owner.reset()],
  ] as const) {
    it(`passes on, with what its owner held, when the connection of that ${how}`, async () => {
      await group.declare({ group_mask: EXCLUSIVE | ACKS });
      await produce(2);
      await group.takeMany(2);
      await group.ack(0);
      const next = await consumer();
      await next.expect(403, 'consume');
      end(group.client);
      await until(async () => (await next.query()).consumerCount === 0);
      assert.deepEqual(retriesOf([await next.take()]), [[1, 1]]);
      await (await consumer()).expect(403, 'consume');
    });
  }

  it('that was left by unconsume passes on; what was held stays with its holder', async () => {
    await group.declare({ group_mask: EXCLUSIVE | ACKS });
    await produce(2);
    await group.take();
    group.unconsume();
    await group.client.fence();
    const next = await consumer();
    assert.equal((await next.take()).offset, 1);
    await group.expect(403, 'consume');
    await group.ack(0);
  });

  it('keeps its first consumer when it becomes so; who waits besides gets 403', async () => {
    await group.declare({ group_mask: ACKS });
    await produce(1);
    const [second, third] = [await consumer(), await consumer()];
    await second.take();
    const waiting = [second, group, third].map(({ client }) => client);
    for (const client of waiting) {
      client.send({ cmd: 'consume', topic: 't', consume_group: 'g', id: 'w' });
      await client.fence();
    }
    await producer.expect(200, 'declare', {
      topic: 't',
      consume_group: 'g',
      group_mask: EXCLUSIVE | ACKS,
    });
    for (const { client } of [group, third]) {
      const { status, body } = await client.reply('w');
      assert.equal(status, 403);
      assert.match(body.toString(), /exclusive/);
    }
    await group.expect(403, 'consume');
    assert.deepEqual((await group.query()).consumerList, [second.client.address]);
    await second.ack(0);
    await produce(1);
    assert.equal((await second.next('w')).offset, 1);
  });

  it('is open to all when it is so no more', async () => {
    await group.declare({ group_mask: EXCLUSIVE });
    await produce(2);
    await group.take();
    const next = await consumer();
    await next.expect(403, 'consume');
    await group.declare({ group_mask: 0 });
    assert.equal((await next.take()).offset, 1);
  });
});

describe('a group with delete_on_exit', () => {
  beforeEach(start);
  afterEach(cleanUp);

  async function untilGone(): Promise<void> {
    const query = { topic: 't', consume_group: 'g' };
    await until(async () => (await producer.request('query', query)).status === 404);
  }

  const declarations: Headers[] = [
    { group_mask: deleteOnExit },
    { group_mask: deleteOnExit | ACKS },
  ];
  for (const headers of declarations) {
    const acks = headers.group_mask === deleteOnExit ? 'without' : 'with';
    it(`${acks} acks is gone with its last consumer's unconsume, not before`, async () => {
      await group.declare(headers);
      await produce(2);
      const second = await consumer();
      await group.take();
      await second.take();
      group.unconsume();
      await group.client.fence();
      await group.query();
      second.unconsume();
      await untilGone();
      await group.expect(404, 'ack', { offset: 0 });
    });

    it(`${acks} acks is gone after a restart, and so is its position`, async () => {
      await group.declare(headers);
      await produce(2);
      await broker.restart();
      [producer, group] = [await broker.connect(), await consumer()];
      await group.expect(404, 'query');
      await group.declare({ group_start_offset: 0 });
      await group.take();
      await broker.restart();
      [producer, group] = [await broker.connect(), await consumer()];
      assert.deepEqual(retriesOf([await group.take()]), [[0, 1]]);
    });
  }

  it('that nobody ever consumed from stays as long as the broker', async () => {
    await group.declare({ group_mask: deleteOnExit });
    await leave(group);
    await producer.expect(200, 'query', { topic: 't', consume_group: 'g' });
  });

  it('stays when the mask is taken away in time', async () => {
    await group.declare({ group_mask: deleteOnExit });
    await produce(2);
    await group.take();
    await group.declare({ group_mask: 0 });
    await leave(group);
    group = await consumer();
    assert.equal((await group.take()).offset, 1);
  });

  it('under a name made by the server is one for each who asks', async () => {
    const names = new Set<string>();
    const mask = deleteOnExit | EXCLUSIVE;
    for (let n = 0; n < 5; n++) {
      const client = await broker.connect();
      const headers = { topic: 't', group_name_auto: 'true', group_mask: mask };
      const { body } = await client.expect(200, 'declare', headers);
      const { groupName } = JSON.parse(body.toString()) as { groupName: string };
      names.add(groupName);
      const own = new GroupClient(client, 't', groupName);
      await produce(1);
      assert.deepEqual(offsetsOf(await own.takeMany(n + 1)), range(0, n));
      await client.close();
      const query = { topic: 't', consume_group: groupName };
      await until(async () => (await producer.request('query', query)).status === 404);
    }
    assert.equal(names.size, 5);
  });
});
