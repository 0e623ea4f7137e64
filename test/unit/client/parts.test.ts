/** The small parts of the client, each by its promise. */
import assert from 'node:assert/strict';
import { parseAddress } from '../../../src/client/address.js';
import { Backoff } from '../../../src/client/backoff.js';
import { Emitter } from '../../../src/client/emitter.js';
import { errorOf, ReplyError } from '../../../src/client/errors.js';
import { IdSource } from '../../../src/client/id-source.js';
import type { GroupInfo, ServerInfo, TopicInfo } from '../../../src/client/info.js';
import { Inbox } from '../../../src/client/inbox.js';
import type * as broker from '../../../src/broker/info.js';
import { BadRequestError, NotFoundError, ZbusError } from '../../../src/errors.js';
import { checkId } from '../../../src/protocol/names.js';
import { offsetList, parseOffsets } from '../../../src/protocol/offsets.js';
import { watch } from '../../support/wait.js';

describe('address', () => {
  const taken: readonly [address: string, parts: ReturnType<typeof parseAddress>][] = [
    ['localhost', { scheme: null, host: 'localhost', port: 15555, path: '/' }],
    ['127.0.0.1:1', { scheme: null, host: '127.0.0.1', port: 1, path: '/' }],
    ['[::1]', { scheme: null, host: '[::1]', port: 15555, path: '/' }],
    ['[::1]:80', { scheme: null, host: '[::1]', port: 80, path: '/' }],
    ['http://broker:80', { scheme: 'http', host: 'broker', port: 80, path: '/' }],
    ['https://broker:443/', { scheme: 'https', host: 'broker', port: 443, path: '/' }],
    ['WSS://broker/zbus:1', { scheme: 'wss', host: 'broker', port: 15555, path: '/zbus:1' }],
  ];
  for (const [address, parts] of taken) {
    it(`takes ${address}`, () => {
      assert.deepEqual(parseAddress(address), parts);
    });
  }

  for (const address of ['', ':1', '///h', 'ftp://h', 'h:99999', 'h:x', 'a:b@h', 'h?x', 'h x']) {
    it(`refuses "${address}" with what is right`, () => {
      assert.throws(() => parseAddress(address), BadRequestError);
    });
  }
});

describe('backoff', () => {
  it('doubles between its bounds, by chance in the upper half', () => {
    let chance = 0;
    const backoff = new Backoff({ minMs: 100, maxMs: 1000, random: () => chance });
    assert.deepEqual(
      [1, 2, 3, 4, 5, 6].map(() => backoff.nextMs()),
      [50, 100, 200, 400, 500, 500],
    );
    chance = 1;
    assert.equal(backoff.nextMs(), 1000);
    backoff.reset();
    assert.equal(backoff.nextMs(), 100);
  });
});

describe('ids', () => {
  it('are allowed, and differ within and between sources', () => {
    const ids = [new IdSource(), new IdSource()].flatMap((source) =>
      Array.from({ length: 100 }, () => checkId(source.next())),
    );
    assert.equal(new Set(ids).size, 200);
  });
});

describe('emitter', () => {
  it('keeps a listener that throws from harming the others', async () => {
    const emitter = new Emitter<{ tick: number }>();
    const heard: number[] = [];
    emitter.on('tick', () => {
      throw new Error('of the listener');
    });
    emitter.on('tick', (n) => heard.push(n));
    const before = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    const uncaught = new Promise<Error>((resolve) => process.once('uncaughtException', resolve));
    try {
      emitter.emit('tick', 7);
      assert.equal((await uncaught).message, 'of the listener');
    } finally {
      for (const listener of before) process.on('uncaughtException', listener);
    }
    assert.deepEqual(heard, [7]);
  });
});

describe('offset list', () => {
  it('is what the broker reads', () => {
    assert.equal(offsetList([7, 5, 10, 12, 11, 5]), '5,7,10-12');
    assert.deepEqual(parseOffsets('offsets', offsetList([3, 1, 2])), [{ first: 1, last: 3 }]);
  });
});

describe('error replies', () => {
  const reply = (status: number, text: string): Parameters<typeof errorOf>[0] => ({
    method: '',
    url: '',
    status,
    httpMinor: 1,
    headers: new Map(),
    body: Buffer.from(text),
  });

  it('become errors with the status and the broker’s words', () => {
    const missing = errorOf(reply(404, 'Topic(x) not found'));
    assert(missing instanceof NotFoundError);
    assert.equal(missing.message, 'Topic(x) not found');
    for (const status of [400, 403, 404, 408, 409, 413, 418, 429, 431, 500, 502, 503, 504, 507]) {
      const error = errorOf(reply(status, ''));
      assert(error instanceof ZbusError);
      assert.equal(error.status, status);
      assert.match(error.message, new RegExp(`${status}`));
    }
    assert(errorOf(reply(418, '')) instanceof ReplyError);
  });
});

describe('inbox', () => {
  const item = (n: number): { n: number } => ({ n });

  it('serves those who wait in their order, and keeps what nobody waits for', async () => {
    const inbox = new Inbox<{ n: number }>();
    const waiting = [inbox.next(), inbox.next()];
    for (let n = 0; n < 3000; n++) inbox.push(item(n));
    for (const [n, next] of waiting.entries()) assert.equal((await next).value?.n, n);
    for (let n = 2; n < 3000; n++) assert.equal((await inbox.next()).value?.n, n);
    assert.equal(inbox.length, 0);
  });

  it('ends behind what is there, with the failure once', async () => {
    const inbox = new Inbox<{ n: number }>();
    inbox.push(item(1));
    inbox.end({ error: new Error('why') });
    assert.equal((await inbox.next()).value?.n, 1);
    await assert.rejects(inbox.next(), /why/);
    assert.equal((await inbox.next()).done, true);
  });

  it('is idle once what was handed out is settled, or the next is asked for', async () => {
    const inbox = new Inbox<{ n: number }>();
    const [one, two] = [item(1), item(2)];
    inbox.push(one);
    inbox.push(two);
    await inbox.next();
    const settled = inbox.idle();
    const early = watch(settled);
    await Promise.resolve();
    assert(!early.fulfilled);
    inbox.settle(one);
    await settled;
    await inbox.next();
    assert.equal(inbox.inHandCount, 1);
    void inbox.next();
    await inbox.idle();
  });
});

describe('the JSON of the broker', () => {
  it('has the types that the client promises', () => {
    const check = (
      group: broker.GroupInfo & Partial<broker.AckInfo & broker.UnsettledInfo>,
      topic: broker.TopicInfo,
      server: broker.ServerInfo,
    ): [GroupInfo, TopicInfo, ServerInfo] => [group, topic, server];
    assert.equal(typeof check, 'function');
  });
});
