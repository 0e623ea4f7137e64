/**
 * Groups with explicit acks as a client sees them: what ack, nack and renew take and refuse, how
 * many messages are in flight, what query shows. What comes back is in redelivery.test.ts.
 */
import assert from 'node:assert/strict';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';
import type { Client } from '../../support/client.js';
import { numbered, produceAll } from '../../support/consumer.js';
import {
  type AckGroupJson,
  GroupClient,
  MaskBit,
  offsetsOf,
  range,
  retriesOf,
} from '../../support/group-client.js';
import { ManualClock } from '../../support/manual-clock.js';
import { watch } from '../../support/wait.js';

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
}

/** Another connection. */
async function consumer(name = 'g'): Promise<GroupClient> {
  return new GroupClient(await broker.connect(), 't', name);
}

for (const [kind, mask] of [
  ['disk', 0],
  ['memory', MaskBit.memory],
] as const) {
  describe(`an ack in a ${kind} topic`, () => {
    beforeEach(async () => {
      await start(mask);
      await group.declare();
    });
    afterEach(cleanUp);

    it('ends the message: what its consumer leaves behind is the others alone', async () => {
      await produceAll(producer, 't', numbered(3));
      assert.deepEqual(offsetsOf(await group.takeMany(3)), [0, 1, 2]);
      await group.expect(200, 'ack', { offset: 1 });
      await group.client.close();
      const next = await consumer();
      const back = retriesOf(await next.takeMany(2));
      assert.deepEqual(back, [
        [0, 1],
        [2, 1],
      ]);
      await next.getsNothing();
    });

    it('takes a list with ranges, in any order and with spaces', async () => {
      await produceAll(producer, 't', numbered(10));
      await group.takeMany(10);
      await group.ack('9, 0,2,4-6');
      await group.client.close();
      const next = await consumer();
      assert.deepEqual(offsetsOf(await next.takeMany(4)), [1, 3, 7, 8]);
      await next.getsNothing();
    });

    it('of a range as wide as numbers go takes what is in it', async () => {
      await produceAll(producer, 't', numbered(3));
      await group.takeMany(3);
      await group.ack('0-9007199254740991');
      assert.equal((await group.query()).settledOffset, 3);
    });

    it('under a filter is of what passes, and the group gets past the rest', async () => {
      await group.declare({ group_filter: 'odd' });
      await produceAll(
        producer,
        't',
        numbered(10, (n) => (n % 2 === 0 ? 'even' : 'odd')),
      );
      assert.deepEqual(offsetsOf(await group.takeMany(5)), [1, 3, 5, 7, 9]);
      await group.ack('1,3,7,9');
      assert.equal((await group.query()).settledOffset, 5);
      await group.ack('5');
      assert.equal((await group.query()).settledOffset, 10);
    });

    it('of one group leaves another group of the topic where it is', async () => {
      const other = await consumer('other');
      await other.declare();
      await produceAll(producer, 't', numbered(2));
      await group.takeMany(2);
      await group.ack('0-1');
      assert.deepEqual(retriesOf(await other.takeMany(2)), [
        [0, 0],
        [1, 0],
      ]);
    });
  });
}

