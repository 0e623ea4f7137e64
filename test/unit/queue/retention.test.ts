/** What retention may delete and what it leaves, held against all kinds of queue alike. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Queue } from '../../../src/queue/queue.js';
import { cleanUp } from '../../support/cleanup.js';
import { tempFolder } from '../../support/temp-folder.js';
import { turn } from '../../support/wait.js';
import { append, fill, openStore, queueKinds, read, readAll, readOne, record } from './queues.js';

const KIB = 1024;

async function fillBytes(queue: Queue, count: number, bytes: number): Promise<void> {
  const body = Buffer.alloc(bytes, 'x');
  for (let n = 0; n < count; n++) await append(queue, record(String(n), body));
}

async function timestampOf(queue: Queue, offset: number): Promise<number> {
  return (await readOne(queue, offset)).timestampMs(0);
}

for (const { name, open } of queueKinds) {
  describe(name, () => {
    let queue: Queue;
    beforeEach(async () => {
      queue = await open();
    });
    afterEach(cleanUp);

    describe('retainFrom', () => {
      it('keeps everything without a rule, and when there is nothing', async () => {
        assert.equal(queue.retainFrom(0, Date.now() + 1000), 0);
        await fillBytes(queue, 50, 4096);
        assert.equal(queue.retainFrom(null, null), 0);
        assert.equal(queue.retainFrom(1e12, 1), 0);
        assert.equal(queue.retainFrom(1e12, -1), 0);
      });

      it('names what is too much, deletes nothing, and names nothing once it is gone', async () => {
        await fillBytes(queue, 200, 4096);
        const bytesMax = 400 * KIB;
        const offset = queue.retainFrom(bytesMax, null);
        assert.equal(queue.firstOffset, 0);
        // At least half of what is allowed stays.
        assert(offset > 100 && offset < 150, String(offset));
        await queue.deleteBefore(offset);
        assert.equal(queue.firstOffset, offset);
        assert(queue.state().storedBytes <= bytesMax);
        assert.equal(queue.retainFrom(bytesMax, null), offset);
        assert.equal((await readAll(queue, offset)).length, 200 - offset);
      });

      it('names what is older than the time, all of it when all of it is', async () => {
        await fill(queue, 3);
        const first = await timestampOf(queue, 0);
        while (Date.now() === (await timestampOf(queue, 2))) await turn();
        await fill(queue, 3);
        const last = await timestampOf(queue, 5);
        assert(last > first);
        assert.equal(queue.retainFrom(null, first), 0);
        assert(queue.retainFrom(null, last) <= 5);
        assert.equal(queue.retainFrom(null, last + 1), 6);
      });

      it('takes both rules together', async () => {
        await fillBytes(queue, 100, 4096);
        const after = (await timestampOf(queue, 99)) + 1;
        assert.equal(queue.retainFrom(1e12, after), 100);
        assert(queue.retainFrom(200 * KIB, 1) > 0);
      });
    });

    describe('deleteBefore of all there is', () => {
      it('leaves nothing, and offsets go on', async () => {
        await fill(queue, 10);
        await queue.deleteBefore(10);
        assert.deepEqual([queue.firstOffset, queue.nextOffset], [10, 10]);
        await queue.deleteBefore(1_000_000);
        assert.deepEqual([queue.firstOffset, queue.nextOffset], [10, 10]);
        assert.equal((await append(queue, record('x'))).offset, 10);
        assert.equal((await readAll(queue, 0))[0]?.offset, 10);
      });

      it('leaves what is appended meanwhile', async () => {
        for (let round = 0; round < 20; round++) {
          const deleted = queue.deleteBefore(queue.nextOffset);
          const { offset } = await append(queue, record('x'), round % 2 === 0 ? 'disk' : 'page');
          await deleted;
          assert.equal((await readOne(queue, offset)).count, 1);
        }
      });

      it('moves a reader that is behind to what is left', async () => {
        await fill(queue, 10);
        const reader = queue.openReader(0, null, null);
        assert.equal((await read(reader, 1)).offset(0), 0);
        await queue.deleteBefore(10);
        await fill(queue, 1);
        let batch = await read(reader);
        while (batch.count === 0) batch = await read(reader);
        assert.equal(batch.offset(batch.count - 1), 10);
      });
    });

    for (const drop of ['empty', 'deleteBefore'] as const) {
      it(`${drop} acknowledges what was appended in the same turn at its level`, async () => {
        for (let round = 0; round < 10; round++) {
          const done = append(queue, record('x'), 'disk');
          await (drop === 'empty' ? queue.empty() : queue.deleteBefore(queue.nextOffset));
          assert.equal((await done).offset, round);
        }
      });
    }
  });
}

describe('disk queue with a limit on its blocks', () => {
  afterEach(cleanUp);

  /** As `du` counts. */
  function diskBytes(folder: string): number {
    return readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .map((path) => statSync(join(folder, path)))
      .filter((status) => status.isFile())
      .reduce((bytes, status) => bytes + status.blocks * 512, 0);
  }

  it('stays within its bound on disk while fifty times as much goes through it', async () => {
    const dir = tempFolder();
    const queue = await openStore(dir).open('t', 'disk');
    const bytesMax = 512 * KIB;
    queue.limitBlocks(bytesMax / 8);
    let peak = 0;
    for (let appended = 0, n = 0; appended < 50 * bytesMax; n++) {
      const bytes = 1 + ((n * 7919) % (6 * KIB));
      const batch = [1, 2, 3, 4].map(() => append(queue, record('id', Buffer.alloc(bytes, 'x'))));
      await Promise.all(batch);
      appended += bytes * batch.length;
      peak = Math.max(peak, diskBytes(dir));
      await queue.deleteBefore(queue.retainFrom(bytesMax, null));
    }
    assert(peak <= bytesMax, `${peak} bytes at most of ${bytesMax}`);
    assert(peak > bytesMax / 2, `${peak} bytes at most of ${bytesMax}`);
    const kept = await readAll(queue, queue.firstOffset);
    assert.equal(kept.length, queue.nextOffset - queue.firstOffset);
    await queue.close();
  });
});
