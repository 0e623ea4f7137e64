/**
 * Programs of the family and the client of this package on both sides of a call: values, bytes and
 * errors mean the same to the one as to the other.
 */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import {
  type Bus,
  NoServiceError,
  RpcError,
  RpcInvoker,
  RpcReply,
  type RpcRequest,
  ServiceFailedError,
} from '../../../src/index.js';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';
import { RecordedPeer, type Version, versions } from '../../support/recorded-peer.js';
import type { Reply } from '../../support/reply-parser.js';
import { RPC_MASK } from '../../support/rpc-service.js';
import { openBus } from '../client/buses.js';

const EVERY_BYTE = Buffer.from(Array.from({ length: 256 }, (_, value) => value));
const BODIES: readonly (readonly [string, Buffer])[] = [
  ['every byte there is', EVERY_BYTE],
  ['what looks like a reply', Buffer.from('HTTP/1.1 500 No\r\nid: 1\r\ncontent-length: 0\r\n\r\n')],
  ['nothing', Buffer.alloc(0)],
  ['more than a socket takes at once', Buffer.alloc(3_000_001, EVERY_BYTE)],
];
const VALUES: readonly (readonly [string, unknown])[] = [
  ['a number', 3.5],
  ['text of many scripts', 'Grüße, 注文, заказ, 👩‍👩‍👧, e\u0301, \u0000'],
  ['nested values', { list: [[], [null, true, -1e300]], 名: { '': '"\\"' } }],
  ['null', null],
];

/** What a program of the family reads and writes. */
interface CallJson {
  readonly method: string;
  readonly params: readonly unknown[];
  readonly module: string;
}

class ShopError extends Error {
  readonly code = 'SHOP_NO_ITEM';
}

const calculator = {
  plus: (a: unknown, b: unknown) => Number(a) + Number(b),
  echo: (value: unknown) => value,
  bytes: () => EVERY_BYTE,
  coded: () => Promise.reject(new ShopError('no Tee 🍵')),
  plain: () => Promise.reject(new Error('plain')),
};

function callOf(reply: Reply): CallJson {
  return JSON.parse(reply.body.toString()) as CallJson;
}

function jsonOf(reply: Reply): unknown {
  return JSON.parse(reply.body.toString());
}

function callBody(method: string, params: readonly unknown[] = [], module = ''): string {
  return JSON.stringify({ method, params, module });
}

async function failureOf(call: Promise<unknown> | undefined): Promise<unknown> {
  try {
    await call;
  } catch (error) {
    return error;
  }
  throw new Error('it did not fail');
}

