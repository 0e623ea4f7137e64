/** What an application sends is what an application gets, over every transport. */
import assert from 'node:assert/strict';
import type { Bus } from '../../../src/client/bus.js';
import type { Body } from '../../../src/client/body.js';
import { BadRequestError, FramingError, LimitError, NotFoundError } from '../../../src/errors.js';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';
import { openBus, take, texts, transports } from './buses.js';

for (const transport of transports) {
  describe(`messages over ${transport}`, () => {
    let broker: TestBroker;
    let bus: Bus;

    beforeEach(async () => {
      broker = await TestBroker.start();
      bus = await openBus(broker, transport);
      await bus.declare('T');
    });
    afterEach(cleanUp);

    async function roundTrip(body: Body): Promise<ReturnType<typeof take>> {
      await bus.produce('T', body);
      return take(bus.consume('T'), 1);
    }

    it('text arrives as text of any script', async () => {
      const [message] = await roundTrip('grüße, 世界 🚌');
      assert.equal(message?.text(), 'grüße, 世界 🚌');
      assert.equal(message.contentType, 'text/plain; charset=utf-8');
    });

    it('what is like a value of JSON but holds nothing is sent', async () => {
      await bus.declare('T');
      for (const body of [{}, [], Object.create(null) as object, new Date(0)]) {
        await bus.produce('T', body);
      }
      const messages = await take(bus.consume('T'), 4);
      assert.deepEqual(texts(messages), ['{}', '[]', '{}', '"1970-01-01T00:00:00.000Z"']);
    });

    it('bytes of any view arrive', async () => {
      await bus.declare('T');
      const bytes = Uint8Array.of(0, 1, 2, 3, 4, 5);
      await bus.produce('T', new Uint16Array(bytes.buffer, 2, 2));
      await bus.produce('T', new DataView(bytes.buffer, 1, 3));
      const messages = await take(bus.consume('T'), 2);
      assert.deepEqual(
        messages.map((message) => [...message.bytes]),
        [
          [2, 3, 4, 5],
          [1, 2, 3],
        ],
      );
    });

    it('a value arrives as JSON', async () => {
      const value = { name: 'Zoë', nested: [1, null, { yes: true }] };
      const [message] = await roundTrip(value);
      assert.deepEqual(message?.json(), value);
      assert.equal(message.contentType, 'application/json');
    });

    it('bytes arrive as they are, a mebibyte of them too', async () => {
      const bytes = new Uint8Array(1024 * 1024).map((_, i) => (i * 31) % 256);
      const [message] = await roundTrip(bytes);
      assert.deepEqual(Buffer.from(message?.bytes ?? []), Buffer.from(bytes));
      assert.equal(message?.contentType, 'application/octet-stream');
    });

    it('an ArrayBuffer is bytes, and no body is an empty one', async () => {
      await bus.produce('T', new Uint8Array([1, 2, 3]).buffer);
      await bus.produce('T');
      const [bytes, none] = await take(bus.consume('T'), 2);
      assert.deepEqual([...(bytes?.bytes ?? [])], [1, 2, 3]);
      assert.equal(none?.bytes.length, 0);
      assert.equal(none.contentType, '');
    });

    it('tag, headers, traceparent and id arrive, headers in lower case', async () => {
      const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
      const produced = await bus.produce('T', 'x', {
        tag: '50%.größe',
        id: 'order-7',
        headers: { 'X-Shop': 'Köln', traceparent, 'x-count': 3 },
      });
      const [message] = await take(bus.consume('T'), 1);
      assert.equal(message?.tag, '50%.größe');
      assert.equal(message.id, 'order-7');
      assert.equal(produced.id, 'order-7');
      const { 'content-type': contentType, ...own } = message.headers;
      assert.deepEqual(own, { 'x-shop': 'Köln', traceparent, 'x-count': '3' });
      assert.equal(contentType, 'text/plain; charset=utf-8');
      assert.throws(() => Object.assign(message.headers, { more: '1' }), TypeError);
    });

    it('an own content type wins', async () => {
      await bus.produce('T', '<a/>', { headers: { 'Content-Type': 'text/xml' } });
      const [message] = await take(bus.consume('T'), 1);
      assert.equal(message?.contentType, 'text/xml');
    });

    it('a message knows where and when it was stored, and may be sent on as it is', async () => {
      const first = await bus.produce('T', 'one', { headers: { a: 'b' } });
      const consumer = bus.consume('T');
      const [message] = await take(consumer, 1);
      assert.equal(message?.topic, 'T');
      assert.equal(message.offset, first.offset);
      assert.equal(message.retry, 0);
      assert(Math.abs(message.timestampMs - Date.now()) < 60_000);
      assert.equal(message.header('Consume_Group'), 'T');
      await bus.produce('T', message.bytes, { headers: message.headers });
      const [copy] = await take(consumer, 1);
      assert.deepEqual(copy?.headers, message.headers);
    });

    it('the result of produce says what was reached, where, and in how many attempts', async () => {
      const disk = await bus.produce('T', 'x');
      const page = await bus.produce('T', 'x', { ackLevel: 'page' });
      assert.deepEqual([disk.ackLevel, disk.offset, disk.attempts], ['disk', 0, 1]);
      assert.deepEqual([page.ackLevel, page.offset, page.attempts], ['page', 1, 1]);
      assert.notEqual(disk.id, page.id);
      assert(Math.abs(page.timestampMs - Date.now()) < 60_000);
    });

    it('a thousand produces in flight keep their order', async () => {
      const produced = await Promise.all(
        Array.from({ length: 1000 }, (_, n) => bus.produce('T', n, { ackLevel: 'page' })),
      );
      assert.deepEqual(
        produced.map(({ offset }) => offset),
        produced.map((_, n) => n),
      );
      const messages = await take(bus.consume<number>('T', { prefetch: 100 }), 1000);
      assert.deepEqual(
        messages.map((message) => message.json()),
        produced.map((_, n) => n),
      );
    });

    it('topics and groups are declared, shown, emptied, read and removed', async () => {
      const group = await bus.declare('T', { group: 'g', filter: 'a.*', start: { offset: 0 } });
      assert.equal(group.filter, 'a.*');
      await bus.produce('T', 'kept');
      assert.equal((await bus.query('T')).messageDepth, 1);
      assert.equal((await bus.query('T', { group: 'g' })).messageCount, 1);
      assert(Object.hasOwn((await bus.query()).topicTable, 'T'));
      assert.equal((await bus.client.read('T', 0)).text(), 'kept');
      await bus.empty('T', { group: 'g' });
      assert.equal((await bus.query('T', { group: 'g' })).messageCount, 0);
      await bus.empty('T');
      assert.equal((await bus.query('T')).messageDepth, 0);
      await bus.remove('T', { group: 'g' });
      await assert.rejects(bus.query('T', { group: 'g' }), NotFoundError);
      await bus.remove('T');
      await assert.rejects(bus.query('T'), NotFoundError);
      await bus.client.ping();
    });

    it('retention and level are declared', async () => {
      const { retention } = await bus.declare('R', {
        ackLevel: 'page',
        retention: { bytes: 1024 * 1024, ageMs: null, consumed: true },
      });
      assert.deepEqual(retention, { bytes: 1024 * 1024, ageMs: null, consumed: true });
      assert.equal((await bus.produce('R', 'x')).ackLevel, 'page');
    });

    it('an error reply is an error of its class, with code and status', async () => {
      const missing = await bus.produce('nowhere', 'x').catch((error: unknown) => error);
      assert(missing instanceof NotFoundError);
      assert.deepEqual([missing.code, missing.status], ['ZBUS_NOT_FOUND', 404]);
      assert.match(missing.message, /Topic\(nowhere\) not found/);
      await assert.rejects(bus.client.read('T', 5), NotFoundError);
      await assert.rejects(bus.declare('T', { group: 'g', filter: '#.a' }), BadRequestError);
    });

    it('what cannot be sent is refused before anything is', async () => {
      const refused: [ReturnType<Bus['produce']>, RegExp][] = [
        [bus.produce('T', 'x', { headers: { a: 'one\r\ntoken: stolen' } }), /control characters/],
        [bus.produce('T', 'x', { headers: { a: 'nul\0' } }), /control characters/],
        [bus.produce('T', 'x', { headers: { a: ' padded' } }), /blanks/],
        [bus.produce('T', 'x', { headers: { 'a b': 'x' } }), /must be a token/],
        [bus.produce('T', 'x', { headers: { Topic: 'other' } }), /option of the call/],
        [bus.produce('T', 'x', { headers: { 'Content-Length': 5 } }), /option of the call/],
        [bus.produce('T', 'x', { headers: { a: '1', A: '2' } }), /given twice/],
        [bus.produce('T', 'x', { tag: 'a\nb' }), /control characters/],
        [bus.produce('T', 'x', { id: 'with space' }), /Bad id/],
        [bus.produce('a b', 'x'), /Bad topic/],
        [bus.produce('T', () => 'a function'), /JSON/],
        [bus.produce('T', new Blob(['text'])), /arrayBuffer/],
        [bus.produce('T', new Map([[1, 2]])), /would arrive as \{\}/],
        [bus.produce('T', new Error('text')), /would arrive as \{\}/],
      ];
      for (const [attempt, rule] of refused) {
        await assert.rejects(attempt, (error: Error) => {
          return error instanceof BadRequestError && rule.test(error.message);
        });
      }
      await assert.rejects(bus.produce('T', Buffer.alloc(17 * 1024 * 1024)), LimitError);
      assert.equal((await bus.query('T')).messageDepth, 0);
    });

    it('an id that is under way is not used twice', async () => {
      const first = bus.produce('T', 'x', { id: 'same' });
      await assert.rejects(bus.produce('T', 'y', { id: 'same' }), BadRequestError);
      await first;
      assert.equal((await bus.query('T')).messageDepth, 1);
    });
  });
}

describe('what the broker cannot read', () => {
  afterEach(cleanUp);

  it('fails the calls of its connection instead of being sent again for ever', async () => {
    const broker = await TestBroker.start({ bodyBytesMax: 1000 });
    const bus = await openBus(broker, 'TCP', { reconnect: { minMs: 1 } });
    await bus.declare('T');
    await assert.rejects(bus.produce('T', Buffer.alloc(2000)), (error: Error) => {
      return error instanceof FramingError && error.status === 413;
    });
    assert.equal((await bus.produce('T', 'small')).offset, 0);
  });
});
