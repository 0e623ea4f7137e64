/**
 * What the disk queue promises beyond the interface: what a reopened folder holds, blocks, the
 * lock, order of levels.
 */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { StorageFailedError } from '../../../src/errors.js';
import type { Queue } from '../../../src/queue/queue.js';
import { Turn } from '../../../src/turn.js';
import { cleanUp } from '../../support/cleanup.js';
import { tempFolder } from '../../support/temp-folder.js';
import {
  BLOCK_BYTES,
  NO_DETAIL,
  append,
  fill,
  openStore,
  readAll,
  readOne,
  record,
} from './queues.js';

/** Runs `use` on the topic's queue and closes everything. */
async function withQueue<T>(dir: string, use: (queue: Queue) => Promise<T>): Promise<T> {
  const store = openStore(dir);
  const queue = await store.open('t', 'disk');
  const result = await use(queue);
  await queue.close();
  await store.close();
  return result;
}

function blocksOf(dir: string): string[] {
  const [folder] = readdirSync(dir).filter((name) => statSync(join(dir, name)).isDirectory());
  assert(folder !== undefined);
  return readdirSync(join(dir, folder)).filter((name) => name.endsWith('.block'));
}

describe('disk queue on its folder', () => {
  let dir: string;
  beforeEach(() => {
    dir = tempFolder();
  });
  afterEach(cleanUp);

  it('returns after a restart what was appended before, at every level', async () => {
    const before = await withQueue(dir, async (queue) => {
      for (const level of ['none', 'page', 'disk'] as const) {
        await append(queue, record(level, `at ${level}`, 'a.b'), level);
      }
      return readAll(queue);
    });
    assert.equal(before.length, 3);
    assert.deepEqual(await withQueue(dir, readAll), before);
  });

  it('goes on with the next offset after a restart, also of an emptied queue', async () => {
    await withQueue(dir, async (queue) => {
      await fill(queue, 5);
      await queue.empty();
    });
    await withQueue(dir, async (queue) => {
      assert.deepEqual([queue.firstOffset, queue.nextOffset, queue.readableEnd], [5, 5, 5]);
      assert.equal((await append(queue, record('x'))).offset, 5);
    });
  });

  it('keeps timestamps over a restart', async () => {
    const timeOf = async (queue: Queue) => (await readOne(queue, 0)).timestampMs(0);
    const before = await withQueue(dir, async (queue) => {
      await fill(queue, 1);
      return timeOf(queue);
    });
    assert.equal(await withQueue(dir, timeOf), before);
  });

  it('keeps the position of each group over a restart', async () => {
    await withQueue(dir, async (queue) => {
      await fill(queue, 10);
      (await queue.openCursor('one', 0, true)).store(3, Buffer.from('ranges'));
      (await queue.openCursor('two', 0, true)).store(10, NO_DETAIL);
    });
    await withQueue(dir, async (queue) => {
      const one = await queue.openCursor('one', 0, false);
      assert.deepEqual([one.offset, one.detail.toString()], [3, 'ranges']);
      assert.equal((await queue.openCursor('two', 0, false)).offset, 10);
      assert.deepEqual((await queue.cursorNames()).sort(), ['one', 'two']);
    });
  });

  it('clamps a position that lies behind the end to the end', async () => {
    await withQueue(dir, async (queue) => {
      await fill(queue, 3);
      assert.equal((await queue.openCursor('g', 99, true)).offset, 3);
    });
  });

  it('rolls over to further blocks and reads over their borders', async () => {
    await withQueue(dir, async (queue) => {
      for (let n = 0; n < 100; n++) await append(queue, record(String(n), Buffer.alloc(5000, 'r')));
      assert((await readAll(queue)).length === 100);
    });
    const blocks = blocksOf(dir);
    assert(blocks.length >= Math.floor((100 * 5000) / BLOCK_BYTES), `${blocks.length} blocks`);
    const offsets = await withQueue(dir, async (queue) =>
      (await readAll(queue)).map(({ offset }) => offset),
    );
    assert.deepEqual(
      offsets,
      Array.from({ length: 100 }, (_, n) => n),
    );
  });

  it('stores a record larger than a block', async () => {
    const body = Buffer.alloc(5 * BLOCK_BYTES, 'L');
    await withQueue(dir, async (queue) => {
      await append(queue, record('large', body), 'disk');
      await append(queue, record('behind'));
    });
    const [large, behind] = await withQueue(dir, readAll);
    assert(large?.wire.endsWith(body.toString('latin1')));
    assert.equal(behind?.id, 'behind');
  });

  it('deletes the files of the blocks below an offset, and never the last', async () => {
    await withQueue(dir, async (queue) => {
      for (let n = 0; n < 100; n++) await append(queue, record(String(n), Buffer.alloc(5000)));
      const count = blocksOf(dir).length;
      await queue.deleteBefore(50);
      const left = blocksOf(dir).length;
      assert(left < count && left > 1, `${left} of ${count} blocks`);
      await queue.deleteBefore(100);
      assert.equal(blocksOf(dir).length, 1);
    });
    assert.equal(await withQueue(dir, (queue) => Promise.resolve(queue.nextOffset)), 100);
  });

  it('lets no consumer see a message before an earlier one has reached its level', async () => {
    await withQueue(dir, async (queue) => {
      const order: string[] = [];
      queue.onReadable = () => {
        order.push(`readable to ${queue.readableEnd}`);
      };
      const done = (level: 'disk' | 'page'): Promise<void> =>
        new Promise((resolve) => {
          queue.append(record(level), level, () => {
            order.push(level);
            resolve();
          });
        });
      await Promise.all([done('disk'), done('page')]);
      assert.deepEqual(order, ['page', 'disk', 'readable to 2']);
    });
  });

  it('acknowledges page once written, and disk not before the sync has come back', async () => {
    const turn = new Turn();
    const store = openStore(dir, turn);
    const queue = await store.open('t', 'disk');
    const acked: string[] = [];
    const done = (level: 'disk' | 'page'): Promise<void> =>
      append(queue, record(level), level).then(() => void acked.push(level));
    const both = Promise.all([done('disk'), done('page')]);
    turn.end();
    await Promise.resolve();
    await Promise.resolve();
    assert.deepEqual(acked, ['page'], 'the flusher cannot have called back within this turn');
    await both;
    await queue.close();
  });

  it('refuses a folder that another engine holds, and says what to do', async () => {
    await withQueue(dir, () => {
      assert.throws(
        () => openStore(dir),
        (error: Error) => {
          assert(error instanceof StorageFailedError);
          assert(
            error.message.includes(dir) && error.message.includes('another broker is running'),
          );
          return true;
        },
      );
      return Promise.resolve();
    });
    await withQueue(dir, () => Promise.resolve());
  });

  it('opens 200 topics in one folder and keeps them apart', async () => {
    const names = Array.from({ length: 200 }, (_, n) => `topic ${n}`.replace(' ', '-'));
    const store = openStore(dir);
    const queues = await Promise.all(names.map((name) => store.open(name, 'disk')));
    await Promise.all(queues.map((queue, n) => append(queue, record(`id${n}`), 'disk')));
    await Promise.all(queues.map((queue) => queue.close()));
    await store.close();
    const again = openStore(dir);
    assert.deepEqual(again.names().sort(), names.sort());
    for (const [n, name] of names.entries()) {
      const queue = await again.open(name, 'disk');
      const records = await readAll(queue);
      assert.equal(records.length, 1, `${name} ${n}`);
      await queue.close();
    }
  });
});

