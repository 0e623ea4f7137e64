/** Deadlines of calls, callers that hang up, services that come later, and a topic's limits. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';
import type { Client, Headers } from '../../support/client.js';
import { ManualClock } from '../../support/manual-clock.js';
import type { Reply } from '../../support/reply-parser.js';
import { assertRpc, RPC_MASK, RpcService, rpcJson } from '../../support/rpc-service.js';
import { until, watch } from '../../support/wait.js';

let broker: TestBroker;
let clock: ManualClock;
let caller: Client;
let service: RpcService;

async function start(config = {}): Promise<void> {
  clock = new ManualClock();
  broker = await TestBroker.start(config, clock);
  caller = await broker.connect();
  await caller.expect(200, 'declare', { topic: 'calc', topic_mask: RPC_MASK });
  service = new RpcService(await broker.connect());
}

/** Sent, and read by the broker. */
async function call(
  headers: Headers = {},
  body: string | Buffer = '',
): Promise<{ reply: Promise<Reply> }> {
  const reply = caller.request('rpc', { topic: 'calc', ...headers }, body);
  await caller.fence();
  return { reply };
}

/** Consumes, and is given the one call that is there, so that it consumes no more. */
async function takeOne(): Promise<Reply> {
  const id = await service.wait();
  await call({ timeout: 1_000_000 }, 'first');
  return service.client.reply(id);
}

async function assertPending(reply: Promise<Reply>): Promise<void> {
  const pending = watch(reply);
  await caller.fence();
  assert.equal(pending.fulfilled, false, 'it was answered');
}

describe('the deadline of a call', () => {
  beforeEach(() => start({ rpcTimeoutMs: 700 }));
  afterEach(cleanUp);

  for (const [what, headers, timeoutMs] of [
    ['its own', { timeout: 300 }, 300],
    ['that of the configuration', {}, 700],
  ] as const) {
    it(`is ${what}, in the queue: 504, and it is never handed out`, async () => {
      await takeOne();
      const { reply } = await call(headers, 'second');
      clock.advance(timeoutMs - 1);
      await assertPending(reply);
      clock.advance(1);
      const { status, body } = await reply;
      assert.equal(status, 504);
      assert.equal(
        body.toString(),
        `Topic(calc): no answer within ${timeoutMs} ms: no service took the call`,
      );
      const id = await service.wait();
      await call({ timeout: 1_000_000 }, 'third');
      assert.equal((await service.client.reply(id)).body.toString(), 'third');
    });

    it(`is ${what}, in the hands of a service: 504, and the answer is late`, async () => {
      const id = await service.wait();
      const { reply } = await call(headers);
      const request = await service.client.reply(id);
      clock.advance(timeoutMs - 1);
      await assertPending(reply);
      clock.advance(1);
      assert.equal((await reply).status, 504);
      service.answer(request, 'late');
      await service.client.fence();
      await caller.fence();
      assert.deepEqual(caller.unclaimed, []);
      await assertRpc(caller, { timedOutCount: 1, lateCount: 1 });
    });
  }

  it('holds though the timer is late: what is over is not handed out', async () => {
    await takeOne();
    const { reply } = await call({ timeout: 0 }, 'over');
    const id = await service.wait();
    assert.equal((await reply).status, 504);
    await call({}, 'next');
    assert.equal((await service.client.reply(id)).body.toString(), 'next');
  });

  it('is kept for each of many, in the order of the deadlines', async () => {
    await takeOne();
    const order: number[] = [];
    const timeouts = Array.from({ length: 500 }, (_, n) => 1 + ((n * 7919) % 5000));
    const replies = timeouts.map(async (timeout) => {
      const { status } = await caller.request('rpc', { topic: 'calc', timeout });
      assert.equal(status, 504);
      order.push(timeout);
    });
    await caller.fence();
    clock.advance(2500);
    await until(() => order.length === timeouts.filter((timeout) => timeout <= 2500).length);
    clock.advance(2500);
    await Promise.all(replies);
    assert.deepEqual(
      order,
      timeouts.sort((a, b) => a - b),
    );
    await assertRpc(caller, { inHandCount: 1, timedOutCount: 500 });
  });

  it('is not put off when the call goes to another service', async () => {
    const id = await service.wait();
    const { reply } = await call({ idempotent: 'true', wait: 1000, timeout: 1000 });
    await service.client.reply(id);
    clock.advance(600);
    service.client.reset();
    service = new RpcService(await broker.connect());
    await service.take();
    clock.advance(399);
    await assertPending(reply);
    clock.advance(1);
    assert.equal((await reply).status, 504);
  });

  it('holds while the topic is paused', async () => {
    await service.wait();
    await caller.expect(200, 'declare', { topic: 'calc', topic_mask: RPC_MASK | 8 });
    const { reply } = await call();
    clock.advance(699);
    await assertPending(reply);
    clock.advance(1);
    assert.equal((await reply).status, 504);
  });

  it('that is malformed is refused', async () => {
    for (const headers of [{ timeout: 'x' }, { timeout: -1 }, { wait: '1s' }, { timeout: '' }]) {
      await caller.expect(400, 'rpc', { topic: 'calc', ...headers });
    }
  });
});

