/**
 * Neither side can make the other hold more than the limits: reading stops, deliveries stop, both
 * go on again.
 */
import assert from 'node:assert/strict';
import { Peer, RecordedDelivery, request, startServer, stopAll, until } from './harness.js';

const KIB = 1024;
const MIB = KIB * KIB;
/** What the kernel may hold between two sockets on loopback, with room to spare. */
const KERNEL_BYTES = 16 * MIB;
/** What Node reads ahead of a pause: one chunk to us, one into the stream's buffer. */
const READ_AHEAD_BYTES = 2 * 64 * KIB;

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** Waits until `value` stays the same over many turns of the loop. */
async function settled(value: () => number): Promise<number> {
  for (;;) {
    const before = value();
    await turns(200);
    if (value() === before) return before;
  }
}

describe('a peer that does not read', () => {
  afterEach(stopAll);

  it('stops being read, so its requests cannot pile up answers', async () => {
    const unsentBytesMax = MIB;
    const { port, broker } = await startServer({ limits: { unsentBytesMax } });
    const [mute, other] = await Promise.all([Peer.connect(port), Peer.connect(port)]);
    mute.socket.pause();
    const ping = request('/big/8000', { id: 'm' });
    const perRead = READ_AHEAD_BYTES / ping.length;
    for (let i = 0; i < 40; i++) mute.write(ping.repeat(1000));
    const handled = await settled(() => broker.handled);
    const answeredMax = unsentBytesMax + KERNEL_BYTES + perRead * 8200;
    assert(handled * 8000 <= answeredMax, `answered ${handled * 8000} bytes`);
    other.write(request('/echo', {}, 'unaffected'));
    assert.equal((await other.reply()).body, 'unaffected');
    mute.keeps = false;
    mute.socket.resume();
    await until(() => mute.receivedBytes >= 40_000 * 8000);
    assert.equal(broker.handled, 40_001);
  }).timeout(30_000);

  it('is congested above the cap, and told writable once it has read', async () => {
    const unsentBytesMax = MIB;
    const { port, broker } = await startServer({ limits: { unsentBytesMax } });
    const peer = await Peer.connect(port);
    peer.socket.pause();
    peer.write(Array.from({ length: 400 }, (_, i) => request('/wait', { id: `w${i}` })).join(''));
    await until(() => broker.waiting.length === 400);
    const record = Buffer.from(`content-length: ${128 * KIB}\r\n\r\n${'r'.repeat(128 * KIB)}`);
    let delivered = 0;
    let rounds = 0;
    const deliver = (): void => {
      for (let next = broker.waiting.shift(); next; next = broker.waiting.shift()) {
        if (next.congested) {
          broker.waiting.unshift(next);
          next.session.onWritable(() => {
            rounds++;
            deliver();
          });
          return;
        }
        next.deliver('', record, 0, record.length, null);
        delivered += record.length;
      }
    };
    deliver();
    assert(delivered > unsentBytesMax && delivered <= unsentBytesMax + 2 * record.length);
    await settled(() => delivered);
    assert(delivered <= unsentBytesMax + KERNEL_BYTES, `delivered ${delivered} to a mute peer`);
    peer.socket.resume();
    const replies = await peer.replies(400);
    assert.equal(replies.length, 400);
    assert(rounds > 0);
  }).timeout(30_000);

  it('gets its messages in one piece however slowly it reads', async () => {
    const { port, broker } = await startServer();
    const peer = await Peer.connect(port);
    peer.socket.pause();
    peer.write(request('/wait', { id: 'w' }));
    await until(() => broker.waiting.length === 1);
    const body = Buffer.alloc(12 * MIB);
    for (let i = 0; i < body.length; i += 4) body.writeUInt32BE(i, i);
    const record = Buffer.concat([
      Buffer.from(`skipped|tag: t\r\ncontent-length: ${body.length}\r\n\r\n`),
      body,
    ]);
    const delivery = new RecordedDelivery();
    const start = 'skipped|'.length;
    broker.waiting[0]?.deliver('offset: 5\r\n', record, start, record.length, delivery);
    await turns(50);
    assert.equal(delivery.settled, 0, 'not taken by the kernel yet');
    peer.socket.resume();
    const reply = await peer.reply();
    assert.deepEqual(
      [...reply.headers.keys()],
      ['id', 'connection', 'offset', 'tag', 'content-length'],
    );
    assert(Buffer.from(reply.body, 'latin1').equals(body));
    assert.deepEqual([delivery.deliveredCount, delivery.undeliveredCount], [1, 0]);
  }).timeout(30_000);
});

