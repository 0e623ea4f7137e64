/** What comes back and what dies: when, why, and never settled before its copy is stored. */
import assert from 'node:assert/strict';
import { GroupPositions } from '../../../src/broker/group-positions.js';
import type { Lease, LeaseOwner } from '../../../src/broker/lease.js';
import { Redelivery } from '../../../src/broker/redelivery.js';
import { Session } from '../../../src/broker/session.js';
import { newGroupDefinition } from '../../../src/broker/topic-definition.js';
import { ManualClock } from '../../support/manual-clock.js';
import { turn } from '../../support/wait.js';
import { TrafficCounts } from '../../../src/broker/traffic-counts.js';

const nobody: LeaseOwner = { delivered: () => undefined, undelivered: () => undefined };
const a = new Session('a', '127.0.0.1:1');
const b = new Session('b', '127.0.0.1:2');
const NONE_GONE: ReadonlySet<Session> = new Set();

/** A burial under way, which the test ends. */
interface Burial {
  readonly lease: Lease;
  readonly stored: () => void;
  readonly failed: (error: Error) => void;
}

describe('redelivery', () => {
  let clock: ManualClock;
  let positions: GroupPositions;
  let redelivery: Redelivery;
  let burials: Burial[];
  let failures: string[];
  const definition = { ...newGroupDefinition('g', 0), ackTimeoutMs: 100 };
  beforeEach(() => {
    clock = new ManualClock();
    positions = new GroupPositions(nobody, { next: 0, lostCount: 0, unsettled: [] });
    burials = [];
    failures = [];
    definition.maxAttempts = 2;
    redelivery = new Redelivery({
      clock,
      definition,
      positions,
      traffic: new TrafficCounts(null),
      bury: (lease) =>
        new Promise((stored, failed) => {
          burials.push({ lease, stored, failed });
        }),
      changed: () => undefined,
      failed: (error) => failures.push(error.message),
    });
  });

  function handOut(holder: Session): Lease {
    return positions.handOut(positions.next, holder, true, clock.nowMs());
  }

  /** Hands out and takes back the one message until it may not be handed out again. */
  function handOutLast(): Lease {
    let last = handOut(a);
    while (last.attempts < definition.maxAttempts) {
      redelivery.takeBack(last, 'nack', clock.nowMs());
      last = positions.handOutAgain(last, a, true, clock.nowMs());
    }
    return last;
  }

  function wearOut(): void {
    redelivery.takeBack(handOutLast(), 'nack', clock.nowMs());
  }

  function burialAt(index: number): Burial {
    const burial = burials[index];
    assert(burial !== undefined);
    return burial;
  }

  it('takes back what sessions held that are gone, and nothing of others', () => {
    const [gone, kept] = [handOut(a), handOut(b)];
    redelivery.takeBackOverdue(new Set([a]), clock.nowMs());
    assert.deepEqual([gone.holder, gone.reason], [null, 'consumer gone']);
    assert.equal(kept.holder, b);
    assert.equal(redelivery.due(clock.nowMs()), gone);
  });

  it('takes back at the end of the timeout, not before it', () => {
    const early = handOut(a);
    clock.advance(1);
    const late = handOut(a);
    clock.advance(98);
    redelivery.takeBackOverdue(NONE_GONE, clock.nowMs());
    assert.deepEqual([early.holder, late.holder], [a, a]);
    clock.advance(1);
    redelivery.takeBackOverdue(NONE_GONE, clock.nowMs());
    assert.deepEqual([early.holder, early.reason, late.holder], [null, 'timeout', a]);
  });

  it('hands out again at the time that was asked for', () => {
    const lease = handOut(a);
    redelivery.takeBack(lease, 'nack', 50);
    assert.equal(redelivery.due(49), undefined);
    assert.equal(redelivery.due(50), lease);
  });

  it('settles a dead message once its copy is stored, and counts it', async () => {
    wearOut();
    assert.equal(redelivery.due(clock.nowMs()), undefined);
    await turn();
    assert.deepEqual([burials.length, positions.floor, redelivery.deadCount], [1, 0, 0]);
    burialAt(0).stored();
    await turn();
    assert.deepEqual([positions.floor, positions.unsettledCount], [1, 0]);
    assert.equal(redelivery.deadCount, 1);
  });

  it('buries a dead message before anything that waits to be handed out again', () => {
    const unsent = handOut(a);
    const last = handOutLast();
    positions.giveBack(unsent, 0);
    redelivery.takeBack(last, 'nack', clock.nowMs());
    assert.equal(redelivery.due(clock.nowMs()), unsent);
    assert.deepEqual(
      burials.map(({ lease }) => lease.offset),
      [1],
    );
  });

  it('buries without waiting for the delay that a consumer asked for', () => {
    redelivery.takeBack(handOutLast(), 'nack', 1_000_000);
    redelivery.due(0);
    assert.equal(burials.length, 1);
  });

  it('keeps a message whose copy cannot be stored, reports it, and tries again later', async () => {
    wearOut();
    redelivery.due(clock.nowMs());
    burialAt(0).failed(new Error('disk full'));
    await turn();
    assert.deepEqual(failures, ['disk full']);
    assert.deepEqual([positions.floor, redelivery.deadCount], [0, 0]);
    clock.advance(9_999);
    redelivery.due(clock.nowMs());
    assert.equal(burials.length, 1);
    clock.advance(1);
    redelivery.due(clock.nowMs());
    burialAt(1).stored();
    await turn();
    assert.deepEqual([positions.floor, redelivery.deadCount], [1, 1]);
  });

  it('lets a message be that is handed out anew while its copy is stored', async () => {
    wearOut();
    redelivery.due(clock.nowMs());
    positions.moveTo(0);
    const anew = handOut(b);
    burialAt(0).stored();
    await turn();
    assert.equal(positions.isCurrent(anew), true);
    assert.equal(redelivery.deadCount, 0);
  });

  it('changes nothing once it is closed', async () => {
    wearOut();
    redelivery.due(clock.nowMs());
    redelivery.close();
    burialAt(0).stored();
    await turn();
    assert.deepEqual([positions.floor, redelivery.deadCount], [0, 0]);
  });

  it('never lets a message die where attempts have no end', () => {
    definition.maxAttempts = 0;
    let lease = handOut(a);
    for (let attempt = 0; attempt < 1000; attempt++) {
      redelivery.takeBack(lease, 'nack', 0);
      assert.equal(redelivery.due(0), lease);
      lease = positions.handOutAgain(lease, a, true, 0);
    }
    assert.deepEqual([lease.attempts, burials.length], [1001, 0]);
  });
});