describe('the reply to an ack', () => {
  beforeEach(async () => {
    await start();
    await group.declare();
    await produceAll(producer, 't', numbered(20));
  });
  afterEach(cleanUp);

  it('is 200 with the time, also by URL', async () => {
    await group.take();
    const before = Date.now();
    const { status, body } = await group.client.get('/ack/t/g?offset=0');
    assert.equal(status, 200);
    const time = Number(body.toString());
    assert(time >= before && time <= Date.now(), body.toString());
    assert.equal((await group.query()).settledOffset, 1);
  });

  it('does not come with ack: false, and the message has ended all the same', async () => {
    await group.take();
    group.client.send({
      cmd: 'ack',
      ack: 'false',
      topic: 't',
      consume_group: 'g',
      offset: 0,
      id: 'quiet',
    });
    await group.client.fence();
    assert.deepEqual(group.client.unclaimed, []);
    assert.equal((await group.query()).settledOffset, 1);
  });

  it('is 409 for another connection, and the consumer in charge keeps its message', async () => {
    await group.take();
    const stranger = await consumer();
    for (const cmd of ['ack', 'nack', 'renew'] as const) {
      assert.match(await stranger.refused(cmd, 0), /^ConsumeGroup\(g\): not in your hands: 0 \(/);
    }
    assert.equal((await group.query()).inFlightCount, 1);
    await group.ack(0);
  });

  it('is 409 for a message that ended, and for one that was never handed out', async () => {
    await group.take();
    await group.ack(0);
    assert.match(await group.refused('ack', 0), /: 0 \(/);
    assert.match(await group.refused('ack', 1), /: 1 \(/);
    assert.match(await group.refused('ack', '500-600'), /: 500 \(/);
    assert.equal((await group.query()).settledOffset, 1);
  });

  it('is 409 once the timeout has ended, and the next consumer keeps the message', async () => {
    await group.declare({ group_ack_timeout: 1000 });
    await group.take();
    clock.advance(1000);
    for (const cmd of ['ack', 'nack', 'renew'] as const) await group.refused(cmd, 0);
    const next = await consumer();
    assert.deepEqual(retriesOf([await next.take()]), [[0, 1]]);
    for (const cmd of ['ack', 'nack', 'renew'] as const) await group.refused(cmd, 0);
    await next.ack(0);
  });

  it('is 409 when one of the list is not held, and all others have ended', async () => {
    await group.takeMany(4);
    await group.ack(1);
    assert.match(await group.refused('ack', '0,1,3,7'), /: 1, 7 \(/);
    const { settledOffset, inFlight } = await group.query();
    assert.equal(settledOffset, 2);
    assert.equal(inFlight.map(({ offset }) => offset).join(), '2');
  });

  it('of a range counts only messages that have not ended', async () => {
    await group.takeMany(3);
    await group.ack(1);
    await group.ack('0-10');
    const stranger = await consumer();
    await stranger.takeMany(2);
    assert.match(await group.refused('ack', '0-10'), /: 3, 4 \(/);
  });

  it('names ten offsets at most, and lists all in a header that fits in a head', async () => {
    const few = await group.expect(409, 'ack', { offsets: range(100, 112).join(',') });
    assert.match(few.body.toString(), /: 100, 101, .*108, 109 and 3 more \(/);
    assert.equal(few.headers.get('offsets'), '100-112');
    const spread = range(1000, 3000).map((offset) => 2 * offset);
    const many = await group.expect(409, 'ack', { offsets: spread.join() });
    assert.equal(many.headers.get('offsets'), undefined);
  });

  it('is 409 with the way out in a group that acknowledges by itself', async () => {
    const plain = await consumer('plain');
    await plain.declare({ group_mask: 0 });
    await plain.take();
    for (const cmd of ['ack', 'nack', 'renew'] as const) {
      assert.match(await plain.refused(cmd, 0), /group_mask 64/);
    }
    assert.equal((await plain.query()).messageCount, 19);
  });

  it('is 409 for what was handed out before the group was moved', async () => {
    await group.takeMany(3);
    await group.expect(200, 'declare', { group_start_offset: 1 });
    await group.refused('ack', 0);
    assert.deepEqual(retriesOf([await group.take()]), [[1, 0]]);
    await group.refused('ack', 2);
    await group.ack(1);
  });

  it('is 409 for what was handed out before the group was emptied', async () => {
    await group.take();
    await group.expect(200, 'empty');
    await group.refused('ack', 0);
    await group.getsNothing();
  });

  it('goes to the group of the name of the topic when none is named', async () => {
    const own = await consumer('t');
    await own.declare();
    await own.take();
    await own.client.expect(200, 'ack', { topic: 't', offset: 0 });
    assert.equal((await own.query()).settledOffset, 1);
  });
});

describe('the window of a group', () => {
  beforeEach(async () => {
    await start();
    await produceAll(producer, 't', numbered(10));
  });
  afterEach(cleanUp);

  it('of one: nobody gets the next before the first has ended', async () => {
    await group.declare({ group_ack_window: 1 });
    const other = await consumer();
    assert.equal((await group.take()).offset, 0);
    const waiting = other.take();
    const watched = watch(waiting);
    await other.client.fence();
    assert.equal(watched.fulfilled, false);
    await group.ack(0);
    assert.equal((await waiting).offset, 1);
    await group.getsNothing();
  });

  it('of two is shared by all consumers of the group', async () => {
    await group.declare({ group_ack_window: 2 });
    const [second, third] = [await consumer(), await consumer()];
    assert.deepEqual([(await group.take()).offset, (await second.take()).offset], [0, 1]);
    await third.getsNothing();
    await second.ack(1);
    assert.equal((await third.take()).offset, 2);
    await second.getsNothing();
    await group.getsNothing();
  });

  it('counts what waits to be delivered again', async () => {
    await group.declare({ group_ack_window: 2 });
    await group.takeMany(2);
    await group.nack(0, 60_000);
    await group.getsNothing();
    await group.ack(1);
    assert.equal((await group.take()).offset, 2);
    await group.getsNothing();
  });

  it('that is full still delivers what came back', async () => {
    await group.declare({ group_ack_window: 2 });
    await group.takeMany(2);
    await group.nack(1);
    assert.deepEqual(retriesOf([await group.take()]), [[1, 1]]);
    await group.getsNothing();
  });

  it('takes effect when it is widened, also for those who wait', async () => {
    await group.declare({ group_ack_window: 1 });
    await group.take();
    const waiting = [group.take(), group.take()];
    await group.client.fence();
    await group.declare({ group_ack_window: 3 });
    assert.deepEqual(offsetsOf(await Promise.all(waiting)), [1, 2]);
    await group.getsNothing();
  });

  it('takes effect when it is narrowed: nothing new until there is room again', async () => {
    await group.declare({ group_ack_window: 3 });
    await group.takeMany(3);
    await group.declare({ group_ack_window: 1 });
    await group.ack('0,1');
    await group.getsNothing();
    await group.ack(2);
    assert.equal((await group.take()).offset, 3);
  });

  it('is 100 when nobody says otherwise, of one group and not of another', async () => {
    await produceAll(producer, 't', numbered(150));
    await group.declare();
    const other = await consumer('other');
    await other.declare();
    for (const each of [group, other]) {
      await each.takeMany(100);
      await each.getsNothing();
    }
  });

  it('holds back nobody in a group that acknowledges by itself', async () => {
    const plain = await consumer('plain');
    await plain.declare({ group_mask: 0, group_ack_window: 1 });
    assert.deepEqual(offsetsOf(await plain.takeMany(10)), range(0, 9));
  });
});

describe('the answer to query', () => {
  beforeEach(async () => {
    await start();
    await produceAll(producer, 't', numbered(8));
  });
  afterEach(cleanUp);

  it('says of a group with explicit acks what is in flight and what came back', async () => {
    await group.declare({ group_ack_window: 6, group_ack_timeout: 5000, group_max_attempts: 3 });
    await group.takeMany(4);
    clock.advance(1000);
    const second = await consumer();
    await second.take();
    await group.ack('0,2');
    await group.nack(3, 700);
    await group.nack(1);
    const { offset } = await second.take();
    await second.nack(offset, 900);
    clock.advance(100);
    const { inFlight, returned, ...counts } = await group.query();
    const { ackWindow, ackTimeoutMs, maxAttempts, deadTopic } = counts;
    assert.deepEqual([ackWindow, ackTimeoutMs, maxAttempts, deadTopic], [6, 5000, 3, 't.dead']);
    const { settledOffset, nextOffset, messageCount } = counts;
    assert.deepEqual([settledOffset, nextOffset, messageCount], [1, 5, 5]);
    const { inFlightCount, returnedCount, redeliveredCount, deadCount } = counts;
    assert.deepEqual([inFlightCount, returnedCount, redeliveredCount, deadCount], [1, 2, 1, 0]);
    assert.deepEqual(inFlight, [
      { offset: 4, retry: 0, consumer: second.client.address, timeoutInMs: 4900 },
    ]);
    assert.deepEqual(returned, [
      { offset: 3, retry: 1, dueInMs: 600 },
      { offset: 1, retry: 2, dueInMs: 800 },
    ]);
  });

  it('lists the next to end first, a renewed one last', async () => {
    await group.declare();
    await group.takeMany(3);
    clock.advance(10);
    await group.renew(0);
    const { inFlight } = await group.query();
    assert.deepEqual(
      inFlight.map(({ offset, timeoutInMs }) => [offset, timeoutInMs]),
      [
        [1, 29_990],
        [2, 29_990],
        [0, 30_000],
      ],
    );
  });

  it('lists a hundred of each and counts them all', async () => {
    await produceAll(producer, 't', numbered(292));
    await group.declare({ group_ack_window: 300 });
    await group.takeMany(300);
    await group.nack('0-119');
    const { inFlight, returned, inFlightCount, returnedCount } = await group.query();
    assert.deepEqual([inFlight.length, inFlightCount], [100, 180]);
    assert.deepEqual([returned.length, returnedCount], [100, 120]);
  });

  it('about the topic counts, and lists no messages', async () => {
    await group.declare();
    await group.take();
    const { consumeGroupList } = await producer.query<{ consumeGroupList: AckGroupJson[] }>('t');
    const found = consumeGroupList.find(({ groupName }) => groupName === 'g');
    assert.equal(found?.inFlightCount, 1);
    assert(!('inFlight' in found || 'returned' in found), JSON.stringify(found));
  });

  it('says nothing of acks where a group acknowledges by itself', async () => {
    const plain = await consumer('plain');
    await plain.declare({ group_mask: 0 });
    const keys = Object.keys(await plain.query());
    const recorded = ['error', 'topicName', 'groupName', 'mask', 'filter', 'messageCount'];
    recorded.push('consumerCount', 'consumerList', 'creator', 'createdTime', 'lastUpdatedTime');
    assert.deepEqual(keys.sort(), recorded.sort());
  });
});
