/** What the log of a memory queue promises: the records it was given, at a cost that stays. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { MemoryLog, type MemoryRecord, recordCost } from '../../../src/queue/memory-log.js';

function record(n: number): MemoryRecord {
  const bytes = Buffer.from(String(n));
  return { timestampMs: n, tag: '', group: undefined, bytes, tagStart: 0, wireStart: 0 };
}

/** Milliseconds that each of `rounds` takes to append a record and drop one, with `kept` there. */
function roundMs(kept: number, rounds: number): number {
  const log = new MemoryLog();
  const one = record(1);
  for (let n = 0; n < kept; n++) log.push(one);
  const began = performance.now();
  for (let n = 0; n < rounds; n++) {
    log.push(one);
    log.dropBefore(log.firstOffset + 1);
  }
  return (performance.now() - began) / rounds;
}

describe('MemoryLog', () => {
  it('holds what was not dropped, however much was', () => {
    const log = new MemoryLog();
    let dropped = 0;
    for (let n = 0; n < 20_000; n++) {
      log.push(record(n));
      if (n % 3 === 0) log.dropBefore((dropped = Math.max(dropped, n - ((n * 31) % 2000))));
      if (n % 500 !== 0) continue;
      assert.deepEqual([log.firstOffset, log.nextOffset], [dropped, n + 1]);
      assert.equal(log.at(dropped - 1), undefined);
      assert.equal(log.at(n + 1), undefined);
      let bytes = 0;
      for (let offset = dropped; offset <= n; offset++) {
        assert.equal(log.at(offset)?.timestampMs, offset);
        bytes += recordCost(String(offset).length);
      }
      assert.equal(log.bytes, bytes);
      assert.equal(log.findTime(n), n);
    }
  });

  it('drops no more than there is', () => {
    const log = new MemoryLog();
    log.push(record(0));
    log.dropBefore(100);
    assert.deepEqual([log.firstOffset, log.nextOffset, log.bytes], [1, 1, 0]);
    log.push(record(1));
    assert.equal(log.at(1)?.timestampMs, 1);
  });

  it('drops from its front at a cost that does not grow with what it holds', () => {
    roundMs(1000, 10_000);
    const [few, many] = [roundMs(1000, 20_000), roundMs(300_000, 20_000)];
    assert(many < 50 * few, `${few} ms with 1,000 records, ${many} ms with 300,000`);
  });
});
