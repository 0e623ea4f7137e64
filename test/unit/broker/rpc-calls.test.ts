/**
 * Calls under whatever callers, services, time and connections do: each has one end, none is run
 * against its promise, and nothing is kept of those that have ended.
 */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { RpcCalls } from '../../../src/broker/rpc/rpc-calls.js';
import { RpcDesk } from '../../../src/broker/rpc/rpc-desk.js';
import { Waiter, WaitingLine } from '../../../src/broker/waiting-line.js';
import type { Clock } from '../../../src/clock.js';
import { ManualClock } from '../../support/manual-clock.js';
import { rpcOptions } from './rpc-options.js';
import { RpcWorld, TestExchange } from './rpc-world.js';
import { TrafficCounts } from '../../../src/broker/traffic-counts.js';

const OPTIONS = { ...rpcOptions, callsMax: 8 };

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('call' as const),
      who: fc.nat(2),
      timeoutMs: fc.integer({ min: 0, max: 50 }),
      waitMs: fc.constantFrom(0, 10, 40),
      idempotent: fc.boolean(),
    }),
  },
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constantFrom('ask' as const, 'take', 'answer'),
      who: fc.nat(2),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom('serve' as const, 'end', 'hangUp', 'halfClose'),
      who: fc.nat(2),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('advance' as const), ms: fc.nat(30) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('empty' as const) }) },
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

class Run {
  readonly world = new RpcWorld(OPTIONS);
  readonly callers = Array.from({ length: 3 }, () => this.world.newSession());

  do(what: Step): void {
    const { world } = this;
    if (what.kind === 'advance') world.clock.advance(what.ms);
    else if (what.kind === 'empty') world.desk.empty();
    else if (what.kind === 'call') this.#call(what);
    else if (what.kind === 'serve') world.addService();
    else if (what.kind === 'hangUp' || what.kind === 'halfClose') this.#leave(what);
    else this.#serve(what);
    world.check();
  }

  /** Everybody goes. */
  end(): void {
    const { world, callers } = this;
    for (const [who] of callers.entries()) this.#leave({ kind: 'hangUp', who });
    while (world.services[0] !== undefined) world.end(world.services[0]);
    world.check();
    const { calls, desk } = world;
    const kept = [calls.size, calls.deadlineCount, calls.peerCount];
    assert.deepEqual([...kept, desk.queuedCount, desk.inHandCount, desk.bytes], Array(6).fill(0));
    for (const { exchange } of world.made.values()) {
      assert(exchange.status !== null || exchange.session.ended, 'a call has no end');
    }
  }

  #call(what: Step & { kind: 'call' }): void {
    const { world, callers } = this;
    const caller = callers[what.who];
    assert(caller !== undefined);
    const { refusedCount } = world.desk.figures;
    const none = world.services.length === 0 && what.waitMs === 0;
    const call = world.call(caller, what);
    const wasRefused = world.desk.figures.refusedCount > refusedCount;
    if (call === undefined && none && !wasRefused) world.unserved++;
  }

  /** A caller's connection ends, at once or with answers still sent; another one comes. */
  #leave({ kind, who }: { kind: string; who: number }): void {
    const { world, callers } = this;
    const caller = callers[who];
    assert(caller !== undefined);
    for (const { exchange } of world.made.values()) {
      if (kind === 'hangUp' && exchange.session === caller) exchange.alive = false;
    }
    caller.end();
    callers[who] = world.newSession();
  }

  #serve({ kind, who }: { kind: string; who: number }): void {
    const service = this.world.services[who];
    if (service === undefined) return;
    if (kind === 'ask') this.world.ask(service);
    else if (kind === 'take') this.world.take(service);
    else if (kind === 'answer') this.world.answer(service);
    else this.world.end(service);
  }
}

describe('calls', () => {
  it('have one end each, are run as promised, and leave nothing behind', () => {
    const steps = fc.array(step, { maxLength: 120 });
    fc.assert(
      fc.property(steps, (list) => {
        const run = new Run();
        run.world.addService();
        for (const what of list) run.do(what);
        run.end();
      }),
      { numRuns: 1000 },
    );
  });

  it('are not changed when the bytes that they were read from are', () => {
    const world = new RpcWorld(OPTIONS);
    const desk = new RpcDesk('t', world.calls, new TrafficCounts(null), () => undefined);
    desk.servicesChanged(1);
    for (const size of [100, 100_000]) {
      const read = Buffer.alloc(size, 'a');
      const caller = new TestExchange(world.newSession(), 'id');
      desk.call(caller, '', read, { timeoutMs: 5000, waitMs: 0, idempotent: false });
      read.fill('b');
      let given = '';
      const service = new TestExchange(world.newSession(), 's', (text) => {
        given = text;
      });
      const line = new WaitingLine(() => undefined);
      line.push(new Waiter(service));
      const waiter = line.peek();
      assert(waiter !== undefined && desk.handOut(line, waiter, '', 0));
      assert.equal(given, 'a'.repeat(size));
    }
  });

  it('that a service took behind its own end have failed', () => {
    const world = new RpcWorld(OPTIONS);
    const service = world.addService();
    const options = { timeoutMs: 5000, waitMs: 0, idempotent: false };
    const call = world.call(world.newSession(), options);
    world.ask(service);
    service.session.end();
    assert.equal(call?.exchange.status, null, 'answered before it is known whether it was taken');
    world.take(service);
    assert.equal(call.exchange.status, 502);
  });

  it('of 10,000 have one timer', () => {
    const manual = new ManualClock();
    const timers: number[] = [];
    const clock: Clock = {
      nowMs: () => manual.nowMs(),
      every: (ms, task) => manual.every(ms, task),
      after: (ms, task) => {
        timers.push(ms);
        return manual.after(ms, task);
      },
    };
    const calls = new RpcCalls(clock, rpcOptions);
    const desk = new RpcDesk('t', calls, new TrafficCounts(null), () => undefined);
    desk.servicesChanged(1);
    const { session } = new TestExchange(new RpcWorld(OPTIONS).newSession(), '');
    const made = Array.from({ length: 10_000 }, (_, n) => new TestExchange(session, String(n)));
    for (const [n, exchange] of made.entries()) {
      manual.advance(n % 10 === 0 ? 1 : 0);
      desk.call(exchange, 'head', 'body', { timeoutMs: 5000, waitMs: 0, idempotent: false });
    }
    assert.deepEqual(timers, [5000]);
    manual.advance(6000);
    assert(made.every(({ status }) => status === 504));
    assert(timers.length <= 1001, `${timers.length} timers for 1000 times`);
    assert.deepEqual([calls.size, calls.deadlineCount, desk.bytes], [0, 0, 0]);
  });
});