describe('a call without a service', () => {
  beforeEach(() => start());
  afterEach(cleanUp);

  it('is answered 503 at once', async () => {
    const { body } = await caller.expect(503, 'rpc', { topic: 'calc' });
    assert.equal(body.toString(), 'Topic(calc) has no service');
    await assertRpc(caller, { unservedCount: 1 });
  });

  it('is answered 503 after the time it waits', async () => {
    const { reply } = await call({ wait: 200 });
    clock.advance(199);
    await assertPending(reply);
    clock.advance(1);
    assert.equal((await reply).status, 503);
    assert.match((await reply).body.toString(), /none came within 200 ms/);
  });

  it('goes to the one that comes in time, and has its whole timeout then', async () => {
    const { reply } = await call({ wait: 200, timeout: 1000 });
    clock.advance(199);
    const request = await service.take();
    clock.advance(800);
    await assertPending(reply);
    service.answer(request, 'done');
    assert.equal((await reply).body.toString(), 'done');
  });

  it('waits on when one is there that is busy', async () => {
    await takeOne();
    const { reply } = await call({ wait: 200, timeout: 1000 });
    clock.advance(999);
    await assertPending(reply);
    clock.advance(1);
    assert.equal((await reply).status, 504);
  });

  it('waits no longer than its timeout', async () => {
    const { reply } = await call({ wait: 2000, timeout: 1000 });
    clock.advance(1000);
    assert.equal((await reply).status, 504);
  });

  it('ends with its wait, not when the last service leaves before', async () => {
    await takeOne();
    const { reply } = await call({ wait: 500, timeout: 10_000 });
    await service.client.close();
    clock.advance(499);
    await assertPending(reply);
    clock.advance(1);
    assert.equal((await reply).status, 503);
  });
});

describe('a caller that hangs up', () => {
  beforeEach(() => start());
  afterEach(cleanUp);

  for (const how of ['close', 'reset'] as const) {
    it(`by ${how} takes its queued calls with it, and leaves those of others`, async () => {
      await takeOne();
      const leaving = await broker.connect();
      leaving.send({ cmd: 'rpc', topic: 'calc', id: 'a' }, 'leaving');
      await leaving.fence();
      await call({}, 'staying');
      void leaving[how]();
      await until(async () => (await rpcJson(caller)).abandonedCount === 1);
      assert.equal((await rpcJson(caller)).queuedCount, 1);
      assert.equal((await service.take()).body.toString(), 'staying');
    });

    it(`by ${how} as curl does takes its queued call with it`, async () => {
      await takeOne();
      const curl = await broker.connect();
      curl.write('GET /rpc/calc/plus/1/2 HTTP/1.1\r\nhost: localhost\r\n\r\n');
      await until(async () => (await rpcJson(caller)).queuedCount === 1);
      void curl[how]();
      await until(async () => (await rpcJson(caller)).queuedCount === 0);
      if (how === 'close') await curl.closed();
    });
  }

  it('does not get its call handed out again', async () => {
    const id = await service.wait();
    const leaving = await broker.connect();
    const headers = { cmd: 'rpc', topic: 'calc', idempotent: 'true', wait: 60_000 };
    leaving.send({ ...headers, id: 'in-hand' });
    leaving.send({ ...headers, id: 'queued' });
    await service.client.reply(id);
    leaving.socket.end();
    await until(async () => (await rpcJson(caller)).abandonedCount === 1);
    service.client.reset();
    await leaving.closed();
    await assertRpc(caller, { abandonedCount: 1, failedCount: 1 });
  });
});

describe('the calls that a topic keeps', () => {
  afterEach(cleanUp);

  it('are no more than rpcCallsMax; one more is answered 503 until there is room', async () => {
    await start({ rpcCallsMax: 3 });
    const request = await takeOne();
    const { reply: second } = await call();
    const { reply: third } = await call();
    const { body } = await caller.expect(503, 'rpc', { topic: 'calc' });
    assert.match(body.toString(), /rpcCallsMax is 3/);
    service.answer(request, 'done');
    await until(async () => (await rpcJson(caller)).answeredCount === 1);
    const { reply: fourth } = await call();
    for (const reply of [second, third, fourth]) await assertPending(reply);
    await caller.expect(503, 'rpc', { topic: 'calc' });
    assert.equal((await rpcJson(caller)).refusedCount, 2);
  });

  it('take no more than rpcBytesMax, of which one that cannot come back is none', async () => {
    await start({ rpcBytesMax: 64 * 1024 });
    const body = Buffer.alloc(30_000);
    const id = await service.wait();
    await call({}, body);
    await service.client.reply(id);
    assert.equal((await rpcJson(caller)).requestBytes, 0);
    await call({}, body);
    await call({}, body);
    const { body: text } = await caller.expect(503, 'rpc', { topic: 'calc' }, body);
    assert.match(text.toString(), /rpcBytesMax is 65536/);
    await service.take();
    await call({}, body);
    const { requestBytes } = await rpcJson(caller);
    assert(requestBytes > 60_000 && requestBytes < 64 * 1024, String(requestBytes));
  });

  it('of another topic are not counted', async () => {
    await start({ rpcCallsMax: 1 });
    await takeOne();
    await caller.expect(503, 'rpc', { topic: 'calc' });
    await caller.expect(200, 'declare', { topic: 'other', topic_mask: RPC_MASK });
    const reply = caller.request('rpc', { topic: 'other', wait: 1000 });
    await assertPending(reply);
  });
});
