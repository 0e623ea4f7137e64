/** The parts of `zbus bench` that count and time. */
import assert from 'node:assert/strict';
import { Latency } from '../../../src/cli/bench/latency.js';
import { numberedBody, numbersOf } from '../../../src/cli/bench/numbered-body.js';
import { Pace } from '../../../src/cli/bench/pace.js';
import { type Plan, warmUpOf } from '../../../src/cli/bench/plan.js';
import { Tally } from '../../../src/cli/bench/tally.js';

const NEVER = new AbortController().signal;

function numbers(sender: number, number: number) {
  return { sender, number, dueMs: 0 };
}

describe('bench, counting', () => {
  it('a body of the least size gives back who sent it, which one it is, and when', () => {
    const given = { sender: 3, number: 4_000_000_000, dueMs: 123.456 };
    for (const size of [16, 17, 4096]) {
      const body = numberedBody(size, given);
      assert.equal(body.length, size);
      assert.deepEqual(numbersOf(body), given);
    }
    assert.equal(numbersOf(new Uint8Array(15)), null);
  });

  it('nothing is wrong when each message of each sender came once, in any order', () => {
    const tally = new Tally(2);
    for (const number of [5000, 0, 1024, 1023]) {
      tally.add(numbers(0, number));
      tally.add(numbers(1, number));
    }
    assert.deepEqual(tally.faults(8), []);
  });

  it('a missing message, one that came twice, and one of someone else are told apart', () => {
    const tally = new Tally(1);
    tally.add(numbers(0, 0));
    tally.add(numbers(0, 0));
    tally.add(numbers(7, 0));
    tally.add(null);
    assert.deepEqual(tally.faults(3), [
      '2 of 3 messages missing',
      '1 messages came twice',
      '2 messages of someone else',
    ]);
  });

  it('more than was sent is told, too', () => {
    const tally = new Tally(1);
    tally.add(numbers(0, 0));
    tally.add(numbers(0, 1));
    assert.deepEqual(tally.faults(1), ['1 messages more than were sent']);
  });
});

describe('bench, pace', () => {
  it('gives out as many as there are, to all that ask', () => {
    const pace = new Pace({ messages: 2, durationMs: null, ratePerSecond: null }, NEVER);
    assert.notEqual(pace.take(), null);
    assert.notEqual(pace.take(), null);
    assert.equal(pace.take(), null);
  });

  it('with a rate, due times do not depend on when they are asked for', async () => {
    const pace = new Pace({ messages: 4, durationMs: null, ratePerSecond: 100 }, NEVER);
    const first = pace.take() ?? NaN;
    await pace.until(performance.now() + 25);
    const rest = [pace.take(), pace.take(), pace.take()].map((dueMs) => (dueMs ?? NaN) - first);
    assert.deepEqual(rest.map(Math.round), [10, 20, 30]);
    assert(first + (rest[1] ?? NaN) < performance.now(), 'what is late keeps its due time');
  });

  it('nothing is due behind the duration, and what is not due yet is waited for', async () => {
    const pace = new Pace({ messages: null, durationMs: 25, ratePerSecond: 100 }, NEVER);
    const due = [pace.take(), pace.take(), pace.take(), pace.take()];
    assert.equal(due.filter((dueMs) => dueMs !== null).length, 3);
    const last = due[2] ?? NaN;
    await pace.until(last);
    assert(performance.now() >= last - 1);
  });

  it('ends when the run is interrupted, also while it waits', async () => {
    const interrupted = new AbortController();
    const plan = { messages: 10, durationMs: null, ratePerSecond: 0.001 };
    const pace = new Pace(plan, interrupted.signal);
    const waiting = pace.until(performance.now() + 1e9);
    interrupted.abort();
    await waiting;
    assert.equal(pace.take(), null);
  });
});

describe('bench, latency', () => {
  it('keeps three digits from a microsecond to seconds', () => {
    const latency = new Latency();
    assert.equal(latency.figures(), null);
    for (let i = 0; i < 999; i++) latency.record(performance.now() - 5);
    latency.record(performance.now() - 2000);
    const figures = latency.figures();
    assert.equal(figures?.count, 1000);
    assert(figures.p50Ms >= 4.99 && figures.p50Ms < 100, `${figures.p50Ms}`);
    assert(figures.maxMs >= 1990, `${figures.maxMs}`);
    assert(figures.p999Ms <= figures.maxMs);
  });
});

describe('bench, warming up', () => {
  const plan: Plan = {
    messages: 1_000_000,
    durationMs: null,
    sizeBytes: 100,
    connections: 2,
    window: 10,
    groups: 3,
    acks: true,
    ackLevel: 'page',
    ratePerSecond: null,
    patienceMs: 1000,
  };

  it('is a tenth, of bounded length, of the same kind', () => {
    assert.deepEqual(warmUpOf(plan), { ...plan, messages: 10_000 });
    assert.equal(warmUpOf({ ...plan, messages: 1 }).messages, 1);
    const timed = { ...plan, messages: null, durationMs: 60_000 };
    assert.deepEqual(warmUpOf(timed), { ...timed, durationMs: 1000 });
  });
});