describe('services of the family and calls of the client', () => {
  let bus: Bus;
  let broker: TestBroker;

  beforeEach(async () => {
    broker = await TestBroker.start();
    bus = await openBus(broker);
    await bus.declare('calc', { topicMask: RPC_MASK });
  });
  afterEach(cleanUp);

  /** A service that has asked for a call, as the broker knows. */
  async function waitingService(
    version: Version,
  ): Promise<{ peer: RecordedPeer; call: Promise<Reply> }> {
    const peer = await RecordedPeer.connect(broker.port, version);
    const call = peer.takeCall('calc');
    await peer.client.fence();
    return { peer, call };
  }

  for (const version of versions) {
    it(`a ${version} service reads method, parameters and module; its result is read`, async () => {
      const { peer, call } = await waitingService(version);
      const result = bus.rpc<typeof calculator>('calc', { module: 'größe' }).plus(1, 2);
      const taken = await call;
      assert.deepEqual(callOf(taken), { method: 'plus', params: [1, 2], module: 'größe' });
      assert.equal(taken.headers.get('content-type'), 'application/json');
      peer.answer(taken, { body: '{"result":3}' });
      assert.equal(await result, 3);
    });

    for (const [what, value] of VALUES) {
      it(`${what} goes to a ${version} service and comes back the same`, async () => {
        const { peer, call } = await waitingService(version);
        const echoed = bus.rpc<typeof calculator>('calc').echo(value);
        const taken = await call;
        const [param] = callOf(taken).params;
        assert.deepEqual(param, value);
        peer.answer(taken, { body: JSON.stringify({ result: param }) });
        assert.deepEqual(await echoed, value);
      });
    }

    for (const [what, body] of BODIES) {
      it(`a body of ${what} goes to a ${version} service and comes back the same`, async () => {
        const { peer, call } = await waitingService(version);
        const request = new RpcInvoker(bus.client, 'calc').request(body);
        const taken = await call;
        assert.deepEqual(taken.body, body);
        peer.answer(taken, { body: taken.body, contentType: 'application/octet-stream' });
        const answer = await request;
        assert.equal(answer.status, 200);
        assert.deepEqual(Buffer.from(answer.bytes), body);
      });
    }

    it(`bytes that a ${version} service answers are the result of the call`, async () => {
      const { peer, call } = await waitingService(version);
      const result = bus.rpc<{ bytes(): Uint8Array }>('calc').bytes();
      peer.answer(await call, { body: EVERY_BYTE, contentType: 'application/octet-stream' });
      assert.deepEqual(await result, new Uint8Array(EVERY_BYTE));
    });

    it(`an error in the JSON of a ${version} service is one for the caller`, async () => {
      const { peer, call } = await waitingService(version);
      const failing = failureOf(bus.rpc('calc').minus?.(1));
      peer.answer(await call, { body: '{"error":"no method minüs"}' });
      const error = await failing;
      assert(error instanceof RpcError);
      const { message, code, status, detail } = error;
      assert.deepEqual([message, code, status], ['no method minüs', 'ZBUS_RPC', 200]);
      assert.equal(detail, 'no method minüs');
    });

    it(`a ${version} service that goes away with a call fails it, and only it`, async () => {
      const [leaving, staying] = [await waitingService(version), await waitingService(version)];
      const remote = bus.rpc<typeof calculator>('calc');
      const first = failureOf(remote.plus(1, 2));
      const second = remote.plus(3, 4);
      await leaving.call;
      staying.peer.answer(await staying.call, { body: '{"result":7}' });
      leaving.peer.client.reset();
      assert((await first) instanceof ServiceFailedError);
      assert.equal(await second, 7);
      await staying.peer.client.close();
      assert((await failureOf(remote.plus(5, 6))) instanceof NoServiceError);
    });
  }

  for (const [what, body, expected] of [
    ['a text', 'bööm', { message: 'bööm', code: 'ZBUS_RPC', detail: null }],
    [
      'JSON with a code',
      '{"error":{"code":"SHOP_NO_ITEM","message":"no Tee 🍵","item":7}}',
      {
        message: 'no Tee 🍵',
        code: 'SHOP_NO_ITEM',
        detail: { code: 'SHOP_NO_ITEM', message: 'no Tee 🍵', item: 7 },
      },
    ],
    ['nothing', '', { message: 'The service answered 418', code: 'ZBUS_RPC', detail: null }],
  ] as const) {
    it(`an error status of a 0.8 service with ${what} is an error for the caller`, async () => {
      const { peer, call } = await waitingService('0.8');
      const failing = failureOf(bus.rpc('calc').minus?.(1));
      peer.fail(await call, 418, body);
      const error = await failing;
      assert(error instanceof RpcError);
      const { message, code, status, detail } = error;
      assert.deepEqual({ message, code, detail }, expected);
      assert.equal(status, 418);
    });
  }

  it('services of both versions may answer in any order what one connection asked', async () => {
    const [older, newer] = [await waitingService('0.8'), await waitingService('0.11')];
    const remote = bus.rpc<typeof calculator>('calc');
    const [first, second] = [remote.echo('first'), remote.echo('second')];
    const [olderCall, newerCall] = [await older.call, await newer.call];
    const echoOf = (call: Reply): { body: string } => {
      return { body: JSON.stringify({ result: callOf(call).params[0] }) };
    };
    newer.peer.answer(newerCall, echoOf(newerCall));
    older.peer.answer(olderCall, echoOf(olderCall));
    assert.deepEqual(await Promise.all([first, second]), ['first', 'second']);
  });
});

