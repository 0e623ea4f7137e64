/** What calls carry, and what services are: the first half of rpc-cases.ts. */
import { RpcError } from '../../src/client/rpc/rpc-error.js';
import { RpcInvoker } from '../../src/client/rpc/rpc-invoker.js';
import { RpcProcessor } from '../../src/client/rpc/rpc-processor.js';
import { RpcReply, type RpcRequest } from '../../src/client/rpc/rpc-request.js';
import { failureOf, plus, type RpcCase, same, serving } from './rpc-expect.js';

interface Echo {
  echo(value: unknown): unknown;
}

class Counter {
  count = 0;
  readonly words = ['not', 'a', 'method'];
  _private(): string {
    return 'secret';
  }
  get computed(): () => string {
    throw new Error('a getter was run');
  }
  add(step: number): number {
    this.count += step;
    return this.count;
  }
}

class LoudCounter extends Counter {
  shout(): string {
    return `${this.add(1)}!`;
  }
}

class NotFoundInShop extends Error {
  readonly code = 'SHOP_NO_ITEM';
}

const failing = {
  coded: () => Promise.reject(new NotFoundInShop('no tea')),
  plain: () => {
    throw new Error('plain');
  },
  text: () => Promise.reject(textError()),
  chosen: () => {
    throw new RpcError('gone', { code: 'GONE', status: 410 });
  },
  numbered: () => Promise.reject(Object.assign(new Error('n'), { code: 7, status: 404 })),
  bigint: () => 1n,
  circle: () => {
    const circle: { self?: unknown } = {};
    circle.self = circle;
    return circle;
  },
  method: () => () => 1,
  floats: () => new Float64Array(2),
  nothing: (): unknown => undefined,
  unreadable: () => Promise.reject(unreadable()),
};

/** Thrown by programs that do not throw errors. */
function textError(): Error {
  return 'only text' as unknown as Error;
}

function unreadable(): Error {
  const error = new Error('x');
  return Object.defineProperty(error, 'message', {
    get: () => {
      throw new Error('never');
    },
  });
}