describe('disk store', () => {
  let dir: string;
  beforeEach(() => {
    dir = tempFolder();
  });
  afterEach(cleanUp);

  it('keeps definitions, and has none for a topic that was never defined', async () => {
    const store = openStore(dir);
    await store.writeDefinition('Ä', '{"a":1}');
    await store.writeDefinition('Ä', '{"a":2}');
    assert.equal(store.readDefinition('ä'), '{"a":2}');
    assert.equal(store.readDefinition('b'), null);
    await store.close();
    assert.equal(openStore(dir).readDefinition('Ä'), '{"a":2}');
  });

  it('keeps nothing of queues that were closed', async () => {
    const store = openStore(dir);
    for (let n = 0; n < 5; n++) {
      const queue = await store.open('t', 'disk');
      assert.equal(store.openQueueCount, 1);
      await fill(queue, 1);
      await queue.close();
      await store.remove('t');
    }
    assert.equal(store.openQueueCount, 0);
  });

  it('has nothing left of a removed topic', async () => {
    const store = openStore(dir);
    await store.writeDefinition('t', '{}');
    const queue = await store.open('t', 'disk');
    await fill(queue, 10);
    await queue.close();
    await store.remove('t');
    assert.deepEqual(store.names(), []);
    assert.equal(store.readDefinition('t'), null);
    const fresh = await store.open('t', 'disk');
    assert.equal(fresh.nextOffset, 0);
    await fresh.close();
  });
});
