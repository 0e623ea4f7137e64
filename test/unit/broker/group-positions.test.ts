/**
 * Where a group stands: the stored floor never leads what is settled, and nothing is handed out
 * twice unasked.
 */
import assert from 'node:assert/strict';
import { GroupPositions } from '../../../src/broker/group-positions.js';
import { type Lease, type LeaseOwner } from '../../../src/broker/lease.js';
import { Session } from '../../../src/broker/session.js';

const nobody: LeaseOwner = { delivered: () => undefined, undelivered: () => undefined };
const a = new Session('a', '127.0.0.1:1');
const b = new Session('b', '127.0.0.1:2');

function startingAt(next: number): GroupPositions {
  return new GroupPositions(nobody, { next, lostCount: 0, unsettled: [] });
}

/** Hands out offsets up to, not including, `end` to the session `a`. */
function handedOut(end: number, nowMs = 0): { positions: GroupPositions; leases: Lease[] } {
  const positions = startingAt(0);
  const leases = Array.from({ length: end }, (_, offset) =>
    positions.handOut(offset, a, true, nowMs),
  );
  return { positions, leases };
}

function at(leases: readonly Lease[], offset: number): Lease {
  const lease = leases[offset];
  assert(lease !== undefined);
  return lease;
}

/** Offsets in the order in which they are handed out again. */
function drained(positions: GroupPositions, nowMs: number): number[] {
  const offsets: number[] = [];
  for (let due = positions.due(nowMs); due !== undefined; due = positions.due(nowMs)) {
    offsets.push(positions.handOutAgain(due, b, true, nowMs).offset);
  }
  return offsets;
}

describe('group positions', () => {
  it('keep the floor at the first message that is not settled', () => {
    const { positions, leases } = handedOut(4);
    positions.settle(at(leases, 1));
    assert.deepEqual([positions.floor, positions.next], [0, 4]);
    positions.settle(at(leases, 0));
    assert.equal(positions.floor, 2);
    positions.settle(at(leases, 3));
    positions.settle(at(leases, 2));
    assert.equal(positions.floor, 4);
  });

  it('hold the floor at what came back until it is settled', () => {
    const { positions, leases } = handedOut(3);
    positions.giveBack(at(leases, 1), 0);
    positions.settle(at(leases, 0));
    positions.settle(at(leases, 2));
    const due = positions.due(0);
    assert(due !== undefined);
    const again = positions.handOutAgain(due, b, true, 0);
    assert.deepEqual([positions.floor, again.attempts], [1, 2]);
    positions.settle(again);
    assert.equal(positions.floor, 3);
  });

  it('hand out again what is due soonest first, and of one time the oldest', () => {
    const { positions, leases } = handedOut(6);
    for (const [offset, dueMs] of [
      [5, 10],
      [1, 30],
      [4, 10],
      [0, 20],
      [2, 10],
    ] as const) {
      positions.giveBack(at(leases, offset), dueMs);
    }
    assert.deepEqual(
      positions.returned.map(({ offset }) => offset),
      [2, 4, 5, 0, 1],
    );
    assert.deepEqual(drained(positions, 9), []);
    assert.deepEqual(drained(positions, 20), [2, 4, 5, 0]);
    assert.deepEqual(drained(positions, 30), [1]);
  });

  it('let timeouts end in the order of the last renewal', () => {
    const { positions, leases } = handedOut(3, 5);
    positions.renew(at(leases, 0), 9);
    assert.deepEqual(
      Array.from(positions.held, ({ offset, atMs }) => [offset, atMs]),
      [
        [1, 5],
        [2, 5],
        [0, 9],
      ],
    );
    assert.equal(positions.firstHeldAtMs, 5);
  });

  it('choose only what the session is in charge of', () => {
    const { positions, leases } = handedOut(6);
    positions.giveBack(at(leases, 1), 0);
    assert.deepEqual(drained(positions, 0), [1]);
    positions.settle(at(leases, 3));
    const { chosen, refused } = positions.select(a, [
      { first: 0, last: 2 },
      { first: 3, last: 3 },
      { first: 5, last: 2 ** 53 - 1 },
      { first: 100, last: 200 },
    ]);
    assert.deepEqual(
      chosen.map(({ offset }) => offset),
      [0, 2, 5],
    );
    assert.deepEqual(refused, [1, 3, 100]);
  });

  it('choose a message once, however often it is named', () => {
    const { positions } = handedOut(3);
    const { chosen, refused } = positions.select(a, [
      { first: 1, last: 1 },
      { first: 1, last: 1 },
      { first: 0, last: 2 },
    ]);
    assert.deepEqual(
      chosen.map(({ offset }) => offset),
      [1, 0, 2],
    );
    assert.deepEqual(refused, []);
  });

  it('count what came back as remaining', () => {
    const { positions, leases } = handedOut(3);
    assert.equal(positions.remaining(0, 10), 7);
    positions.giveBack(at(leases, 0), 0);
    assert.equal(positions.remaining(0, 10), 8);
  });

  it('count nothing twice when the first messages are gone from the log', () => {
    assert.equal(startingAt(2).remaining(5, 10), 5);
    assert.equal(startingAt(2).remaining(5, 5), 0);
  });

  it('know nothing of what was handed out before the group was moved', () => {
    const { positions, leases } = handedOut(5);
    positions.moveTo(2);
    assert.deepEqual([positions.floor, positions.next, positions.heldCount], [2, 2, 0]);
    assert.equal(positions.isCurrent(at(leases, 3)), false);
    positions.handOut(3, b, true, 0);
    assert.equal(positions.isCurrent(at(leases, 3)), false);
  });

  it('count as lost what was deleted before it was handed out, or handed out again', () => {
    const { positions, leases } = handedOut(4);
    positions.giveBack(at(leases, 1), 50);
    positions.giveBack(at(leases, 3), 60);
    positions.trimmed(3);
    assert.deepEqual([positions.lostCount, positions.next, positions.floor], [1, 4, 0]);
    positions.trimmed(10);
    assert.deepEqual([positions.lostCount, positions.next], [1 + 1 + 6, 10]);
    assert.deepEqual(drained(positions, 100), []);
    positions.settle(at(leases, 0));
    positions.settle(at(leases, 2));
    assert.equal(positions.floor, 10);
  });

  it('settle what was sent once no acknowledgement is asked for any more', () => {
    const { positions, leases } = handedOut(3);
    at(leases, 0).sent = true;
    at(leases, 2).sent = true;
    positions.settleSent();
    assert.deepEqual([positions.floor, positions.unsettledCount, positions.heldCount], [1, 1, 0]);
    assert.equal(at(leases, 1).explicit, false);
  });
});
