/**
 * How connections end: what was read is answered, what was not handed over is given back, nothing
 * is left.
 */
import assert from 'node:assert/strict';
import type { Exchange } from '../../../src/broker/exchange.js';
import { Peer, RecordedDelivery, request, startServer, stopAll, until } from './harness.js';

const MIB = 1024 * 1024;

function record(bytes: number): Buffer {
  return Buffer.from(`content-length: ${bytes}\r\n\r\n${'r'.repeat(bytes)}`);
}

describe('a peer that shuts down its side', () => {
  afterEach(stopAll);

  it('right behind its request still gets the answer', async () => {
    const { port, listener } = await startServer();
    const peer = await Peer.connect(port);
    peer.socket.end(request('/echo', {}, 'bye'));
    assert.equal((await peer.reply()).body, 'bye');
    assert.equal(await peer.untilEnd(), '');
    await until(() => listener.connectionCount === 0);
  });

  it('still gets answers that take time, named and in order', async () => {
    const { port, broker, listener } = await startServer();
    const peer = await Peer.connect(port);
    peer.socket.end(request('/hold', { id: 'n' }) + request('/hold') + request('/echo', {}, 'e'));
    await until(() => broker.held[0]?.session.ended === true);
    broker.held[1]?.answer(200, '', 'ordered');
    broker.held[0]?.answer(200, '', 'named');
    const bodies = (await peer.replies(3)).map((reply) => reply.body);
    assert.deepEqual(bodies, ['ordered', 'e', 'named']);
    await until(() => listener.connectionCount === 0);
  });

  it('has its waiting exchanges dropped, and those behind them answered', async () => {
    const { port, broker, listener } = await startServer();
    const peer = await Peer.connect(port);
    peer.write(request('/wait', { id: 'w' }) + request('/wait') + request('/echo', {}, 'behind'));
    await until(() => broker.handled === 3);
    const [named, ordered] = broker.waiting as [Exchange, Exchange];
    let ends = 0;
    named.session.onEnd(() => ends++);
    peer.socket.end();
    await until(() => ends === 1);
    assert.deepEqual([named.alive, ordered.alive], [false, false]);
    const delivery = new RecordedDelivery();
    named.deliver('', record(3), 0, record(3).length, delivery);
    assert.equal(delivery.undeliveredCount, 1);
    assert.equal((await peer.reply()).body, 'behind');
    assert.equal(await peer.untilEnd(), '');
    await until(() => listener.connectionCount === 0);
    assert.equal(ends, 1);
  });

  it('while it is not read is still seen once reading goes on', async () => {
    const { port, broker, listener } = await startServer();
    const peer = await Peer.connect(port);
    peer.write(request('/hold', { id: 'h' }));
    await until(() => broker.held.length === 1);
    const [exchange] = broker.held;
    assert(exchange);
    exchange.session.pauseReading();
    peer.socket.end(request('/echo', {}, 'late'));
    exchange.answer(200, '', 'held');
    assert.equal((await peer.reply()).body, 'held');
    exchange.session.resumeReading();
    assert.equal((await peer.reply()).body, 'late');
    await until(() => listener.connectionCount === 0);
  });
});

describe('a delivery', () => {
  afterEach(stopAll);

  it('to a peer that reads is delivered within the turn that sends it', async () => {
    const { port, broker, turn } = await startServer();
    const peer = await Peer.connect(port);
    peer.write(request('/wait', { id: 'w' }));
    await until(() => broker.waiting.length === 1);
    const delivery = new RecordedDelivery();
    broker.waiting[0]?.deliver('offset: 0\r\n', record(10), 0, record(10).length, delivery);
    assert.equal(delivery.settled, 0);
    turn.end();
    assert.equal(delivery.deliveredCount, 1);
    assert.equal((await peer.reply()).headers.get('offset'), '0');
    assert.equal(delivery.settled, 1);
  });

  for (const how of ['reset', 'destroyed by the server'] as const) {
    it(`whose bytes were not taken when the connection is ${how} comes back once`, async () => {
      const { port, broker, listener, clock } = await startServer();
      const peer = await Peer.connect(port);
      peer.socket.pause();
      peer.write(Array.from({ length: 40 }, (_, i) => request('/wait', { id: `${i}` })).join(''));
      peer.write(request('/hold') + request('/wait'));
      await until(() => broker.waiting.length === 41);
      const bytes = record(MIB);
      const deliveries = broker.waiting.map(() => new RecordedDelivery());
      // The last is held behind one that stays open, and never reaches the outbox.
      for (const [i, exchange] of broker.waiting.entries()) {
        exchange.deliver('', bytes, 0, bytes.length, deliveries[i] ?? null);
      }
      await until(() => deliveries.some(({ deliveredCount }) => deliveredCount === 1));
      let endedFirst = false;
      broker.waiting[0]?.session.onEnd(() => {
        endedFirst = deliveries.every(({ undeliveredCount }) => undeliveredCount === 0);
      });
      if (how === 'reset') peer.socket.resetAndDestroy();
      else void listener.close(0);
      clock.advance(1);
      await until(() => listener.connectionCount === 0);
      const handedOver = deliveries.filter(({ deliveredCount }) => deliveredCount === 1).length;
      const cameBack = deliveries.filter(({ undeliveredCount }) => undeliveredCount === 1).length;
      assert(deliveries.every(({ settled }) => settled <= 1));
      assert.equal(handedOver + cameBack, 41);
      assert(cameBack >= 20 && deliveries[39]?.undeliveredCount === 1);
      assert.equal(deliveries[40]?.undeliveredCount, 1);
      assert(endedFirst, 'the session ended before messages came back');
    });
  }

  it('to a peer that is known to be gone comes back at once', async () => {
    const { port, broker } = await startServer();
    const peer = await Peer.connect(port);
    peer.write(request('/wait', { id: 'w' }));
    await until(() => broker.waiting.length === 1);
    const [exchange] = broker.waiting;
    assert(exchange);
    peer.socket.resetAndDestroy();
    await until(() => !exchange.alive);
    const delivery = new RecordedDelivery();
    exchange.deliver('', record(10), 0, record(10).length, delivery);
    assert.deepEqual([delivery.deliveredCount, delivery.undeliveredCount], [0, 1]);
  });

  it('to a peer that is gone comes back when only the write finds out', async () => {
    const { port, broker, turn, listener } = await startServer();
    const peer = await Peer.connect(port);
    peer.write(request('/wait', { id: 'w' }));
    await until(() => broker.waiting.length === 1);
    const [exchange] = broker.waiting;
    assert(exchange);
    exchange.session.pauseReading();
    // More than the stream reads ahead, so that the server sees nothing of the reset.
    peer.write(request('/echo', {}, 'x'.repeat(MIB)));
    await until(() => peer.socket.writableLength === 0);
    peer.socket.resetAndDestroy();
    await peer.untilClosed();
    assert.equal(exchange.alive, true);
    const delivery = new RecordedDelivery();
    exchange.deliver('', record(10), 0, record(10).length, delivery);
    turn.end();
    await until(() => delivery.settled > 0);
    assert.deepEqual([delivery.deliveredCount, delivery.undeliveredCount], [0, 1]);
    await until(() => listener.connectionCount === 0);
  });
});

