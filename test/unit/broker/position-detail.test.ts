/**
 * What a group stores beside its floor: every position comes back, and damage is never believed.
 */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import {
  decodeDetail,
  encodeDetail,
  type StoredPosition,
} from '../../../src/broker/position-detail.js';

/** Gaps before each unsettled message, its attempts, and what is settled behind the last. */
const positions = fc.record({
  floor: fc.nat(2 ** 40),
  lostCount: fc.nat(2 ** 40),
  messages: fc.array(
    fc.record({
      gap: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.nat(300_000)),
      attempts: fc.nat(3),
    }),
    { maxLength: 100 },
  ),
  behind: fc.nat(1000),
});

interface Made {
  readonly floor: number;
  readonly position: StoredPosition;
}

function made({
  floor,
  lostCount,
  messages,
  behind,
}: typeof positions extends fc.Arbitrary<infer T> ? T : never): Made {
  let next = floor;
  const unsettled = messages.map(({ gap, attempts }, i) => {
    const offset = i === 0 ? floor : next + gap;
    next = offset + 1;
    return { offset, attempts };
  });
  // Without unsettled messages the floor is the next offset.
  return {
    floor,
    position: { next: messages.length === 0 ? floor : next + behind, lostCount, unsettled },
  };
}

function encoded({ next, lostCount, unsettled }: StoredPosition, room = 3024): Buffer {
  const target = Buffer.alloc(room);
  return target.subarray(0, encodeDetail(target, next, lostCount, unsettled));
}

describe('the detail of a position', () => {
  it('brings back what was stored', () => {
    fc.assert(
      fc.property(positions, (values) => {
        const { floor, position } = made(values);
        assert.deepEqual(decodeDetail(floor, encoded(position)), position);
      }),
      { numRuns: 2000 },
    );
  });

  it('hands out again from the first message that it has no room for', () => {
    fc.assert(
      fc.property(positions, fc.integer({ min: 40, max: 200 }), (values, room) => {
        const { floor, position } = made(values);
        const stored = decodeDetail(floor, encoded(position, room));
        const { length } = stored.unsettled;
        assert.deepEqual(stored.unsettled, position.unsettled.slice(0, length));
        assert.equal(stored.next, position.unsettled[length]?.offset ?? position.next);
      }),
      { numRuns: 2000 },
    );
  });

  it('takes three bytes for any number of neighbours', () => {
    const unsettled = Array.from({ length: 100 }, (_, i) => ({ offset: 7 + i, attempts: 1 }));
    assert.equal(encoded({ next: 107, lostCount: 0, unsettled }).length, 1 + 3);
  });

  it('is empty when there is nothing to say', () => {
    assert.equal(encoded({ next: 7, lostCount: 0, unsettled: [] }).length, 0);
  });

  it('counts for nothing when it is damaged', () => {
    const nothing = { next: 5, lostCount: 0, unsettled: [] };
    for (const bytes of [
      [0, 0x80],
      [0, 1],
      [0, 1, 1],
      [0, 0xff, 0xff, 0x7f, 1, 0],
      Array<number>(9).fill(0xff),
    ]) {
      assert.deepEqual(decodeDetail(5, Buffer.from(bytes)), nothing, bytes.join(' '));
    }
  });

  it('never makes anything of random bytes but a position at or above the floor', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const { next, unsettled } = decodeDetail(1000, Buffer.from(bytes));
        assert(next >= 1000 && Number.isSafeInteger(next));
        assert(unsettled.every(({ offset }) => offset >= 1000 && offset < next));
      }),
      { numRuns: 2000 },
    );
  });
});