describe('calls of the family and services of the client', () => {
  let bus: Bus;
  let broker: TestBroker;

  beforeEach(async () => {
    broker = await TestBroker.start();
    bus = await openBus(broker);
  });
  afterEach(cleanUp);

  for (const version of versions) {
    it(`a ${version} program calls a method of the client's service`, async () => {
      await bus.serve('calc', calculator, { module: 'größe' });
      const peer = await RecordedPeer.connect(broker.port, version);
      const reply = await peer.call('calc', callBody('plus', [1, 2], 'größe'));
      assert.equal(reply.status, 200);
      assert.equal(reply.body.toString(), '{"result":3}');
      assert.equal(reply.headers.get('content-type'), 'application/json');
    });

    it(`a ${version} call without parameters and module is one of the service for ''`, async () => {
      await bus.serve('calc', { answer: () => 42 });
      const peer = await RecordedPeer.connect(broker.port, version);
      assert.deepEqual(jsonOf(await peer.call('calc', '{"method":"answer"}')), { result: 42 });
    });

    for (const [what, value] of VALUES) {
      it(`${what} of a ${version} caller arrives and comes back the same`, async () => {
        const got: unknown[] = [];
        await bus.serve('calc', { echo: (given: unknown) => (got.push(given), given) });
        const peer = await RecordedPeer.connect(broker.port, version);
        const reply = await peer.call('calc', callBody('echo', [value]));
        assert.deepEqual(got, [value]);
        assert.deepEqual(jsonOf(reply), { result: value });
      });
    }

    for (const [what, body] of BODIES) {
      it(`a body of ${what} of a ${version} program goes through a raw handler`, async () => {
        await bus.serve('raw', ({ bytes }: RpcRequest) => bytes);
        const peer = await RecordedPeer.connect(broker.port, version);
        const reply = await peer.call('raw', body);
        assert.equal(reply.status, 200);
        assert.deepEqual(reply.body, body);
      });
    }

    it(`bytes that a method returns reach a ${version} program as they are`, async () => {
      await bus.serve('calc', calculator);
      const peer = await RecordedPeer.connect(broker.port, version);
      const reply = await peer.call('calc', callBody('bytes'));
      assert.deepEqual(reply.body, EVERY_BYTE);
      assert.equal(reply.headers.get('content-type'), 'application/octet-stream');
    });

    for (const [what, body, status, error] of [
      [
        'an error with a code',
        callBody('coded'),
        500,
        { code: 'SHOP_NO_ITEM', message: 'no Tee 🍵' },
      ],
      ['an error without one', callBody('plain'), 500, { code: 'ZBUS_RPC', message: 'plain' }],
      [
        'a method that is not there',
        callBody('minüs'),
        404,
        { code: 'ZBUS_RPC_NO_METHOD', message: 'no method minüs' },
      ],
      [
        'a module that is not there',
        callBody('plus', [], 'other'),
        404,
        { code: 'ZBUS_RPC_NO_METHOD', message: 'no module other' },
      ],
      [
        'a body that is no call',
        'plus 1 2',
        400,
        {
          code: 'ZBUS_RPC_BAD_CALL',
          message: 'Bad call: the body must be {"method": "…", "params": […], "module": "…"}',
        },
      ],
    ] as const) {
      it(`a ${version} program is told of ${what}, and of no more`, async () => {
        await bus.serve('calc', calculator);
        const peer = await RecordedPeer.connect(broker.port, version);
        const reply = await peer.call('calc', body);
        assert.equal(reply.status, status);
        assert.deepEqual(jsonOf(reply), { error });
      });
    }

    it(`a status and headers of a raw handler reach a ${version} program`, async () => {
      const reply = new RpcReply({ status: 418, headers: { 'x-pot': 'größer' }, body: 'teapot' });
      await bus.serve('raw', () => reply);
      const peer = await RecordedPeer.connect(broker.port, version);
      const { status, headers, body } = await peer.call('raw', 'tea?');
      assert.deepEqual([status, body.toString()], [418, 'teapot']);
      assert.equal(Buffer.from(headers.get('x-pot') ?? '', 'latin1').toString(), 'größer');
    });

    it(`a ${version} program is told at once that no service is there`, async () => {
      const processor = await bus.serve('calc', calculator);
      await processor.close();
      const peer = await RecordedPeer.connect(broker.port, version);
      const reply = await peer.call('calc', callBody('plus', [1, 2]));
      assert.equal(reply.status, 503);
      assert.equal(reply.headers.get('error_code'), 'ZBUS_NO_SERVICE');
    });
  }
});

