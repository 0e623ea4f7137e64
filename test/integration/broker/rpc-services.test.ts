/** Services of a topic: how calls are shared among them, and what becomes of calls when they go. */
import assert from 'node:assert/strict';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';
import type { Client, Headers } from '../../support/client.js';
import type { Reply } from '../../support/reply-parser.js';
import { assertRpc, RPC_MASK, RpcService, rpcJson } from '../../support/rpc-service.js';
import { until, watch } from '../../support/wait.js';

let broker: TestBroker;
let caller: Client;

async function start(): Promise<void> {
  broker = await TestBroker.start();
  caller = await broker.connect();
  await declare();
}

function declare(headers: Headers = {}): Promise<Reply> {
  return caller.expect(200, 'declare', { topic: 'calc', topic_mask: RPC_MASK, ...headers });
}

async function newService(): Promise<RpcService> {
  return new RpcService(await broker.connect());
}

function call(headers: Headers = {}, body: string | Buffer = ''): Promise<Reply> {
  return caller.request('rpc', { topic: 'calc', ...headers }, body);
}

const isGroup = (headers: Headers): boolean => 'group_mask' in headers;

const IDEMPOTENT = { idempotent: 'true' };

describe('calls', () => {
  beforeEach(start);
  afterEach(cleanUp);

  it('of many callers to 8 services get each its own answer, once', async () => {
    const [callerCount, each] = [8, 500];
    const services = await Promise.all(Array.from({ length: 8 }, newService));
    const callers = await Promise.all(Array.from({ length: callerCount }, () => broker.connect()));
    for (const [n, service] of services.entries()) {
      void service.serve((request) => `${n} ${request.body.toString()}`);
    }
    await Promise.all(
      callers.flatMap((client, c) =>
        Array.from({ length: each }, async (_, n) => {
          const { status, body } = await client.request(
            'rpc',
            { topic: 'calc', wait: 9999 },
            `${c}.${n}`,
          );
          assert.equal(status, 200);
          assert.match(body.toString(), new RegExp(`^[0-7] ${c}\\.${n}$`));
        }),
      ),
    );
    for (const client of callers) assert.deepEqual(client.unclaimed, []);
    for (const { served } of services) assert(served > 0, 'a service was passed over');
    await assertRpc(caller, { answeredCount: callerCount * each });
  });

  it('go to whoever asks first, and to nobody who does not ask', async () => {
    const [busy, idle] = [await newService(), await newService()];
    const first = await busy.wait();
    const second = await idle.wait({ prefetch: 2 });
    for (const id of ['1', '2', '3', '4']) caller.send({ cmd: 'rpc', topic: 'calc', id });
    assert.equal((await busy.client.reply(first)).headers.get('origin_id'), '1');
    assert.equal((await idle.client.reply(second)).headers.get('origin_id'), '2');
    assert.equal((await idle.client.reply(second)).headers.get('origin_id'), '3');
    await assertRpc(caller, { inHandCount: 3, queuedCount: 1 });
    assert.equal((await busy.take()).headers.get('origin_id'), '4');
  });

  it('reach services of every group of the topic, each call one of them', async () => {
    const headers = { topic: 'calc', consume_group: 'blue' };
    await caller.expect(200, 'declare', headers);
    const [one, two] = [await newService(), await newService()];
    const ids = [await one.wait(), await two.wait(headers)];
    const replies = [call({}, 'a'), call({}, 'b')];
    one.answer(await one.client.reply(ids[0] ?? ''), 'x');
    const request = await two.client.reply(ids[1] ?? '');
    assert.equal(request.headers.get('consume_group'), 'blue');
    two.answer(request, 'x');
    await Promise.all(replies);
    await assertRpc(caller, { answeredCount: 2 });
  });

  it('end the wait of a service only when there are some', async () => {
    const service = await newService();
    await service.client.expect(204, 'consume', { topic: 'calc', timeout: 1 });
    const id = await service.wait({ timeout: 60_000 });
    caller.send({ cmd: 'rpc', topic: 'calc', id: 'c' });
    assert.equal((await service.client.reply(id)).status, 200);
  });
});

