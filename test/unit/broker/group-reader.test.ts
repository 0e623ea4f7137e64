/**
 * What a group reads, from memory and from a disk that answers later: each record once and in
 * order, and nothing that was read before the group was moved.
 */
import assert from 'node:assert/strict';
import { BatchBudget } from '../../../src/broker/batch-budget.js';
import { GroupPositions } from '../../../src/broker/group-positions.js';
import { GroupReader } from '../../../src/broker/group-reader.js';
import { Lease, type LeaseOwner } from '../../../src/broker/lease.js';
import { Session } from '../../../src/broker/session.js';
import { StorageFailedError } from '../../../src/errors.js';
import { TableBatch } from '../../../src/queue/batch.js';
import { MemoryQueue } from '../../../src/queue/memory-queue.js';
import type { Queue, QueueReader, ReadDone } from '../../../src/queue/queue.js';
import { Turn } from '../../../src/turn.js';
import { cleanUp } from '../../support/cleanup.js';
import { turn, until } from '../../support/wait.js';
import { append, fill, openColdDiskQueue, openMemoryQueue, record } from '../queue/queues.js';

const nobody: LeaseOwner = { delivered: () => undefined, undelivered: () => undefined };
const session = new Session('a', '127.0.0.1:1');

/** A reader, and what it told its group. */
class Reading {
  readonly positions = new GroupPositions(nobody, { next: 0, lostCount: 0, unsettled: [] });
  readonly reader: GroupReader;
  readonly gone: number[] = [];
  readonly failures: string[] = [];
  readyCount = 0;
  skippedCount = 0;
  readonly #queue: Queue;

  constructor(queue: Queue, filter = '') {
    this.#queue = queue;
    const context = {
      queue,
      budget: new BatchBudget(),
      positions: this.positions,
      groupKey: 'g',
      ready: () => {
        this.readyCount++;
      },
      skipped: () => {
        this.skippedCount++;
      },
      failed: (error: Error) => this.failures.push(error.message),
    };
    this.reader = new GroupReader(context, filter);
  }

  /** Hands out the next new record, waiting for it; null when there is none. */
  async next(): Promise<number | null> {
    for (;;) {
      const before = this.readyCount;
      const batch = this.reader.peek();
      if (batch !== null) {
        const offset = batch.offset(this.reader.index++);
        this.positions.handOut(offset, session, false, 0);
        return offset;
      }
      if (this.positions.next >= this.#queue.readableEnd) return null;
      await until(() => this.readyCount > before);
    }
  }

  async rest(): Promise<number[]> {
    const offsets: number[] = [];
    for (let at = await this.next(); at !== null; at = await this.next()) offsets.push(at);
    return offsets;
  }

  /** Asks once for the message again; its id, or null. */
  again(offset: number): string | null {
    const lease = new Lease(nobody, offset, null, true, 1, 0);
    return this.reader.readAgain(lease, (missing) => this.gone.push(missing.offset))?.id(0) ?? null;
  }
}

const kinds: readonly (readonly [string, () => Promise<Queue>])[] = [
  ['a queue in memory', () => openMemoryQueue()],
  ['a queue whose pages are not in memory', openColdDiskQueue],
];

for (const [name, open] of kinds) {
  describe(`group reader of ${name}`, () => {
    let queue: Queue;
    let reading: Reading;
    afterEach(cleanUp);
    beforeEach(async () => {
      queue = await open();
      reading = new Reading(queue);
    });

    it('hands out each record once, in order, also what comes later', async () => {
      await fill(queue, 50);
      assert.deepEqual(await reading.rest(), offsetsTo(50));
      await fill(queue, 2);
      assert.deepEqual(await reading.rest(), [50, 51]);
    });

    it('passes what its filter refuses and what is for another group', async () => {
      for (const group of [undefined, 'g', 'other']) {
        for (const tag of ['x', 'y']) {
          const plain = record('id', '', tag);
          await append(queue, group === undefined ? plain : { ...plain, group });
        }
      }
      const filtered = new Reading(queue, 'x');
      assert.deepEqual(await filtered.rest(), [0, 2]);
      assert.equal(filtered.positions.next, 6);
      assert(filtered.skippedCount > 0);
      assert.deepEqual(await reading.rest(), [0, 1, 2, 3]);
    });

    it('hands out nothing that was read before the group was moved', async () => {
      await fill(queue, 20);
      reading.reader.peek();
      reading.positions.moveTo(15);
      reading.reader.restart();
      assert.deepEqual(await reading.rest(), [15, 16, 17, 18, 19]);
      reading.positions.moveTo(18);
      reading.reader.restart();
      assert.deepEqual(await reading.rest(), [18, 19]);
    });

    it('goes on under the new filter, also while it reads', async () => {
      await fill(queue, 6, (n) => (n % 2 === 0 ? 'even' : 'odd'));
      const filtered = new Reading(queue, 'even');
      assert.equal(await filtered.next(), 0);
      filtered.reader.peek();
      filtered.reader.refilter('odd');
      assert.deepEqual(await filtered.rest(), [1, 3, 5]);
    });

    it('reads again what it gave up and had not handed out', async () => {
      await fill(queue, 10);
      assert.deepEqual([await reading.next(), await reading.next()], [0, 1]);
      reading.reader.dropBatch();
      assert.deepEqual(await reading.rest(), [2, 3, 4, 5, 6, 7, 8, 9]);
    });

    it('reads a message that came back, whichever group it is for', async () => {
      await fill(queue, 3);
      await append(queue, { ...record('letter'), group: 'g' });
      for (const [offset, id] of [
        [1, '1'],
        [3, 'letter'],
        [0, '0'],
      ] as const) {
        await until(() => reading.again(offset) === id);
      }
      assert.deepEqual(reading.gone, []);
    });

    it('tells once of a message that came back and is no longer there', async () => {
      await fill(queue, 3);
      await queue.empty();
      assert.equal(reading.again(1), null);
      await until(() => reading.gone.length > 0);
      assert.deepEqual(reading.gone, [1]);
    });

    it('forgets a message that came back when the group is moved meanwhile', async () => {
      await fill(queue, 3);
      await queue.empty();
      await fill(queue, 3);
      reading.again(4);
      reading.positions.moveTo(5);
      reading.reader.restart();
      await until(() => reading.again(5) === '2');
      assert.deepEqual(reading.gone, []);
    });
  });
}

/** Answers when the test says so, with what was there when it was asked. */
class SlowQueue extends MemoryQueue {
  readonly #answers: (() => void)[] = [];