describe('closing the listener', () => {
  afterEach(stopAll);

  it('answers what was read, drops who waits, and resolves when all are gone', async () => {
    const { port, broker, listener } = await startServer();
    const [busy, idle, waiting] = await Promise.all([
      Peer.connect(port),
      Peer.connect(port),
      Peer.connect(port),
    ]);
    for (const peer of [busy, idle, waiting]) peer.socket.on('end', () => peer.socket.end());
    busy.write(request('/hold') + request('/echo', {}, 'behind'));
    waiting.write(request('/wait'));
    await until(() => broker.handled === 3 && listener.connectionCount === 3);
    let closed = false;
    const closing = listener.close(5000).then(() => (closed = true));
    assert.equal(await idle.untilEnd(), '');
    assert.equal(await waiting.untilEnd(), '');
    await assert.rejects(Peer.connect(port), { code: 'ECONNREFUSED' });
    assert.equal(closed, false);
    busy.write(request('/echo', {}, 'too late'));
    broker.held[0]?.answer(200, '', 'first');
    const [first, behind] = await busy.replies(2);
    assert.deepEqual([first?.body, behind?.body], ['first', 'behind']);
    assert.equal(await busy.untilEnd(), '');
    await closing;
    assert.equal(broker.handled, 3);
  });

  it('ends connections that are not read because a queue is behind', async () => {
    const { port, broker, listener } = await startServer();
    const peer = await Peer.connect(port);
    peer.write(request('/hold', { id: 'h' }));
    await until(() => broker.held.length === 1);
    broker.held[0]?.session.pauseReading();
    peer.write(request('/echo', {}, 'x'.repeat(MIB)));
    await until(() => peer.socket.writableLength === 0);
    const closing = listener.close(5000);
    broker.held[0]?.answer(200, '', 'held');
    assert.equal((await peer.reply()).body, 'held');
    assert.equal(await peer.untilEnd(), '');
    peer.socket.end();
    await closing;
  });

  it('destroys what is left after the grace', async () => {
    const { port, broker, listener, clock } = await startServer();
    const peer = await Peer.connect(port);
    peer.write(request('/hold'));
    await until(() => broker.held.length === 1);
    const closing = listener.close(5000);
    clock.advance(4999);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(listener.connectionCount, 1);
    clock.advance(1);
    await closing;
    assert.equal(listener.connectionCount, 0);
    assert.equal(broker.held[0]?.alive, false);
  });

  it('says in the last answer that the connection ends', async () => {
    const { port, broker, listener } = await startServer();
    const peer = await Peer.connect(port);
    peer.write(request('/hold') + request('/hold'));
    await until(() => broker.held.length === 2);
    const closing = listener.close(5000);
    broker.held[0]?.answer(200, '', '');
    broker.held[1]?.answer(200, '', '');
    const replies = await peer.replies(2);
    const connection = replies.map((reply) => reply.headers.get('connection'));
    assert.deepEqual(connection, ['Keep-Alive', 'close']);
    peer.socket.end();
    await closing;
  });

  it('resolves again when it was closed before', async () => {
    const { listener } = await startServer();
    await listener.close(0);
    await listener.close(0);
  });
});