describe('a service that dies', () => {
  let service: RpcService;
  beforeEach(async () => {
    await start();
    service = await newService();
  });
  afterEach(cleanUp);

  for (const how of ['close', 'reset'] as const) {
    it(`by ${how} with a call in hand has its caller answered 502`, async () => {
      const id = await service.wait();
      const reply = call();
      await service.client.reply(id);
      void service.client[how]();
      assert.equal((await reply).status, 502);
      await assertRpc(caller, { failedCount: 1 });
    });

    it(`by ${how} gives up calls that are idempotent, in order, before all others`, async () => {
      const next = await newService();
      const id = await service.wait({ prefetch: 2 });
      const replies = ['a', 'b', 'c'].map((body) => call(body === 'c' ? {} : IDEMPOTENT, body));
      await service.client.reply(id);
      await service.client.reply(id);
      const nextId = await next.wait({ prefetch: 3 });
      const first = await next.client.reply(nextId);
      assert.equal(first.body.toString(), 'c');
      next.answer(first, 'c');
      void service.client[how]();
      for (const body of ['a', 'b']) {
        const request = await next.client.reply(nextId);
        assert.deepEqual([request.body.toString(), request.headers.get('retry')], [body, '1']);
        next.answer(request, body);
      }
      const bodies = (await Promise.all(replies)).map((reply) => reply.body.toString());
      assert.deepEqual(bodies, ['a', 'b', 'c']);
      await assertRpc(caller, { answeredCount: 3, retriedCount: 2 });
    });
  }

  it('as the last one has calls answered 502 that are idempotent', async () => {
    const id = await service.wait();
    const reply = call(IDEMPOTENT);
    await service.client.reply(id);
    service.client.reset();
    assert.equal((await reply).status, 502);
  });

  it('as the last one leaves calls queued as long as they wait for a service', async () => {
    const id = await service.wait();
    const reply = call({ ...IDEMPOTENT, wait: 60_000 }, 'again');
    await service.client.reply(id);
    service.client.reset();
    const next = await newService();
    const request = await next.take();
    assert.equal(request.body.toString(), 'again');
    next.answer(request, 'done');
    assert.equal((await reply).body.toString(), 'done');
  });

  it('of a call takes no more than two others with it', async () => {
    const reply = call({ ...IDEMPOTENT, wait: 60_000 });
    const spare = await newService();
    for (let n = 0; n < 3; n++) {
      const victim = await newService();
      await victim.take();
      victim.client.reset();
    }
    assert.equal((await reply).status, 502);
    const id = await spare.wait();
    caller.send({ cmd: 'rpc', topic: 'calc', id: 'n' }, 'next');
    assert.equal((await spare.client.reply(id)).body.toString(), 'next');
  });

  it('leaves what its connection did not take to the next, whatever it is', async () => {
    const count = 14;
    const next = await newService();
    await service.wait({ prefetch: 2 * count });
    service.client.socket.pause();
    const body = Buffer.alloc(512 * 1024, 'b');
    // Two, since one with as many bytes unanswered would not be read.
    const callers = [await broker.connect(), await broker.connect()];
    const replies = callers.flatMap((client) =>
      Array.from({ length: count }, () =>
        client.request('rpc', { topic: 'calc', timeout: 60_000 }, body),
      ),
    );
    for (const client of callers) await client.fence();
    const { inHandCount } = await rpcJson(caller);
    void next.serve(() => 'by the next');
    service.client.reset();
    const statuses = (await Promise.all(replies)).map(({ status }) => status);
    const { failedCount } = await rpcJson(caller);
    assert(failedCount < inHandCount, `all ${inHandCount} that were handed out failed`);
    assert.equal(statuses.filter((status) => status === 502).length, failedCount);
    assert.equal(statuses.filter((status) => status === 200).length, 2 * count - failedCount);
    await assertRpc(caller, { answeredCount: 2 * count - failedCount, failedCount });
  });
});

