/** Which messages go, when the queue is told so, and who has to wait meanwhile. */
import assert from 'node:assert/strict';
import {
  KEEP_ALL,
  Retention,
  type RetentionRule,
  ruleOf,
  sweepRetention,
} from '../../../src/broker/retention.js';
import type { OwnRetention } from '../../../src/broker/topic-definition.js';
import { turn } from '../../support/wait.js';
import { ManualClock } from '../../support/manual-clock.js';
import { AskedTopic, MIB } from './retained.js';

const BOUND = 16 * MIB;
const TARGET = 13 * MIB;
const CHECK = MIB;
const WAIT = MIB / 2;
const SECOND_MS = 1000;
/** So much of the queue's own header stands before each record. */
const OVERHEAD = 48;

let topic: AskedTopic;
let clock: ManualClock;

function retentionOf(
  own: OwnRetention | undefined,
  serverRule: RetentionRule = KEEP_ALL,
): Retention {
  topic = new AskedTopic();
  clock = new ManualClock();
  return new Retention(topic, own, { serverRule, blockBytes: 64 * MIB }, clock);
}

function deletedOffsets(): number[] {
  return topic.queue.deletions.map(({ offset }) => offset);
}

async function finishDeletion(index: number, error?: Error): Promise<void> {
  await topic.queue.deletions[index]?.finish(error);
}

describe('a topic without a rule', () => {
  it('asks for nothing and deletes nothing, whatever is appended', () => {
    const retention = retentionOf(undefined);
    topic.queue.fill(3);
    topic.consumed = 3;
    topic.queue.keepFrom = 3;
    retention.appended(1024 * MIB);
    assert.equal(retention.roomFor(1024 * MIB), null);
    assert.equal(retention.enforce(), null);
    assert.deepEqual([topic.queue.asked, deletedOffsets(), retention.keepsAll], [[], [], true]);
    assert.deepEqual(topic.queue.limits, []);
  });
});

describe('the rule of a topic', () => {
  const server = { bytes: BOUND, ageMs: 1000, consumed: true };

  it('is the server rule where the topic says nothing', () => {
    assert.deepEqual(ruleOf(undefined, server), server);
    assert.deepEqual(ruleOf({}, server), server);
  });

  it('wins field by field, also where it says that nothing is to go', () => {
    assert.deepEqual(ruleOf({ bytes: null }, server), { ...server, bytes: null });
    assert.deepEqual(ruleOf({ ageMs: 5 }, server), { ...server, ageMs: 5 });
    assert.deepEqual(ruleOf({ consumed: false }, server), { ...server, consumed: false });
  });

  it('makes blocks an eighth of the bound, at least 64 KiB, while there is one', () => {
    const retention = retentionOf({ bytes: BOUND });
    retention.redefine({ bytes: 512 * 1024 });
    retention.redefine({ bytes: null });
    assert.deepEqual(topic.queue.limits, [BOUND / 8, 64 * 1024, null]);
  });
});

