/** One timer for many deadlines: never later than the earliest, and never silent afterwards. */
import assert from 'node:assert/strict';
import { WakeTimer } from '../../../src/broker/wake-timer.js';
import type { Clock } from '../../../src/clock.js';
import { ManualClock } from '../../support/manual-clock.js';

const DAY_MS = 24 * 60 * 60 * 1000;

describe('wake timer', () => {
  let clock: ManualClock;
  let timer: WakeTimer;
  /** When it woke its owner. */
  let wokenMs: number[];
  beforeEach(() => {
    clock = new ManualClock();
    wokenMs = [];
    timer = new WakeTimer(clock, () => wokenMs.push(clock.nowMs()));
  });

  it('wakes at the earliest time that was asked for, once', () => {
    for (const atMs of [300, 100, 200, Infinity]) timer.arm(atMs, clock.nowMs());
    clock.advance(99);
    assert.deepEqual(wokenMs, []);
    clock.advance(1000);
    assert.deepEqual(wokenMs, [100]);
  });

  it('wakes again when it is armed again, also for a later time', () => {
    timer.arm(100, 0);
    clock.advance(100);
    timer.arm(250, 100);
    clock.advance(1000);
    assert.deepEqual(wokenMs, [100, 250]);
  });

  it('wakes soon for a time that has passed, and not before a fraction has', () => {
    clock.advance(50);
    timer.arm(10, 50);
    clock.advance(1);
    timer.arm(60.5, 51);
    clock.advance(9);
    assert.deepEqual(wokenMs, [51]);
    clock.advance(1);
    assert.deepEqual(wokenMs, [51, 61]);
  });

  it('does not wake once it is stopped, and can be armed for a later time then', () => {
    timer.arm(100, 0);
    timer.stop();
    timer.arm(200, 0);
    clock.advance(1000);
    assert.deepEqual(wokenMs, [200]);
  });

  it('waits no longer than a timer can for a time that lies further away', () => {
    const delays: number[] = [];
    const watched: Clock = {
      nowMs: () => clock.nowMs(),
      every: (intervalMs, task) => clock.every(intervalMs, task),
      after: (delayMs, task) => {
        delays.push(delayMs);
        return clock.after(delayMs, task);
      },
    };
    new WakeTimer(watched, () => wokenMs.push(clock.nowMs())).arm(60 * DAY_MS, 0);
    clock.advance(59 * DAY_MS);
    assert.deepEqual([delays, wokenMs], [[2 ** 31 - 1], [2 ** 31 - 1]]);
  });
});
