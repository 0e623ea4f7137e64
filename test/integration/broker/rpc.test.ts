/** An RPC: what the service gets of a request and the caller of an answer, and who may answer. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';
import { type Client, utf8 } from '../../support/client.js';
import { addressOf, assertRpc, RPC_MASK, RpcService } from '../../support/rpc-service.js';
import { until, watch } from '../../support/wait.js';

let broker: TestBroker;
let caller: Client;
let service: RpcService;

async function start(): Promise<void> {
  broker = await TestBroker.start();
  caller = await broker.connect();
  await caller.expect(200, 'declare', { topic: 'calc', topic_mask: RPC_MASK });
  service = new RpcService(await broker.connect());
}

const EVERY_BYTE = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));

describe('an RPC', () => {
  beforeEach(start);
  afterEach(cleanUp);

  it('carries nested values and any script, unchanged in both directions', async () => {
    const request = {
      method: 'größer',
      params: [{ a: [1, { b: ['日本', null, 1.5e300] }] }, '🚌'],
    };
    const result = { result: { ключ: [[], {}, [{ deep: request }]] } };
    const taken = service.take();
    const reply = caller.request('rpc', { topic: 'calc', wait: 9999 }, JSON.stringify(request));
    assert.deepEqual(JSON.parse((await taken).body.toString()), request);
    service.answer(await taken, JSON.stringify(result));
    assert.equal((await reply).status, 200);
    assert.deepEqual(JSON.parse((await reply).body.toString()), result);
  });

  for (const size of [0, 1, 8192, 8193, 1024 * 1024]) {
    it(`carries ${size} bytes of any kind, unchanged in both directions`, async () => {
      const bytes = Buffer.alloc(size, EVERY_BYTE);
      const answer = Buffer.from(bytes).reverse();
      const taken = service.take();
      const reply = caller.request('rpc', { topic: 'calc', wait: 9999 }, bytes);
      assert((await taken).body.equals(bytes), 'the request was changed');
      service.answer(await taken, answer);
      assert((await reply).body.equals(answer), 'the answer was changed');
    });
  }

  it('hands on headers of both sides, but those that are for the broker', async () => {
    const given = {
      'x-own': utf8('Grüße'),
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    };
    const kept = { token: 's3cret', authorization: 'Basic eA==', cookie: 'a=b' };
    const id = await service.wait();
    const reply = caller.request('rpc', { topic: 'calc', id: 'c1', tag: 'a.b', ...given, ...kept });
    const request = (await service.client.reply(id)).headers;
    assert.deepEqual(
      ['x-own', 'traceparent', 'tag', 'origin_id', 'topic', 'consume_group'].map((name) =>
        request.get(name),
      ),
      [given['x-own'], given.traceparent, 'a.b', 'c1', 'calc', 'calc'],
    );
    const address = { recver: request.get('sender') ?? '', id: 'c1' };
    service.client.send({ cmd: 'route', ...address, origin_status: 201, ...given, ...kept });
    const answer = (await reply).headers;
    assert.equal((await reply).status, 201);
    assert.deepEqual([answer.get('x-own'), answer.get('traceparent')], Object.values(given));
    for (const name of [...Object.keys(kept), 'cmd', 'ack', 'recver', 'origin_status']) {
      assert(!request.has(name), `the service got ${name}`);
      assert(!answer.has(name), `the caller got ${name}`);
    }
  });

  for (const ack of ['true', 'false']) {
    it(`is made by a produce with ack: ${ack} too, and answered once`, async () => {
      const id = await service.wait();
      const reply = caller.request('produce', { topic: 'CALC', ack }, 'request');
      service.answer(await service.client.reply(id), 'answer');
      assert.equal((await reply).body.toString(), 'answer');
      assert.deepEqual(caller.unclaimed, []);
      const { messageDepth } = await caller.query<{ messageDepth: number }>('calc');
      assert.equal(messageDepth, 0, 'it was stored');
    });
  }

  it('is answered though it says ack: false, also by an error', async () => {
    const quiet = { ack: 'false', topic: 'calc' };
    await caller.expect(503, 'rpc', quiet);
    await caller.expect(503, 'produce', quiet);
    await caller.expect(400, 'rpc', { ...quiet, timeout: 'soon' });
    await caller.expect(400, 'produce', { ...quiet, wait: -1 });
    await caller.expect(404, 'rpc', { ...quiet, topic: 'nobody' });
  });

  it('ends with the status and the text that the service gives it', async () => {
    const id = await service.wait();
    const reply = caller.request('rpc', { topic: 'calc' });
    service.answer(await service.client.reply(id), 'boom', { origin_status: 500 });
    assert.deepEqual([(await reply).status, (await reply).body.toString()], [500, 'boom']);
    await assertRpc(caller, { answeredCount: 1 });
  });

  for (const status of ['99', '100', '600', '2000', 'ok', '-1']) {
    it(`is answered 502 when the service gives ${status} as the status`, async () => {
      const id = await service.wait();
      const reply = caller.request('rpc', { topic: 'calc' });
      service.answer(await service.client.reply(id), 'x', { origin_status: status });
      assert.equal((await reply).status, 502);
      assert(
        (await reply).headers.get('sender') === undefined,
        'it is not the service that says so',
      );
      await assertRpc(caller, { failedCount: 1 });
    });
  }

  it('needs a topic with the rpc mask, and says so', async () => {
    await caller.expect(200, 'declare', { topic: 'plain' });
    const { body } = await caller.expect(400, 'rpc', { topic: 'plain' });
    assert.match(body.toString(), /topic_mask 2/);
    await caller.expect(400, 'rpc', {});
  });

  it('under an id that is not answered yet is refused, and the first is not lost', async () => {
    const id = await service.wait();
    const names = { topic: 'calc', id: 'same' };
    caller.send({ cmd: 'rpc', ...names }, 'first');
    const request = await service.client.reply(id);
    await caller.expect(409, 'rpc', names);
    service.answer(request, 'answer');
    assert.equal((await caller.reply('same')).body.toString(), 'answer');
    const again = await service.wait();
    const reply = caller.request('rpc', names);
    service.answer(await service.client.reply(again), 'second');
    assert.equal((await reply).body.toString(), 'second');
  });

  it('of two callers under one id gives each its own answer', async () => {
    const other = await broker.connect();
    const waiting = [await service.wait(), await service.wait()];
    const names = { topic: 'calc', id: '1' };
    const replies = [caller.request('rpc', names, 'a'), other.request('rpc', names, 'b')];
    for (const id of waiting.reverse()) {
      const request = await service.client.reply(id);
      service.answer(request, `to ${request.body.toString()}`);
    }
    const bodies = (await Promise.all(replies)).map(({ body }) => body.toString());
    assert.deepEqual(bodies, ['to a', 'to b']);
  });
});

describe('an answer', () => {
  beforeEach(start);
  afterEach(cleanUp);

  async function strayCount(): Promise<number> {
    const { body } = await caller.expect(200, 'server');
    const { strayAnswerCount = 0 } = JSON.parse(body.toString()) as { strayAnswerCount?: number };
    return strayAnswerCount;
  }

  it('counts only from the session that has the request', async () => {
    const stranger = await broker.connect();
    const other = new RpcService(await broker.connect());
    const id = await service.wait();
    const reply = caller.request('rpc', { topic: 'calc' }, 'mine');
    const request = await service.client.reply(id);
    const otherId = await other.wait();
    const second = caller.request('rpc', { topic: 'calc' }, 'yours');
    const otherRequest = await other.client.reply(otherId);
    const pending = watch(reply);
    stranger.send({ cmd: 'route', ...addressOf(request) }, 'forged');
    other.answer(request, 'forged');
    await stranger.fence();
    await other.client.fence();
    await caller.fence();
    assert.equal(pending.fulfilled, false, 'a stranger answered');
    service.answer(request, 'true');
    other.answer(otherRequest, 'true too');
    assert.deepEqual(
      [(await reply).body.toString(), (await second).body.toString()],
      ['true', 'true too'],
    );
    await assertRpc(caller, { answeredCount: 2, lateCount: 1 });
    assert.equal(await strayCount(), 1);
  });

  it('to a request that is not an RPC, or to nobody, reaches nobody', async () => {
    const waiter = await broker.connect();
    await caller.expect(200, 'declare', { topic: 'plain' });
    waiter.send({ cmd: 'consume', topic: 'plain', id: 'w' });
    await waiter.fence();
    await caller.expect(200, 'produce', { topic: 'plain' });
    const { headers } = await waiter.reply('w');
    waiter.send({ cmd: 'consume', topic: 'plain', id: 'w' });
    await waiter.fence();
    service.client.send({ cmd: 'route', recver: headers.get('sender') ?? '', id: 'w' }, 'x');
    service.client.send({ cmd: 'route', recver: 'no-such-session', id: 'e2' }, 'x');
    await service.client.fence();
    await waiter.fence();
    await caller.fence();
    assert.deepEqual([...waiter.unclaimed, ...caller.unclaimed], []);
    assert.equal(await strayCount(), 2);
  });

  it('counts once', async () => {
    const id = await service.wait();
    const reply = caller.request('rpc', { topic: 'calc' });
    const request = await service.client.reply(id);
    service.answer(request, 'one');
    service.answer(request, 'two');
    assert.equal((await reply).body.toString(), 'one');
    await service.client.fence();
    await caller.fence();
    assert.deepEqual(caller.unclaimed, []);
    await assertRpc(caller, { answeredCount: 1, lateCount: 1 });
  });

  it('to a caller that is gone is dropped and counted', async () => {
    const id = await service.wait();
    caller.send({ cmd: 'rpc', topic: 'calc', id: 'c' });
    const request = await service.client.reply(id);
    caller.reset();
    caller = await broker.connect();
    await until(async () => {
      service.answer(request, 'too late');
      await service.client.fence();
      const { body } = await caller.expect(200, 'query', { topic: 'calc' });
      return body.toString().includes('"abandonedCount":1');
    });
  });

  it('without recver or id is told what it lacks', async () => {
    const { body } = await service.client.expect(400, 'route', { id: 'x' });
    assert.equal(body.toString(), 'Missing recver');
    service.client.write('GET /route?recver=x HTTP/1.1\r\n\r\n');
    assert.equal((await service.client.next()).body.toString(), 'Missing id');
  });
});

describe('a topic with the rpc mask', () => {
  beforeEach(start);
  afterEach(cleanUp);

  it('stays one, and one without does not become one, while it exists', async () => {
    await caller.expect(400, 'declare', { topic: 'calc', topic_mask: 0 });
    await caller.expect(200, 'declare', { topic: 'plain' });
    const { body } = await caller.expect(400, 'declare', { topic: 'plain', topic_mask: 2 });
    assert.match(body.toString(), /rpc \(2\) cannot change/);
  });

  it('may have the memory mask or not, as services of the family declare it', async () => {
    const { body } = await caller.expect(200, 'declare', { topic: 'calc', topic_mask: 3 });
    assert.equal((JSON.parse(body.toString()) as { mask: number }).mask, 3);
    await caller.expect(200, 'declare', { topic: 'calc', topic_mask: RPC_MASK });
  });

  it('is one after a restart', async () => {
    await broker.restart();
    caller = await broker.connect();
    service = new RpcService(await broker.connect());
    const id = await service.wait();
    const reply = caller.request('rpc', { topic: 'calc' });
    service.answer(await service.client.reply(id), 'there');
    assert.equal((await reply).body.toString(), 'there');
  });

  it('takes no dead letters of other topics', async () => {
    await caller.expect(200, 'declare', { topic: 'jobs' });
    await caller.expect(200, 'declare', {
      ...{ topic: 'jobs', consume_group: 'g', group_mask: 64 },
      ...{ group_max_attempts: 1, group_dead_topic: 'calc' },
    });
    await caller.expect(200, 'produce', { topic: 'jobs' });
    const names = { topic: 'jobs', consume_group: 'g' };
    await caller.expect(200, 'consume', names);
    await caller.expect(200, 'nack', { ...names, offset: 0 });
    await until(() => broker.failures.length > 0);
    assert.match(broker.failures.splice(0).join(), /carries RPC requests/);
    const { returnedCount } = await caller.query<{ returnedCount: number }>('jobs', 'g');
    assert.equal(returnedCount, 1, 'the message was lost');
  });
});
