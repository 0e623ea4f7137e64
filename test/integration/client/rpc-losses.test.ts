/** RPC when something ends: a service, a connection, the broker, the patience of either side. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Bus } from '../../../src/client/bus.js';
import { ConnectionLostError, TimeoutError } from '../../../src/client/errors.js';
import { RpcInvoker } from '../../../src/client/rpc/rpc-invoker.js';
import type { RpcRequest } from '../../../src/client/rpc/rpc-request.js';
import {
  BadRequestError,
  CallsFullError,
  ClosedError,
  ForbiddenError,
  NoServiceError,
  NotFoundError,
  ServiceFailedError,
} from '../../../src/errors.js';
import { Mask } from '../../../src/protocol/masks.js';
import { TestBroker } from '../../support/broker.js';
import { cleanUp, onCleanUp } from '../../support/cleanup.js';
import { ManualClock } from '../../support/manual-clock.js';
import { failureOf, newGate, plus } from '../../support/rpc-expect.js';
import { token, tokenFile } from '../../support/tokens.js';
import { until, watch } from '../../support/wait.js';
import { openTo } from './buses.js';
import { CutProxy } from './cut-proxy.js';

interface Calc {
  plus(a: number, b: number): number;
  wait(): string;
}

const CHILD = fileURLToPath(new URL('rpc-child.mjs', import.meta.url));

let broker: TestBroker;

/** A process whose service takes calls and does not answer them. */
async function startChild(): Promise<{ process: ChildProcess; taken: () => number }> {
  const child = spawn(process.execPath, ['--import=tsx', CHILD, String(broker.port)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onCleanUp(() => void child.kill('SIGKILL'));
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  await until(() => output.includes('serving'));
  return { process: child, taken: () => output.split('\n').length - 2 };
}

describe('a service that is killed', () => {
  beforeEach(async () => {
    broker = await TestBroker.start();
  });
  afterEach(cleanUp);

  it('lets its calls fail at once, and the idempotent ones be answered by another', async () => {
    const { process: child, taken } = await startChild();
    const bus = await openTo(broker.port);
    const options = { timeoutMs: 20_000 };
    const alone = bus.rpc<Calc>('calc', options);
    const again = bus.rpc<Calc>('calc', { ...options, idempotent: true });
    const lost = Array.from({ length: 20 }, (_, n) => failureOf(alone.plus(n, 1)));
    const kept = Array.from({ length: 20 }, (_, n) => again.plus(n, 1));
    await until(() => taken() === 40);
    const other = await openTo(broker.port);
    await other.serve('calc', { plus });
    child.kill('SIGKILL');
    for (const error of await Promise.all(lost)) assert(error instanceof ServiceFailedError);
    assert.deepEqual(
      await Promise.all(kept),
      kept.map((_, n) => n + 1),
    );
    const { rpc } = await bus.query('calc');
    assert.equal(rpc?.failedCount, 20);
    assert.equal(rpc.retriedCount, 20);
    assert.equal(await alone.plus(1, 1), 2);
  });
});

describe('a caller whose connection is lost', () => {
  let proxy: CutProxy;
  let bus: Bus;
  let served: number[];

  beforeEach(async () => {
    broker = await TestBroker.start();
    proxy = await CutProxy.open(broker.port);
    bus = await openTo(proxy.port);
    served = [];
    const counted = (a: number, b: number): number => {
      served.push(a);
      return a + b;
    };
    await (await openTo(broker.port)).serve('calc', { plus: counted });
  });
  afterEach(cleanUp);

  it('gets an error for a call that may have run, which is not run again', async () => {
    proxy.cutAtWord('replies', '"result"');
    const error = await failureOf(bus.rpc<Calc>('calc').plus(1, 2));
    assert(error instanceof ConnectionLostError);
    assert.deepEqual(served, [1]);
  });

  it('gets the answer of an idempotent call all the same', async () => {
    proxy.cutAtWord('replies', '"result"');
    const answer = bus.rpc<Calc>('calc', { idempotent: true }).plus(1, 2);
    assert.equal(await answer, 3);
    assert.deepEqual(served, [1, 1]);
  });

  it('has calls wait for the next connection that were not sent yet', async () => {
    const { targetPort } = proxy;
    proxy.targetPort = null;
    proxy.cut();
    await until(() => bus.state === 'connecting');
    const waiting = bus.rpc<Calc>('calc').plus(1, 2);
    proxy.targetPort = targetPort;
    assert.equal(await waiting, 3);
  });

  it('does not send a call whose time has passed', async () => {
    const clock = new ManualClock();
    const patient = await openTo(proxy.port, { clock });
    proxy.cut();
    await until(() => patient.state === 'connecting');
    const late = failureOf(patient.rpc<Calc>('calc', { timeoutMs: 20 }).plus(1, 2));
    // It connects again, too.
    clock.advance(20);
    const error = await late;
    assert(error instanceof TimeoutError);
    assert.match(error.message, /within 20 ms: nothing was sent/);
    assert.deepEqual(served, []);
  });

  it('hears of a silent broker a little later than the broker would have said so', async () => {
    proxy.silent = true;
    const error = await failureOf(bus.rpc<Calc>('calc', { timeoutMs: 20 }).plus(1, 2));
    assert(error instanceof TimeoutError);
    assert.match(error.message, /No answer within 20 ms/);
  });
});

describe('the deadline that the broker is told', () => {
  afterEach(cleanUp);

  it('is the time that is left when the call is sent, also for the second time', async () => {
    broker = await TestBroker.start();
    const proxy = await CutProxy.open(broker.port);
    const clock = new ManualClock();
    const timeouts: number[] = [];
    await (
      await openTo(broker.port)
    ).serve('calc', ({ headers }: RpcRequest) => {
      timeouts.push(Number(headers.timeout));
      if (timeouts.length === 1) proxy.cut();
      return { result: null };
    });
    const bus = await openTo(proxy.port, { clock });
    const waiting = bus.rpc<Calc>('calc', { timeoutMs: 5000, idempotent: true }).plus(1, 2);
    await until(() => bus.state === 'connecting');
    clock.advance(1200);
    await waiting;
    assert.deepEqual(timeouts, [5000, 3800]);
  });

  it('is told with a token too', async () => {
    const { secret } = token('all', ['*']);
    broker = await TestBroker.start({ tokenFile: tokenFile([token('all', ['*'])]) });
    const bus = await openTo(broker.port, { token: secret });
    await bus.serve('calc', ({ headers }: RpcRequest) => ({ result: Number(headers.timeout) }));
    const left = await bus.rpc<Calc>('calc', { timeoutMs: 4321 }).plus(1, 2);
    assert(left > 1000 && left <= 4321, `${left} ms`);
  });
});

describe('a processor whose broker is restarted', () => {
  afterEach(cleanUp);

  it('serves again by itself, and drops answers to calls of before', async () => {
    broker = await TestBroker.start();
    const proxy = await CutProxy.open(broker.port);
    const gate = newGate();
    let aborted = false;
    const wait = async ({ signal }: RpcRequest): Promise<object> => {
      signal.addEventListener('abort', () => {
        aborted = true;
      });
      await gate.opened;
      return { result: 'of before' };
    };
    const bus = await openTo(proxy.port);
    const slow = await bus.serve('slow', wait, { concurrency: 1 });
    const quick = await bus.serve('calc', { plus }, { group: 'own' });
    const before = failureOf((await openTo(broker.port)).rpc<Calc>('slow').wait());
    await until(() => slow.inHandCount === 1);
    await broker.restart();
    assert((await before) instanceof Error);
    proxy.targetPort = broker.port;
    await until(() => aborted);
    const caller = await openTo(broker.port);
    const patient = { waitMs: 20_000, timeoutMs: 20_000 };
    assert.equal(await caller.rpc<Calc>('calc', patient).plus(1, 2), 3);
    // Its one slot is taken by the call of before.
    assert.equal(slow.inHandCount, 1);
    gate.open();
    assert.equal(await caller.rpc<Calc>('slow', patient).wait(), 'of before');
    // The broker counts a late answer for the topic whose call the connection got last.
    for (const topic of ['slow', 'calc']) {
      assert.equal((await caller.query(topic)).rpc?.lateCount, 0, topic);
    }
    assert.equal((await caller.query('calc', { group: 'own' })).consumerCount, 1);
    await quick.close();
  });
});

describe('serving', () => {
  let bus: Bus;

  beforeEach(async () => {
    broker = await TestBroker.start({ rpcCallsMax: 3 });
    bus = await openTo(broker.port);
  });
  afterEach(cleanUp);

  it('is refused on a topic that carries no RPC, and leaves a mask as it is', async () => {
    await bus.declare('plain');
    await assert.rejects(bus.serve('plain', { plus }), BadRequestError);
    await bus.declare('paused', { topicMask: Mask.rpc | Mask.pause });
    await bus.serve('paused', { plus });
    assert.equal((await bus.query('paused')).mask, Mask.rpc | Mask.pause);
  });

  it('is refused to a second one of an exclusive group, and ends when the topic does', async () => {
    await bus.declare('calc', { topicMask: Mask.rpc, group: 'g', mask: Mask.exclusive });
    const first = await bus.serve('calc', { plus }, { group: 'g' });
    const second = (await openTo(broker.port)).serve('calc', { plus }, { group: 'g' });
    await assert.rejects(second, ForbiddenError);
    await bus.remove('calc');
    assert((await first.ended) instanceof NotFoundError);
  });

  it('ends with the bus, which answers first what is in hand', async () => {
    const gate = newGate();
    const processor = await bus.serve('calc', { wait: () => gate.opened });
    const caller = await openTo(broker.port);
    const waiting = caller.rpc<Calc>('calc').wait();
    await until(() => processor.inHandCount === 1);
    const closing = bus.close();
    const refused = await failureOf(caller.rpc<Calc>('calc').wait());
    assert(refused instanceof NoServiceError);
    gate.open();
    assert.equal(await waiting, 'open');
    await closing;
    assert.equal(await processor.ended, null);
  });

  it('stops at its signal: before it began with the reason, later in good order', async () => {
    const aborter = new AbortController();
    const { signal } = aborter;
    const processor = await bus.serve('calc', { plus }, { signal });
    aborter.abort(new Error('enough'));
    assert.equal(await processor.ended, null);
    await assert.rejects(bus.serve('calc', { plus }, { signal }), /enough/);
    const error = await failureOf(bus.rpc<Calc>('calc').plus(1, 2));
    assert(error instanceof NoServiceError);
  });

  it('tells a caller that the topic has too many calls apart from having no service', async () => {
    const gate = newGate();
    await bus.serve('calc', { wait: () => gate.opened });
    const remote = (await openTo(broker.port)).rpc<Calc>('calc', { idempotent: true });
    const waiting = [remote.wait(), remote.wait(), remote.wait()];
    assert((await failureOf(remote.wait())) instanceof CallsFullError);
    gate.open();
    await Promise.all(waiting);
  });

  it('answers with an error what is too large to be sent, and goes on', async () => {
    const small = await openTo(broker.port, { bodyBytesMax: 1000 });
    await small.serve('calc', { plus, big: () => 'x'.repeat(1000) });
    const invoker = new RpcInvoker(bus.client, 'calc');
    const error = await failureOf(invoker.call('big'));
    assert.equal(error.message, 'The answer has 1013 bytes: bodyBytesMax is 1000');
    assert.equal(await invoker.call('plus', [1, 2]), 3);
    await assert.rejects(new RpcInvoker(small.client, 'calc').call('x', ['x'.repeat(1000)]), {
      code: 'ZBUS_LIMIT',
    });
  });

  it('refuses what would mislead before anything is sent', async () => {
    const invoker = new RpcInvoker(bus.client, 'calc');
    const headers = { timeout: 5 };
    await assert.rejects(invoker.call('plus', [], { headers }), BadRequestError);
    await assert.rejects(invoker.call('plus', [1n]), BadRequestError);
    await assert.rejects(bus.serve('calc', { plus }, { concurrency: 0 }), BadRequestError);
    const misspelled = { schemas: { pluss: {} } } as object;
    await assert.rejects(bus.serve('calc', { plus }, misspelled), /no method "pluss"/);
    await bus.close();
    await assert.rejects(invoker.call('plus'), ClosedError);
    await assert.rejects(bus.serve('calc', { plus }), ClosedError);
  });
});

describe('a caller that reads nothing', () => {
  afterEach(cleanUp);

  it('holds up nobody else, and gets all its answers when it reads', async () => {
    const CALLS = 100;
    const BYTES = 200_000;
    broker = await TestBroker.start();
    const bus = await openTo(broker.port);
    await bus.serve('calc', { plus, big: () => new Uint8Array(BYTES) });
    const slow = await broker.connect();
    slow.socket.pause();
    for (let n = 0; n < CALLS; n++) {
      slow.send({ cmd: 'rpc', topic: 'calc', id: `big-${n}` }, '{"method":"big"}');
    }
    await until(async () => Number((await bus.query('calc')).rpc?.answeredCount) > 0);
    const remote = (await openTo(broker.port)).rpc<Calc>('calc');
    for (let n = 0; n < CALLS; n++) assert.equal(await remote.plus(n, 1), n + 1);
    slow.socket.resume();
    for (let n = 0; n < CALLS; n++) {
      const { status, body } = await slow.reply(`big-${n}`);
      assert.deepEqual([status, body.length], [200, BYTES]);
    }
  });
});

describe('a connection with thousands of calls under way', () => {
  afterEach(cleanUp);

  it('goes on with all else, answers of its own services included', async () => {
    const CALLS = 3000;
    broker = await TestBroker.start();
    const bus = await openTo(broker.port);
    const gate = newGate();
    const service = { wait: () => gate.opened, echo: (text: string) => text.length };
    await bus.serve('calc', service, { concurrency: CALLS });
    const remote = bus.rpc<typeof service>('calc', { timeoutMs: 25_000 });
    const waiting = Array.from({ length: CALLS }, () => remote.wait());
    await bus.client.ping();
    gate.open();
    assert.deepEqual(new Set(await Promise.all(waiting)), new Set(['open']));
    const large = 'x'.repeat(1_000_000);
    const lengths = await Promise.all(Array.from({ length: 20 }, () => remote.echo(large)));
    assert(lengths.every((length) => length === large.length));
  });

  it('lets one signal end them all without a warning', async () => {
    broker = await TestBroker.start();
    const bus = await openTo(broker.port);
    await bus.serve('calc', { wait: () => new Promise(() => undefined), plus });
    const warnings: Error[] = [];
    const onWarning = (warning: Error): unknown => warnings.push(warning);
    process.on('warning', onWarning);
    onCleanUp(() => void process.off('warning', onWarning));
    const aborter = new AbortController();
    const remote = bus.rpc<Calc>('calc', { signal: aborter.signal });
    const waiting = Array.from({ length: 50 }, () => failureOf(remote.wait()));
    await bus.client.ping();
    const reason = new Error('enough');
    aborter.abort(reason);
    for (const error of await Promise.all(waiting)) assert.equal(error, reason);
    assert.equal(await bus.rpc<Calc>('calc').plus(1, 2), 3);
    assert.deepEqual(warnings, []);
  });
});

describe('a broker that is stopping', () => {
  afterEach(cleanUp);

  it('leaves an idempotent call to its successor, and fails another', async () => {
    broker = await TestBroker.start();
    const proxy = await CutProxy.open(broker.port);
    const bus = await openTo(proxy.port);
    const gate = newGate();
    const server = await openTo(broker.port);
    const processor = await server.serve('calc', { wait: () => gate.opened });
    const fails = failureOf(bus.rpc<Calc>('calc').wait());
    const options = { idempotent: true, waitMs: 20_000, timeoutMs: 20_000 };
    const goesOn = bus.rpc<Calc>('calc', options).wait();
    const pending = watch(goesOn);
    await until(() => processor.inHandCount === 2);
    await broker.restart();
    assert.equal((await fails).name.endsWith('Error'), true);
    assert.equal(pending.fulfilled, false);
    proxy.targetPort = broker.port;
    await (await openTo(broker.port)).serve('calc', { wait: () => 'successor' });
    assert.equal(await goesOn, 'successor');
  });
});