export const valueCases: readonly RpcCase[] = [
  {
    name: 'values come back as they went: nested, empty, of any script, large',
    run: async (open) => {
      const { calling } = await serving(open, 'echo', { echo: (value: unknown) => value });
      const remote = calling.rpc<Echo>('echo');
      const values: unknown[] = [
        null,
        true,
        0,
        -1.5e300,
        '',
        'Zürich, Αθήνα, 東京, 🚀, \u0000\u2028"\\',
        [],
        {},
        { a: [1, { b: [null, [[]], { c: 'd' }] }], ключ: 'значение', '': 0, then: 1 },
        Array.from({ length: 2000 }, (_, n) => ({ n, text: 'é'.repeat(n % 50) })),
        'x'.repeat(1_000_000),
      ];
      for (const value of values) same(await remote.echo(value), value);
      same(await Promise.all(values.map((value) => remote.echo(value))), values);
    },
  },
  {
    name: 'bytes arrive as bytes, and undefined as null',
    run: async (open) => {
      const bytes = Uint8Array.from({ length: 256 }, (_, n) => n);
      const { calling } = await serving(open, 'bytes', {
        view: (length: number) => bytes.subarray(3, 3 + length),
        buffer: () => bytes.buffer,
        large: (length: number) => new Uint8Array(length).fill(7),
        nothing: () => undefined,
      });
      const remote = calling.rpc('bytes');
      for (const length of [0, 1, 200]) {
        const view = await remote.view?.(length);
        same(isPlainBytes(view), true);
        same([...(view as Uint8Array)], [...bytes.subarray(3, 3 + length)]);
      }
      same([...((await remote.buffer?.()) as Uint8Array)], [...bytes]);
      const large = (await remote.large?.(3_000_000)) as Uint8Array;
      same([large.length, large.every((byte) => byte === 7)], [3_000_000, true]);
      same(await remote.nothing?.(), null);
      const refusal = await failureOf(remote.view?.(bytes));
      same(
        [refusal.code, refusal.message.includes('RpcInvoker.request')],
        ['ZBUS_BAD_REQUEST', true],
      );
    },
  },
  {
    name: 'an error of the service arrives with code, status and message, and without its stack',
    run: async (open) => {
      const { calling } = await serving(open, 'failing', failing);
      const remote = calling.rpc<typeof failing>('failing');
      const found: Record<string, unknown> = {};
      for (const [name, method] of Object.entries(failing)) {
        if (method === failing.nothing) continue;
        const error = await failureOf(remote[name as keyof typeof failing]());
        same(error instanceof RpcError, true);
        same(JSON.stringify(error.detail).includes('rpc-cases'), false);
        found[name] = [error.code, error.status, error.message];
      }
      const unsent = (name: string, why: string): unknown[] => {
        return ['ZBUS_RPC_BAD_RESULT', 500, `The result of ${name} cannot be sent: ${why}`];
      };
      same(
        [found.coded, found.plain],
        [
          ['SHOP_NO_ITEM', 500, 'no tea'],
          ['ZBUS_RPC', 500, 'plain'],
        ],
      );
      same(
        [found.text, found.chosen],
        [
          ['ZBUS_RPC', 500, 'only text'],
          ['GONE', 410, 'gone'],
        ],
      );
      same(found.numbered, ['ZBUS_RPC', 500, 'n']);
      same(found.unreadable, ['ZBUS_RPC', 500, 'The error of the service cannot be sent']);
      same(
        [found.method, found.floats],
        [unsent('method', 'a function'), unsent('floats', 'a object')],
      );
      for (const name of ['bigint', 'circle']) {
        same((found[name] as unknown[])[0], 'ZBUS_RPC_BAD_RESULT');
      }
      same(await remote.nothing(), null);
    },
  },
  {
    name: 'a class instance serves its methods and inherited ones, and nothing else',
    run: async (open) => {
      const service = new LoudCounter();
      const { calling } = await serving(open, 'counter', service);
      const remote = calling.rpc<LoudCounter>('counter');
      same([await remote.add(2), await remote.shout(), service.count], [2, '3!', 3]);
      const invoker = new RpcInvoker(calling.client, 'counter');
      for (const name of [
        'constructor',
        'toString',
        'hasOwnProperty',
        '__proto__',
        '__defineGetter__',
        '_private',
        'count',
        'words',
        'computed',
        'none',
        '',
      ]) {
        const error = await failureOf(invoker.call(name));
        same([error.code, error.status, error.message], noMethod(name));
      }
    },
  },
  {
    name: 'the module of a call picks the service',
    run: async (open) => {
      const bus = await open();
      const processor = new RpcProcessor(bus.client, 'modules');
      processor.add('', { who: () => 'default' }).add('math', { who: () => 'math', plus });
      await processor.start();
      const calling = await open();
      interface Who {
        who(): string;
      }
      same(await calling.rpc<Who>('modules').who(), 'default');
      same(await calling.rpc<Who>('modules', { module: 'math' }).who(), 'math');
      const error = await failureOf(calling.rpc<Who>('modules', { module: 'none' }).who());
      same(
        [error.code, error.status, error.message],
        ['ZBUS_RPC_NO_METHOD', 404, 'no module none'],
      );
      processor.add('none', (request) => ({ result: `raw ${request.method}` }));
      same(await calling.rpc<Who>('modules', { module: 'none' }).who(), 'raw who');
    },
  },
  {
    name: 'a raw handler sees the call as it came, and chooses status, headers and body',
    run: async (open) => {
      const { calling } = await serving(open, 'raw', answerRaw);
      const invoker = new RpcInvoker(calling.client, 'raw');
      const headers = { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' };
      const call = await invoker.call('name', [1, 'two'], { module: 'm', headers });
      same(call, { method: 'name', params: [1, 'two'], module: 'm', ...headers });
      const text = await invoker.request('plain text', { headers });
      same([text.status, text.contentType], [201, 'text/plain; charset=utf-8']);
      same([text.text(), text.headers['x-own']], ['PLAIN TEXT', 'größer']);
      const bytes = await invoker.request(Uint8Array.of(1, 2, 3));
      same([bytes.status, [...bytes.bytes]], [418, [3, 2, 1]]);
      const error = await failureOf(invoker.call('teapot'));
      same([error.status, error.message, error.code], [418, 'a teapot', 'ZBUS_RPC']);
      const strange = await failureOf(invoker.call('text'));
      same([strange.status, strange.code], [200, 'ZBUS_RPC_BAD_ANSWER']);
    },
  },
  {
    name: 'parameters are checked by their schema, which may change them, before the method runs',
    run: async (open) => {
      let ran = 0;
      const plusCounted = (a: number, b: number): number => {
        ran++;
        return a + b;
      };
      const bus = await open();
      const schemas = { plus: twoNumbers };
      await bus.serve('checked', { plus: plusCounted, free: () => 'free' }, { schemas });
      const remote = (await open()).rpc('checked');
      same(await remote.plus?.('1', 2), 3);
      same(await remote.free?.('anything'), 'free');
      const error = await failureOf(remote.plus?.(1, 'x'));
      same([error.code, error.status, ran], ['ZBUS_RPC_BAD_PARAMS', 400, 1]);
      same(error.issues, [{ message: 'not a number', path: [1] }]);
      same(error.message, 'Bad parameters of plus: params[1]: not a number');
    },
  },
];

/** A Standard Schema written by hand: two numbers, or texts of numbers. */
const twoNumbers = {
  '~standard': {
    version: 1,
    vendor: 'rpc-cases',
    validate: async (value: unknown) => {
      await Promise.resolve();
      const numbers = (value as readonly unknown[]).map(Number);
      const place = numbers.findIndex((number) => Number.isNaN(number));
      if (place >= 0) return { issues: [{ message: 'not a number', path: [place] }] };
      return { value: numbers as [number, number] };
    },
  },
} as const;

function answerRaw(request: RpcRequest): unknown {
  if (!request.isCall) {
    if (request.contentType === 'application/octet-stream') {
      return new RpcReply({ status: 418, body: Uint8Array.from(request.bytes).reverse() });
    }
    const headers = { 'x-own': 'größer' };
    return new RpcReply({ status: 201, headers, body: request.text().toUpperCase() });
  }
  const { method, params, module, headers } = request;
  if (method === 'teapot') return new RpcReply({ status: 418, body: 'a teapot' });
  if (method === 'text') return 'no JSON';
  return { result: { method, params, module, traceparent: headers.traceparent } };
}

function noMethod(name: string): readonly unknown[] {
  return ['ZBUS_RPC_NO_METHOD', 404, `no method ${name}`];
}

function isPlainBytes(value: unknown): boolean {
  return Object.getPrototypeOf(value) === Uint8Array.prototype;
}
