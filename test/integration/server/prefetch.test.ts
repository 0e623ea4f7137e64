/** An exchange that is answered by several messages: each a part under one id, until the last. */
import assert from 'node:assert/strict';
import type { Exchange } from '../../../src/broker/exchange.js';
import { Peer, RecordedDelivery, request, startServer, stopAll, until } from './harness.js';

const RECORD = Buffer.from('content-length: 4\r\n\r\nbody');

function part(exchange: Exchange, offset: number, more: boolean): RecordedDelivery {
  const delivery = new RecordedDelivery();
  exchange.deliver(`offset: ${offset}\r\n`, RECORD, 0, RECORD.length, delivery, more);
  return delivery;
}

/** A connected peer whose request waits. */
async function waiting(options = {}, count = 1) {
  const server = await startServer(options);
  const peer = await Peer.connect(server.port);
  peer.write(Array.from({ length: count }, (_, n) => request('/wait', { id: `w${n}` })).join(''));
  await until(() => server.broker.waiting.length === count);
  const [exchange] = server.broker.waiting;
  assert(exchange);
  return { ...server, peer, exchange };
}

describe('a reply in parts', () => {
  afterEach(stopAll);

  it('is whole messages with the id of the request, in order, of any size', async () => {
    const { peer, exchange } = await waiting();
    const big = Buffer.from(`content-length: 100000\r\n\r\n${'b'.repeat(100_000)}`);
    part(exchange, 0, true);
    exchange.deliver('offset: 1\r\n', big, 0, big.length, null, true);
    part(exchange, 2, false);
    const replies = await peer.replies(3);
    assert.deepEqual(
      replies.map(({ status, headers, body }) => [
        status,
        headers.get('id'),
        headers.get('connection'),
        headers.get('offset'),
        body.length,
      ]),
      [
        [200, 'w0', 'Keep-Alive', '0', 4],
        [200, 'w0', 'Keep-Alive', '1', 100_000],
        [200, 'w0', 'Keep-Alive', '2', 4],
      ],
    );
  });

  it('goes on until the last part, and takes none behind it', async () => {
    const { peer, exchange } = await waiting();
    const first = part(exchange, 0, true);
    assert.equal(exchange.alive, true);
    const last = part(exchange, 1, false);
    assert.equal(exchange.alive, false);
    const behind = part(exchange, 2, true);
    assert.deepEqual([behind.deliveredCount, behind.undeliveredCount], [0, 1]);
    await peer.replies(2);
    for (const delivery of [first, last]) {
      assert.deepEqual([delivery.deliveredCount, delivery.undeliveredCount], [1, 0]);
    }
    peer.write(request('/echo', { id: 'e' }, 'nothing between'));
    assert.equal((await peer.reply()).body, 'nothing between');
  });

  it('may end with another answer, such as 204', async () => {
    const { peer, exchange } = await waiting();
    part(exchange, 0, true);
    exchange.answer(204, '', '');
    const [, end] = await peer.replies(2);
    assert.deepEqual([end?.status, end?.headers.get('id')], [204, 'w0']);
  });

  it('may end in silence, and frees its place among those that wait', async () => {
    const { broker, peer, exchange } = await waiting({ limits: { waitingMax: 1 } });
    part(exchange, 0, true);
    await peer.reply();
    peer.write(request('/wait', { id: 'too many' }));
    assert.equal((await peer.reply()).status, 429);
    exchange.silence();
    peer.write(request('/wait', { id: 'one more' }));
    await until(() => broker.waiting.length === 2);
  });

  it('is over when the peer shuts down its side: parts come back undelivered', async () => {
    const { peer, exchange } = await waiting();
    part(exchange, 0, true);
    await peer.reply();
    peer.socket.end();
    await peer.untilEnd();
    assert.equal(exchange.alive, false);
    const late = part(exchange, 1, true);
    assert.deepEqual([late.deliveredCount, late.undeliveredCount], [0, 1]);
  });

  it('is over when the peer breaks: each part is delivered or not, once', async () => {
    const { peer, exchange } = await waiting();
    peer.socket.pause();
    const big = Buffer.alloc(256 * 1024, 'b');
    const record = Buffer.concat([Buffer.from(`content-length: ${big.length}\r\n\r\n`), big]);
    const deliveries = Array.from({ length: 100 }, () => new RecordedDelivery());
    for (const delivery of deliveries) {
      exchange.deliver('', record, 0, record.length, delivery, true);
    }
    await until(() => deliveries.some(({ deliveredCount }) => deliveredCount === 1));
    assert.equal(exchange.congested, true);
    peer.socket.resetAndDestroy();
    await until(() => deliveries.every(({ settled }) => settled === 1));
    const taken = deliveries.filter(({ deliveredCount }) => deliveredCount === 1).length;
    assert(taken < deliveries.length, 'the kernel took 25 MB');
    assert(deliveries.slice(0, taken).every(({ deliveredCount }) => deliveredCount === 1));
  });

  it('shares its connection with other replies', async () => {
    const { broker, peer, exchange } = await waiting({}, 2);
    const [, other] = broker.waiting;
    assert(other);
    part(exchange, 0, true);
    part(other, 1, true);
    peer.write(request('/echo', { id: 'e' }, 'between'));
    const [first, second, third] = await peer.replies(3);
    part(exchange, 2, false);
    part(other, 3, false);
    const ids = [first, second, third, ...(await peer.replies(2))].map((reply) =>
      reply?.headers.get('id'),
    );
    assert.deepEqual(ids, ['w0', 'w1', 'e', 'w0', 'w1']);
  });

  it('keeps its connection open while more may come, however long nothing is sent', async () => {
    const { clock, peer, exchange } = await waiting({ timeouts: { idleMs: 1000 } });
    part(exchange, 0, true);
    await peer.reply();
    for (let n = 0; n < 10; n++) clock.advance(1000);
    part(exchange, 1, false);
    assert.equal((await peer.reply()).headers.get('offset'), '1');
  });

  it('to a request that closes its connection closes it behind the last part', async () => {
    const server = await startServer();
    const peer = await Peer.connect(server.port);
    peer.write(request('/wait', { id: 'w', connection: 'close' }));
    await until(() => server.broker.waiting.length === 1);
    const [exchange] = server.broker.waiting;
    assert(exchange);
    part(exchange, 0, true);
    assert.equal((await peer.reply()).headers.get('connection'), 'Keep-Alive');
    assert.equal(peer.ended, false);
    part(exchange, 1, false);
    assert.equal((await peer.reply()).headers.get('connection'), 'close');
    await peer.untilEnd();
  });
});