describe('a peer that asks faster than it is answered', () => {
  afterEach(stopAll);

  it('is read up to the limit of requests in flight, and on when answers go out', async () => {
    const { port, broker } = await startServer({ limits: { inFlightMax: 100 } });
    const peer = await Peer.connect(port);
    const hold = request('/hold', { id: 'h', pad: 'p'.repeat(4000) });
    const count = 1000;
    peer.write(hold.repeat(count));
    const read = await settled(() => broker.handled);
    assert(read > 100 && read <= 100 + READ_AHEAD_BYTES / hold.length + 1, `read ${read}`);
    while (broker.handled < count || broker.held.length > 0) {
      for (const exchange of broker.held.splice(0)) exchange.answer(200, '', '');
      await turns(1);
    }
    assert.equal((await peer.replies(count)).length, count);
  });

  it('is read up to the limit of body bytes in flight', async () => {
    const { port, broker } = await startServer({ limits: { inFlightBytesMax: 256 * KIB } });
    const peer = await Peer.connect(port);
    const body = 'x'.repeat(10 * KIB);
    peer.write(request('/hold', { id: 'h' }, body).repeat(200));
    const read = await settled(() => broker.handled);
    const readMax = (256 * KIB + READ_AHEAD_BYTES) / body.length + 1;
    assert(read * body.length > 256 * KIB && read <= readMax, `read ${read} bodies`);
    while (broker.handled < 200 || broker.held.length > 0) {
      for (const exchange of broker.held.splice(0)) exchange.answer(200, '', '');
      await turns(1);
    }
    assert.equal((await peer.replies(200)).length, 200);
  });

  it('is not held up by consumes that wait', async () => {
    const { port, broker } = await startServer({ limits: { inFlightMax: 10 } });
    const peer = await Peer.connect(port);
    peer.write(request('/wait', { id: 'w' }).repeat(500));
    await until(() => broker.waiting.length === 500);
    peer.write(request('/echo', { id: 'e' }, 'still read'));
    assert.equal((await peer.reply()).body, 'still read');
  });

  it('may not have more exchanges waiting than the limit', async () => {
    const { port, broker } = await startServer({ limits: { waitingMax: 3 } });
    const peer = await Peer.connect(port);
    peer.write(request('/wait', { id: 'w' }).repeat(4));
    assert.equal((await peer.reply()).status, 429);
    broker.waiting[0]?.answer(200, '', '');
    await peer.reply();
    peer.write(request('/wait', { id: 'w' }));
    await until(() => broker.waiting.length === 4);
  });

  it('cannot pile up plain requests behind one that waits', async () => {
    const { port, broker } = await startServer({ limits: { inFlightMax: 100 } });
    const peer = await Peer.connect(port);
    const echo = request('/echo', { pad: 'p'.repeat(4000) });
    peer.write(request('/wait') + echo.repeat(1000));
    const read = await settled(() => broker.handled);
    assert(read <= 100 + READ_AHEAD_BYTES / echo.length + 2, `read ${read}`);
    broker.waiting[0]?.answer(200, '', 'first');
    const [first] = await peer.replies(1001);
    assert.equal(first?.body, 'first');
  });

  it('is not read while its queue is behind', async () => {
    const { port, broker } = await startServer();
    const peer = await Peer.connect(port);
    peer.write(request('/hold', { id: 'h' }));
    await until(() => broker.held.length === 1);
    const [exchange] = broker.held;
    assert(exchange);
    exchange.session.pauseReading();
    exchange.session.pauseReading();
    exchange.answer(200, '', 'read before');
    assert.equal((await peer.reply()).body, 'read before');
    const big = request('/echo', {}, 'x'.repeat(MIB));
    for (let i = 0; i < 20; i++) peer.write(big);
    await settled(() => peer.socket.writableLength);
    exchange.session.resumeReading();
    await turns(50);
    assert.equal(broker.handled, 1);
    assert(peer.socket.writableLength > 0, 'the peer is held up');
    exchange.session.resumeReading();
    assert.equal((await peer.replies(20)).length, 20);
  });
});