describe('a topic with a bytes rule', () => {
  let retention: Retention;
  beforeEach(() => {
    retention = retentionOf({ bytes: BOUND });
    topic.queue.fill(100);
  });

  function startDeletion(keepFrom: number): void {
    topic.queue.keepFrom = keepFrom;
    retention.appended(CHECK);
  }

  it('is looked at each time half a block was appended, not before', () => {
    retention.appended(CHECK / 2 - OVERHEAD);
    retention.appended(CHECK / 2 - OVERHEAD - 1);
    assert.deepEqual(topic.queue.asked, []);
    retention.appended(1);
    assert.deepEqual(topic.queue.asked, [{ bytesMax: TARGET, beforeMs: null }]);
    retention.appended(CHECK - OVERHEAD);
    assert.equal(topic.queue.asked.length, 2);
    assert.deepEqual(deletedOffsets(), []);
  });

  it('deletes what the queue says is too much, and tells the groups', async () => {
    startDeletion(30);
    assert.deepEqual(deletedOffsets(), [30]);
    assert.deepEqual(topic.trimmedAt, []);
    await finishDeletion(0);
    assert.deepEqual(topic.trimmedAt, [30]);
    assert.equal(topic.queue.deletions.length, 1);
  });

  it('has one deletion under way at a time, and goes on when more has come meanwhile', async () => {
    startDeletion(30);
    retention.appended(CHECK);
    assert.equal(retention.enforce(), null);
    assert.deepEqual(deletedOffsets(), [30]);
    topic.queue.keepFrom = 60;
    await finishDeletion(0);
    assert.deepEqual(deletedOffsets(), [30, 60]);
    await finishDeletion(1);
    assert.deepEqual(
      [deletedOffsets(), topic.trimmedAt],
      [
        [30, 60],
        [30, 60],
      ],
    );
  });

  it('makes producers wait while more would come than the bound has room for', async () => {
    startDeletion(30);
    retention.appended(WAIT - 1000);
    assert.equal(retention.roomFor(500), null);
    const room = retention.roomFor(1000);
    assert(room !== null);
    await Promise.all([finishDeletion(0), room]);
    assert.equal(retention.roomFor(1000), null);
  });

  it('does not make producers wait while nothing is being deleted', () => {
    retention.appended(CHECK - OVERHEAD - 1);
    assert.equal(retention.roomFor(WAIT), null);
    assert.deepEqual(topic.queue.asked, []);
  });

  it('makes room for a large message before it comes', async () => {
    topic.queue.keepFrom = 20;
    const room = retention.roomFor(3 * MIB);
    assert.deepEqual(topic.queue.asked, [{ bytesMax: TARGET - 3 * MIB, beforeMs: null }]);
    assert.deepEqual(deletedOffsets(), [20]);
    assert(room !== null);
    await Promise.all([finishDeletion(0), room]);
    assert.equal(retention.roomFor(3 * MIB), null);
  });

  it('takes a message larger than the bound once everything else is gone', async () => {
    topic.queue.lastBlock = 99;
    const room = retention.roomFor(2 * BOUND);
    assert.deepEqual(deletedOffsets(), [99]);
    await Promise.all([finishDeletion(0), room]);
    assert.equal(retention.roomFor(2 * BOUND), null);
  });

  it('holds producers while blocks wait to be sealed, before they can go', async () => {
    topic.queue.lastBlock = 0;
    topic.queue.stagedBytes = WAIT + 1;
    retention.appended(CHECK);
    retention.appended(WAIT - 3 * OVERHEAD);
    assert.equal(retention.roomFor(OVERHEAD), null);
    const room = retention.roomFor(OVERHEAD + 1);
    assert(room !== null);
    await finishDeletion(0);
    await turn();
    assert.deepEqual(deletedOffsets(), [0, 0]);
    assert(retention.roomFor(OVERHEAD + 1) !== null);
    topic.queue.stagedBytes = WAIT;
    await Promise.all([finishDeletion(1), room]);
    assert.equal(retention.roomFor(OVERHEAD + 1), null);
    assert.equal(topic.queue.firstOffset, 0);
  });

  it('reports a failure once, lets producers go on, and tries again at each sweep', async () => {
    startDeletion(30);
    const room = retention.roomFor(MIB);
    await Promise.all([finishDeletion(0, new Error('EIO')), room]);
    assert.deepEqual(topic.trimmedAt, [30], 'some blocks may be gone');
    topic.queue.keepFrom = 40;
    retention.appended(2 * CHECK);
    assert.equal(retention.roomFor(2 * CHECK), null);
    assert.deepEqual(deletedOffsets(), [30]);
    for (const index of [1, 2]) {
      topic.queue.keepFrom += 10;
      assert(retention.enforce() !== null);
      await finishDeletion(index, new Error('EIO'));
    }
    assert.deepEqual(topic.failures, ['EIO']);
    topic.queue.keepFrom = 70;
    void retention.enforce();
    await finishDeletion(3);
    startDeletion(80);
    await finishDeletion(4, new Error('ENXIO'));
    assert.deepEqual(topic.failures, ['EIO', 'ENXIO'], 'it had recovered in between');
  });

  it('does nothing more once it is closed, and is closed when nothing is under way', async () => {
    startDeletion(30);
    topic.queue.keepFrom = 60;
    let closed = false;
    const closing = retention.close().then(() => {
      closed = true;
    });
    await turn();
    assert.equal(closed, false);
    await Promise.all([finishDeletion(0, new Error('closed')), closing]);
    retention.appended(CHECK);
    assert.equal(retention.enforce(), null);
    assert.deepEqual([deletedOffsets(), topic.trimmedAt, topic.failures], [[30], [], []]);
  });
});

describe('a topic with an age rule', () => {
  it('gives up what is older by the clock of the messages', () => {
    const retention = retentionOf({ ageMs: 60_000 });
    const fromMs = Date.now() - 60_000;
    void retention.enforce();
    const toMs = Date.now() - 60_000;
    const [asked] = topic.queue.asked;
    assert(asked?.bytesMax === null && asked.beforeMs !== null);
    assert(asked.beforeMs >= fromMs && asked.beforeMs <= toMs);
  });

  it('ends the last block once in an eighth of the age, with the next message', () => {
    const retention = retentionOf({ ageMs: 80_000, bytes: BOUND });
    const least = 64 * 1024;
    const usual = BOUND / 8;
    const limits = [usual];
    const sweepAfter = (ms: number, ...more: number[]): void => {
      clock.advance(ms);
      void retention.enforce();
      limits.push(...more);
      assert.deepEqual(topic.queue.limits, limits);
    };
    sweepAfter(0, least);
    topic.queue.fill(1);
    retention.appended(1);
    retention.appended(1);
    sweepAfter(9_999, usual);
    sweepAfter(1, least);
    sweepAfter(80_000);
    topic.queue.fill(1);
    retention.appended(1);
    sweepAfter(0, usual, least);
  });

  it('and with a bound is held to both by the sweep', () => {
    const retention = retentionOf({ ageMs: 60_000, bytes: BOUND });
    void retention.enforce();
    const [asked] = topic.queue.asked;
    assert(asked?.bytesMax === TARGET && asked.beforeMs !== null);
  });
});

