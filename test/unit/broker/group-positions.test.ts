/**
 * Where a group stands: the stored floor never leads what was sent, and nothing is handed out twice
 * unasked.
 */
import assert from 'node:assert/strict';
import { GroupPositions } from '../../../src/broker/group-positions.js';

/** Hands out offsets up to, not including, `end`. */
function handedOut(end: number): GroupPositions {
  const positions = new GroupPositions(0);
  for (let offset = 0; offset < end; offset++) positions.handOut(offset);
  return positions;
}

describe('group positions', () => {
  it('keep the floor at the first message that is still on its way', () => {
    const positions = handedOut(4);
    assert.deepEqual([positions.floor, positions.next], [0, 4]);
    positions.delivered(1, 0);
    assert.equal(positions.floor, 0);
    positions.delivered(0, 0);
    assert.equal(positions.floor, 2);
    positions.delivered(3, 0);
    positions.delivered(2, 0);
    assert.equal(positions.floor, 4);
  });

  it('hand out again first what came back, oldest first', () => {
    const positions = handedOut(5);
    for (const offset of [0, 2, 4]) positions.delivered(offset, 0);
    positions.undelivered(3, 0);
    positions.undelivered(1, 0);
    assert.equal(positions.firstReturned, 1);
    positions.handOut(1);
    assert.equal(positions.firstReturned, 3);
    positions.handOut(3);
    assert.deepEqual([positions.firstReturned, positions.next], [undefined, 5]);
  });

  it('hold the floor at what came back until it is delivered', () => {
    const positions = handedOut(3);
    positions.undelivered(1, 0);
    positions.delivered(0, 0);
    positions.delivered(2, 0);
    assert.equal(positions.floor, 1);
    positions.handOut(1);
    assert.equal(positions.floor, 1);
    positions.delivered(1, 0);
    assert.equal(positions.floor, 3);
  });

  it('count what came back as remaining', () => {
    const positions = handedOut(3);
    assert.equal(positions.remaining(0, 10), 7);
    positions.undelivered(0, 0);
    assert.equal(positions.remaining(0, 10), 8);
  });

  it('count nothing twice when the first messages are gone from the log', () => {
    const positions = new GroupPositions(2);
    assert.equal(positions.remaining(5, 10), 5);
    assert.equal(positions.remaining(5, 5), 0);
  });

  it('ignore what becomes of a message that was on its way when the group was moved', () => {
    const positions = handedOut(5);
    positions.moveTo(2);
    positions.undelivered(3, 0);
    positions.delivered(4, 0);
    assert.deepEqual([positions.floor, positions.next, positions.firstReturned], [2, 2, undefined]);
  });

  it('forget a returned message that is gone from the log', () => {
    const positions = handedOut(2);
    positions.undelivered(0, 0);
    positions.delivered(1, 0);
    positions.dropReturned(0);
    assert.deepEqual([positions.floor, positions.firstReturned], [2, undefined]);
  });
});