/** A call by path, in the way of each version; both are understood whoever calls. */
const URL_OF: Readonly<Record<Version, (module: string, ...parts: readonly string[]) => string>> = {
  '0.8': (module, ...parts) => `/rpc/calc/${escaped(parts)}?module=${encodeURIComponent(module)}`,
  '0.11': (module, ...parts) => `/calc/${escaped([module, ...parts])}`,
};

function escaped(parts: readonly string[]): string {
  return parts.map((part) => encodeURIComponent(part)).join('/');
}

describe('calls by URL and services of the client', () => {
  let bus: Bus;
  let peer: RecordedPeer;

  beforeEach(async () => {
    const broker = await TestBroker.start();
    bus = await openBus(broker);
    await bus.serve('calc', calculator, { module: 'math' });
    peer = await RecordedPeer.connect(broker.port, '0.8');
  });
  afterEach(cleanUp);

  for (const version of versions) {
    it(`a ${version} URL calls a method`, async () => {
      const reply = await peer.callUrl(URL_OF[version]('math', 'plus', '1', '2'));
      assert.equal(reply.status, 200);
      assert.equal(reply.body.toString(), '{"result":3}');
      assert.equal(reply.headers.get('content-type'), 'application/json');
    });

    it(`text of many scripts goes through a ${version} URL`, async () => {
      for (const text of ['größer', '注文 👩‍👩‍👧', 'a/b?c&d=e#f%20+', '..', '\u0000']) {
        const reply = await peer.callUrl(URL_OF[version]('math', 'echo', text));
        assert.deepEqual(jsonOf(reply), { result: text });
      }
    });

    it(`bytes and errors answer a ${version} URL as any call`, async () => {
      const bytes = await peer.callUrl(URL_OF[version]('math', 'bytes'));
      assert.deepEqual(bytes.body, EVERY_BYTE);
      const coded = await peer.callUrl(URL_OF[version]('math', 'coded'));
      assert.equal(coded.status, 500);
      assert.deepEqual(jsonOf(coded), { error: { code: 'SHOP_NO_ITEM', message: 'no Tee 🍵' } });
      const missing = await peer.callUrl(URL_OF[version]('math', 'minus', '1'));
      assert.equal(missing.status, 404);
      const elsewhere = await peer.callUrl(URL_OF[version]('other', 'plus', '1', '2'));
      assert.equal(elsewhere.status, 404);
    });

    it(`${version} URLs that are asked behind each other are answered in their order`, async () => {
      const texts = Array.from({ length: 100 }, (_, n) => `text ${n}`);
      const replies = texts.map((text) => peer.callUrl(URL_OF[version]('math', 'echo', text)));
      const answers = (await Promise.all(replies)).map(jsonOf);
      assert.deepEqual(
        answers,
        texts.map((result) => ({ result })),
      );
    });
  }
});
