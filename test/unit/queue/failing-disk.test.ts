/**
 * What DiskQueue tells its callers when the engine fails: a full disk, a failed write, a failed
 * sync. The engine's own behaviour then is tested in native/test; here it is scripted, since a disk
 * does not fail on demand.
 */
import assert from 'node:assert/strict';
import { ClosedError, StorageFailedError, StorageFullError } from '../../../src/errors.js';
import { DiskQueue } from '../../../src/queue/disk-queue.js';
import type { QueueHandle } from '../../../src/queue/native.js';
import { Turn } from '../../../src/turn.js';
import { append, record } from './queues.js';
import { ScriptedEngine } from './scripted-engine.js';

describe('disk queue on a disk that fails', () => {
  let engine: ScriptedEngine;
  let turn: Turn;
  let queue: DiskQueue;
  beforeEach(() => {
    engine = new ScriptedEngine();
    turn = new Turn();
    queue = new DiskQueue(engine.addon, {} as QueueHandle, turn, 't');
  });

  it('answers StorageFull when there is no room, and goes on when there is', async () => {
    engine.appendFails = 'NO_SPACE';
    await assert.rejects(append(queue, record('x')), StorageFullError);
    engine.appendFails = null;
    assert.equal((await append(queue, record('x'))).offset, 0);
  });

  it('fails every append of a turn whose write fails, and gives their offsets again', async () => {
    await append(queue, record('kept'));
    engine.commitFails = 'NO_SPACE';
    const failing = [append(queue, record('a'), 'page'), append(queue, record('b'), 'disk')];
    for (const one of failing) await assert.rejects(one, StorageFullError);
    assert.deepEqual([queue.nextOffset, queue.readableEnd], [1, 1]);
    assert.deepEqual(await append(queue, record('c')), { offset: 1, reached: 'page' });
  });

  it('fails what waits for a sync that failed, and keeps what was synced before', async () => {
    const synced = append(queue, record('a'), 'disk');
    const unsynced = append(queue, record('b'), 'disk');
    turn.end();
    engine.readOnly = true;
    engine.durableEnd = 1;
    queue.progress(2, 1, true);
    assert.deepEqual(await synced, { offset: 0, reached: 'disk' });
    await assert.rejects(unsynced, StorageFailedError);
    assert.equal(queue.state().readOnly, true);
    assert.equal(queue.readableEnd, 1, 'what never reached its level is not delivered');
  });

  it('is read-only from then on', async () => {
    engine.readOnly = true;
    queue.progress(0, 0, true);
    engine.appendFails = 'READ_ONLY';
    await assert.rejects(append(queue, record('x')), StorageFailedError);
  });

  it('delivers nothing that never reached its level, whatever is written later', () => {
    queue.append(record('a'), 'disk', () => undefined);
    turn.end();
    engine.readOnly = true;
    queue.progress(1, 0, true);
    queue.endTurn();
    assert.equal(queue.readableEnd, 0);
  });

  it('lets producers go on that were held back when it failed', () => {
    const large = record('large', Buffer.alloc(1024 * 1024));
    let caughtUp = 0;
    queue.onCaughtUp = () => {
      caughtUp++;
    };
    for (let n = 0; n < 40; n++) queue.append(large, 'disk', () => undefined);
    assert.equal(queue.behind, true);
    turn.end();
    engine.readOnly = true;
    queue.progress(40, 0, true);
    assert.deepEqual([queue.behind, caughtUp], [false, 1]);
  });

  it('fails what waits when it cannot be closed in good order', async () => {
    const waiting = append(queue, record('x'), 'disk');
    turn.end();
    engine.readOnly = true;
    await Promise.all([
      assert.rejects(queue.close(), StorageFailedError),
      assert.rejects(waiting, StorageFailedError),
    ]);
    await assert.rejects(append(queue, record('x')), ClosedError);
  });
});