describe('a service that leaves by unconsume', () => {
  let service: RpcService;
  beforeEach(async () => {
    await start();
    service = await newService();
  });
  afterEach(cleanUp);

  it('as the last one has queued calls answered 503', async () => {
    const id = await service.wait();
    const replies = [call(), call()];
    await service.client.reply(id);
    service.client.send({ cmd: 'unconsume', topic: 'calc' });
    const [, queued] = replies;
    assert.equal((await queued)?.status, 503);
    await assertRpc(caller, { inHandCount: 1, unservedCount: 1 });
  });

  it('may answer what it has in hand', async () => {
    const id = await service.wait();
    const reply = call();
    const request = await service.client.reply(id);
    service.client.send({ cmd: 'unconsume', topic: 'calc' });
    service.answer(request, 'done');
    assert.equal((await reply).body.toString(), 'done');
  });

  it('where there is another leaves calls to that one', async () => {
    const other = await newService();
    const [id] = [await service.wait(), await other.wait()];
    for (const body of ['a', 'b', 'c']) caller.send({ cmd: 'rpc', topic: 'calc', id: body }, body);
    await service.client.reply(id);
    service.client.send({ cmd: 'unconsume', topic: 'calc' });
    await service.client.fence();
    await assertRpc(caller, { inHandCount: 2, queuedCount: 1 });
    assert.equal((await other.take()).body.toString(), 'c');
  });
});

describe('a topic with calls queued and in hand', () => {
  let service: RpcService;
  let queued: Promise<Reply>;
  let inHand: Promise<Reply>;
  let request: Reply;
  beforeEach(async () => {
    await start();
    service = await newService();
    const id = await service.wait();
    inHand = call({}, 'in hand');
    queued = call({}, 'queued');
    request = await service.client.reply(id);
  });
  afterEach(cleanUp);

  async function statuses(): Promise<number[]> {
    return [(await queued).status, (await inHand).status];
  }

  it('that is removed answers 404 and 502', async () => {
    await caller.expect(200, 'remove', { topic: 'calc' });
    assert.deepEqual(await statuses(), [404, 502]);
    await caller.expect(404, 'rpc', { topic: 'calc' });
    service.answer(request, 'late');
    await service.client.fence();
  });

  it('that is emptied answers 503 to the first, and the service the second', async () => {
    await caller.expect(200, 'empty', { topic: 'calc' });
    assert.equal((await queued).status, 503);
    service.answer(request, 'done');
    assert.equal((await inHand).status, 200);
    await assertRpc(caller, { answeredCount: 1, unservedCount: 1 });
  });

  it('whose last group is removed answers 503 to the queued one alone', async () => {
    await caller.expect(200, 'remove', { topic: 'calc', consume_group: 'calc' });
    assert.equal((await queued).status, 503);
    service.answer(request, 'done');
    assert.equal((await inHand).status, 200);
  });

  for (const headers of [
    { topic_mask: RPC_MASK | 8 },
    { consume_group: 'calc', group_mask: 8 },
  ] as Headers[]) {
    it(`hands out none while ${JSON.stringify(headers)} pauses it, and goes on`, async () => {
      await declare(headers);
      const id = await service.wait();
      const pending = watch(service.client.reply(id));
      service.answer(request, 'done');
      assert.equal((await inHand).status, 200);
      await service.client.fence();
      assert.equal(pending.fulfilled, false, 'a call was handed out');
      const { queuedCount } = await rpcJson(caller);
      assert.equal(queuedCount, 1);
      await declare({
        ...headers,
        ...(isGroup(headers) ? { group_mask: 0 } : { topic_mask: RPC_MASK }),
      });
      await until(() => pending.fulfilled);
    });
  }

  it('of a broker that stops answers 503 to both', async () => {
    const stopping = broker.stop();
    assert.deepEqual(await statuses(), [503, 503]);
    assert.equal((await queued).body.toString(), 'The broker is stopping');
    await stopping;
  });

  it('gives an exclusive group to one service, and passes it on', async () => {
    await declare({ consume_group: 'calc', group_mask: 16 });
    const next = await newService();
    await next.client.expect(403, 'consume', { topic: 'calc' });
    service.client.reset();
    assert.equal((await inHand).status, 502);
    assert.equal((await queued).status, 503);
    await until(async () => {
      const { consumerCount } = await caller.query<{ consumerCount: number }>('calc');
      return consumerCount === 0;
    });
    await next.wait();
  });
});
