/**
 * Programs of the family and the client of this package on one broker: what the one produces the
 * other consumes, byte for byte, and each is told the same of what goes wrong.
 */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { ForbiddenError, Mask, NotFoundError } from '../../../src/index.js';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';
import { utf8 } from '../../support/client.js';
import { RecordedPeer, versions } from '../../support/recorded-peer.js';
import { openBus, take } from '../client/buses.js';

const EVERY_BYTE = Buffer.from(Array.from({ length: 256 }, (_, value) => value));
const BODIES: readonly (readonly [string, Buffer])[] = [
  ['plain text', Buffer.from('first order')],
  ['text of many scripts', Buffer.from('Grüße, 注文, заказ, 👩‍👩‍👧, e\u0301')],
  ['every byte there is', EVERY_BYTE],
  ['what looks like a reply', Buffer.from('HTTP/1.1 200 OK\r\nid: 1\r\ncontent-length: 0\r\n\r\n')],
  ['nothing', Buffer.alloc(0)],
  ['more than a socket takes at once', Buffer.alloc(3_000_001, EVERY_BYTE)],
];

describe('programs of the family and the client, messages', () => {
  let broker: TestBroker;

  beforeEach(async () => {
    broker = await TestBroker.start({ ackLevel: 'page' });
  });
  afterEach(cleanUp);

  for (const version of versions) {
    for (const [what, body] of BODIES) {
      it(`a ${version} producer's ${what} reaches the client unchanged`, async () => {
        const bus = await openBus(broker);
        await bus.declare('orders');
        const producer = await RecordedPeer.connect(broker.port, version);
        await producer.produce('orders', body, 'eu.paid');
        const [message] = await take(bus.consume('orders'), 1);
        assert.deepEqual(Buffer.from(message?.bytes ?? []), body);
        assert.equal(message?.tag, 'eu.paid');
      });

      it(`the client's ${what} reaches a ${version} consumer unchanged`, async () => {
        const bus = await openBus(broker);
        await bus.declare('orders');
        const consumer = await RecordedPeer.connect(broker.port, version);
        const waiting = consumer.consume('orders');
        const { id } = await bus.produce('orders', body, { tag: 'eu.paid' });
        const reply = await waiting;
        assert.equal(reply.status, 200);
        assert.deepEqual(reply.body, body);
        assert.equal(reply.headers.get('tag'), 'eu.paid');
        assert.equal(reply.headers.get('origin_id'), id);
      });
    }

    it(`names and tags of other scripts mean the same to a ${version} program`, async () => {
      const bus = await openBus(broker);
      await bus.declare('注文', { group: 'Käufer', filter: 'größe.*' });
      const peer = await RecordedPeer.connect(broker.port, version);
      const waiting = peer.consume(utf8('注文'), utf8('Käufer'));
      await bus.produce('注文', 'other', { tag: 'farbe.rot' });
      await bus.produce('注文', 'ours', { tag: 'größe.xl' });
      const reply = await waiting;
      assert.equal(reply.body.toString(), 'ours');
      assert.equal(reply.headers.get('tag'), utf8('größe.xl'));
      await peer.produce(utf8('注文'), 'theirs', utf8('größe.s'));
      const [message] = await take(bus.consume('注文', { group: 'Käufer' }), 1);
      assert.equal(message?.text(), 'theirs');
      assert.equal(message.tag, 'größe.s');
    });

    it(`a ${version} program and the client read the same of an unknown topic`, async () => {
      const bus = await openBus(broker);
      const peer = await RecordedPeer.connect(broker.port, version);
      const reply = await peer.ask('produce', { topic: 'nope', tag: null }, 'x');
      assert.equal(reply.status, 404);
      await assert.rejects(bus.produce('nope', 'x'), (error: Error) => {
        assert(error instanceof NotFoundError);
        assert.equal(error.message, reply.body.toString().trim());
        return true;
      });
    });

    it(`client or ${version}: an exclusive group is closed to the second`, async () => {
      const bus = await openBus(broker);
      await bus.declare('orders', { group: 'one', mask: Mask.exclusive });
      await bus.produce('orders', 'a');
      const consumer = bus.consume('orders', { group: 'one' });
      await take(consumer, 1);
      const peer = await RecordedPeer.connect(broker.port, version);
      assert.equal((await peer.consume('orders', 'one')).status, 403);
      await consumer.close();
      void peer.consume('orders', 'one').catch(() => undefined);
      await peer.client.fence();
      await assert.rejects(bus.consume('orders', { group: 'one' }).next(), ForbiddenError);
    });

    it(`a ${version} consumer that waits is told when the client removes the topic`, async () => {
      const bus = await openBus(broker);
      await bus.declare('orders');
      const peer = await RecordedPeer.connect(broker.port, version);
      const waiting = peer.consume('orders');
      await peer.client.fence();
      await bus.remove('orders');
      assert.equal((await waiting).status, 404);
    });
  }

  it("a 0.8 producer's own headers and content type reach the client", async () => {
    const bus = await openBus(broker);
    await bus.declare('orders');
    const producer = await RecordedPeer.connect(broker.port, '0.8');
    await producer.ask('produceOwnHeader', { topic: 'orders', 'x-mine': utf8('größer') }, 'x');
    await producer.produce('orders', 'y');
    const [own, typed] = await take(bus.consume('orders'), 2);
    assert.deepEqual(own?.headers, { 'x-mine': 'größer' });
    assert.deepEqual(typed?.headers, { 'content-type': 'text/plain' });
  });

  it("the client's JSON and headers reach a 0.8 consumer as any producer's", async () => {
    const bus = await openBus(broker);
    await bus.declare('orders');
    const consumer = await RecordedPeer.connect(broker.port, '0.8');
    const value = { item: 'Tee 🍵', count: 2, list: [null, true, 1.5] };
    await bus.produce('orders', value, { headers: { 'x-shop': 'süß', traceparent: '00-1-2-03' } });
    const { headers, body } = await consumer.consume('orders');
    assert.deepEqual(JSON.parse(body.toString()), value);
    assert.equal(headers.get('content-type'), 'application/json');
    assert.equal(headers.get('x-shop'), utf8('süß'));
    assert.equal(headers.get('traceparent'), '00-1-2-03');
  });
});
