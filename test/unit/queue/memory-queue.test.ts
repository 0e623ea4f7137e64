/** What the memory queue promises beyond the interface: its bound. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { StorageFullError } from '../../../src/errors.js';
import type { Queue } from '../../../src/queue/queue.js';
import { append, openMemoryQueue, readAll, record } from './queues.js';

const BYTES_MAX = 100_000;
const body = Buffer.alloc(1000);

async function fillToTheBrim(queue: Queue): Promise<number> {
  for (let count = 0; ; count++) {
    try {
      await append(queue, record('x', body));
    } catch (error) {
      assert(error instanceof StorageFullError);
      return count;
    }
  }
}

describe('memory queue that is full', () => {
  it('refuses the append, stores nothing of it, and stays within its bound', async () => {
    const queue = await openMemoryQueue(BYTES_MAX);
    const count = await fillToTheBrim(queue);
    assert(count > 50 && count < 100, `${count} records of ${body.length} B in ${BYTES_MAX} B`);
    assert.equal(queue.nextOffset, count);
    assert(queue.state().storedBytes <= BYTES_MAX);
  });

  it('takes appends again when older records were deleted', async () => {
    const queue = await openMemoryQueue(BYTES_MAX);
    const count = await fillToTheBrim(queue);
    await queue.deleteBefore(10);
    for (let n = 0; n < 10; n++) {
      assert.equal((await append(queue, record('y', body))).offset, count + n);
    }
    await assert.rejects(append(queue, record('y', body)), StorageFullError);
    assert.equal((await readAll(queue, 10)).length, count);
  });

  it('gives every byte back when it is emptied', async () => {
    const queue = await openMemoryQueue(BYTES_MAX);
    const count = await fillToTheBrim(queue);
    await queue.empty();
    assert.equal(queue.state().storedBytes, 0);
    assert.equal(await fillToTheBrim(queue), count);
  });
});
