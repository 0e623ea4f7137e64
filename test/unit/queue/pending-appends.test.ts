/** Appends that wait: completed in order, failed from an offset on, counted in bytes. */
import assert from 'node:assert/strict';
import { ClosedError } from '../../../src/errors.js';
import { PendingAppends } from '../../../src/queue/pending-appends.js';

/** Appends the offsets, each of 10 B, and returns what becomes of them. */
function pending(offsets: number[]): { appends: PendingAppends; log: string[] } {
  const appends = new PendingAppends();
  const log: string[] = [];
  for (const offset of offsets) {
    appends.push(offset, 10, (error, _offset, reached) => {
      log.push(error === null ? `${offset} ${reached}` : `${offset} failed`);
    });
  }
  return { appends, log };
}

describe('pending appends', () => {
  it('complete below the end, in order, each once', () => {
    const { appends, log } = pending([3, 5, 8]);
    appends.completeBelow(3, 'page');
    assert.deepEqual(log, []);
    appends.completeBelow(8, 'page');
    appends.completeBelow(8, 'page');
    assert.deepEqual(log, ['3 page', '5 page']);
    assert.deepEqual([appends.firstOffset, appends.bytes], [8, 10]);
  });

  it('fail from an offset on and leave the others waiting', () => {
    const { appends, log } = pending([3, 5, 8]);
    appends.failFrom(5, new ClosedError('closed'));
    assert.deepEqual(log, ['5 failed', '8 failed']);
    appends.completeBelow(Infinity, 'disk');
    assert.deepEqual(log.at(-1), '3 disk');
    assert.deepEqual([appends.firstOffset, appends.bytes], [Infinity, 0]);
  });

  it('never fail what has completed', () => {
    const { appends, log } = pending([1, 2]);
    appends.completeBelow(2, 'page');
    appends.failFrom(0, new ClosedError('closed'));
    assert.deepEqual(log, ['1 page', '2 failed']);
  });

  it('keep their order and their count over many thousands', () => {
    const offsets = Array.from({ length: 10_000 }, (_, n) => n);
    const { appends, log } = pending(offsets);
    for (let end = 0; end <= 10_000; end += 7) appends.completeBelow(end, 'page');
    appends.completeBelow(10_000, 'page');
    assert.deepEqual(
      log,
      offsets.map((offset) => `${offset} page`),
    );
    assert.equal(appends.bytes, 0);
  });
});