describe('a topic whose consumed messages go', () => {
  let retention: Retention;
  beforeEach(() => {
    retention = retentionOf({ consumed: true });
    topic.queue.fill(100);
  });

  async function sweep(): Promise<void> {
    const before = topic.queue.deletions.length;
    void retention.enforce();
    if (topic.queue.deletions.length > before) await finishDeletion(before);
  }

  it('keeps them all while it has no group', async () => {
    topic.consumed = null;
    retention.appended(2 * MIB);
    await sweep();
    assert.deepEqual(deletedOffsets(), []);
  });

  it('deletes up to the group that is furthest behind, once for each place it is at', async () => {
    topic.consumed = 40;
    await sweep();
    await sweep();
    topic.consumed = 50;
    await sweep();
    assert.deepEqual(deletedOffsets(), [40, 50]);
  });

  it('tries again where a deletion failed', async () => {
    topic.consumed = 40;
    void retention.enforce();
    topic.queue.deleteBefore = () => Promise.reject(new Error('EIO'));
    await finishDeletion(0);
    topic.consumed = 50;
    await retention.enforce();
    const offsets: number[] = [];
    topic.queue.deleteBefore = (offset) => {
      offsets.push(offset);
      return Promise.resolve();
    };
    await retention.enforce();
    assert.deepEqual([offsets, topic.failures], [[50], ['EIO']]);
  });

  it('does not end a small block of a busy topic at each sweep', async () => {
    for (let round = 0; round < 120; round++) {
      topic.queue.fill(1);
      topic.consumed = topic.queue.nextOffset;
      retention.appended(100);
      clock.advance(SECOND_MS);
      await sweep();
    }
    assert.equal(topic.queue.firstOffset, topic.queue.nextOffset - 1);
    assert(deletedOffsets().every((offset, n) => offset === 100 + n));
  });

  it('ends the last block of a busy topic once it has 1 MiB, and not soon again', async () => {
    topic.consumed = 100;
    retention.appended(MIB);
    await sweep();
    topic.queue.fill(1);
    topic.consumed = 101;
    retention.appended(1000);
    await sweep();
    topic.queue.fill(1);
    topic.consumed = 102;
    await sweep();
    assert.deepEqual(deletedOffsets(), [100, 101]);
  });

  it('ends the last block of a topic that was quiet for a minute', async () => {
    topic.consumed = 100;
    await sweep();
    clock.advance(59 * SECOND_MS);
    await sweep();
    assert.deepEqual(deletedOffsets(), [99]);
    clock.advance(SECOND_MS);
    await sweep();
    assert.deepEqual(deletedOffsets(), [99, 100]);
    assert.equal(topic.queue.firstOffset, 100);
    clock.advance(SECOND_MS);
    await sweep();
    assert.equal(deletedOffsets().length, 2, 'there is nothing left');
  });

  it('deletes for any rule alone: here the bound takes more than was consumed', async () => {
    retention.redefine({ consumed: true, bytes: BOUND });
    topic.consumed = 40;
    topic.queue.keepFrom = 70;
    await sweep();
    topic.queue.keepFrom = 0;
    topic.consumed = 90;
    await sweep();
    assert.deepEqual(deletedOffsets(), [70, 90]);
  });
});

describe('the sweep over all topics', () => {
  it('goes once a second, one topic after the other, and not into a sweep under way', async () => {
    const first = retentionOf({ ageMs: 1000 });
    const firstQueue = topic.queue;
    const second = retentionOf({ ageMs: 1000 });
    const secondQueue = topic.queue;
    for (const queue of [firstQueue, secondQueue]) {
      queue.fill(10);
      queue.keepFrom = 5;
    }
    const stop = sweepRetention(clock, [{ retention: first }, { retention: second }]);
    clock.advance(SECOND_MS - 1);
    assert.equal(firstQueue.asked.length, 0);
    clock.advance(1);
    assert.deepEqual([firstQueue.deletions.length, secondQueue.asked.length], [1, 0]);
    clock.advance(SECOND_MS);
    await firstQueue.deletions[0]?.finish();
    assert.deepEqual([firstQueue.asked.length, secondQueue.deletions.length], [1, 1]);
    await secondQueue.deletions[0]?.finish();
    clock.advance(SECOND_MS);
    await turn();
    assert.deepEqual([firstQueue.asked.length, secondQueue.asked.length], [2, 2]);
    stop();
    clock.advance(5 * SECOND_MS);
    assert.equal(firstQueue.asked.length, 2);
  });
});