  override readOne(offset: number, done: ReadDone): void {
    super.readOne(offset, (error, batch) => {
      this.#answers.push(() => {
        done(error, batch);
      });
    });
  }

  override openReader(offset: number, filter: string | null, group: string | null): QueueReader {
    const reader = super.openReader(offset, filter, group);
    let reading = false;
    const read = (maxBytes: number, done: ReadDone): void => {
      assert(!reading, 'one read at a time');
      reading = true;
      reader.read(maxBytes, (error, batch) => {
        this.#answers.push(() => {
          reading = false;
          done(error, batch);
        });
      });
    };
    return { read, seek: (to) => reader.seek(to), close: () => reader.close() };
  }

  /** Answers what was asked for first. */
  answer(): void {
    this.#answers.shift()?.();
  }
}

describe('group reader of a queue that answers late', () => {
  let queue: SlowQueue;
  let reading: Reading;
  beforeEach(async () => {
    queue = new SlowQueue(new Turn(), 't', 1024 * 1024);
    await fill(queue, 20);
    reading = new Reading(queue);
  });

  it('drops what was read for where the group stood before', () => {
    assert.equal(reading.reader.peek(), null);
    reading.positions.moveTo(15);
    reading.reader.restart();
    queue.answer();
    assert.equal(reading.reader.peek(), null);
    queue.answer();
    assert.equal(reading.reader.peek()?.offset(0), 15);
  });

  it('drops what was read under the filter before, and reads once at a time', () => {
    assert.equal(reading.reader.peek(), null);
    reading.reader.refilter('');
    assert.equal(reading.reader.peek(), null);
    queue.answer();
    assert.equal(reading.reader.peek(), null);
    queue.answer();
    assert.equal(reading.reader.peek()?.offset(0), 0);
  });

  it('says nothing of a message that came back before the group was moved', async () => {
    await queue.empty();
    assert.equal(reading.again(1), null);
    reading.positions.moveTo(20);
    reading.reader.restart();
    queue.answer();
    assert.deepEqual([reading.gone, reading.readyCount], [[], 0]);
  });
});

describe('group reader of a queue that fails', () => {
  afterEach(cleanUp);

  class FailingQueue extends MemoryQueue {
    fails = true;

    override readOne(offset: number, done: ReadDone): void {
      if (this.fails) done(new StorageFailedError('no such block'), TableBatch.empty(offset));
      else super.readOne(offset, done);
    }
  }

  it('reports it, and reads when it is asked again', async () => {
    const queue = new FailingQueue(new Turn(), 't', 1024 * 1024);
    await fill(queue, 2);
    const reading = new Reading(queue);
    assert.equal(reading.again(1), null);
    assert.deepEqual(reading.failures, ['no such block']);
    queue.fails = false;
    assert.equal(reading.again(1), '1');
    assert.deepEqual(reading.gone, []);
  });

  it('does not ask again by itself', async () => {
    const queue = new FailingQueue(new Turn(), 't', 1024 * 1024);
    await fill(queue, 1);
    const reading = new Reading(queue);
    reading.again(0);
    await turn();
    assert.deepEqual([reading.failures.length, reading.readyCount], [1, 0]);
  });
});

function offsetsTo(end: number): number[] {
  return Array.from({ length: end }, (_, offset) => offset);
}
