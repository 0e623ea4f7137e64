/**
 * Each timeout with a clock that the test moves: fires when due, and not before or in the wrong
 * state.
 */
import assert from 'node:assert/strict';
import { BODY_BYTES_A_WINDOW_MIN, DEFAULT_TIMEOUTS } from '../../../src/server/limits.js';
import { ReadDeadline } from '../../../src/server/read-deadline.js';
import { SWEEP_INTERVAL_MS } from '../../../src/server/timeout-sweep.js';
import { Peer, request, startServer, stopAll, until, type TestServer } from './harness.js';

const { headerMs, bodyMs, idleMs, stalledWriteMs, lingerMs } = DEFAULT_TIMEOUTS;
const TURN_OF_SWEEP_MS = 2 * SWEEP_INTERVAL_MS;

/**
 * A peer whose last bytes `rest` were read by the server for sure: the echo before them was
 * answered.
 */
async function peerThatSent(server: TestServer, rest: string): Promise<Peer> {
  const peer = await Peer.connect(server.port);
  peer.write(request('/echo', {}, 'ready') + rest);
  await peer.reply();
  return peer;
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

describe('a timeout', () => {
  afterEach(stopAll);

  for (const [part, rest, ms] of [
    ['head', 'GET /echo HT', headerMs],
    ['body', 'POST /echo HTTP/1.1\r\ncontent-length: 10\r\n\r\n12345', bodyMs],
  ] as const) {
    it(`answers 408 when a ${part} does not end in ${ms} ms, not before`, async () => {
      const server = await startServer();
      const peer = await peerThatSent(server, rest);
      server.clock.advance(ms);
      await turns(20);
      assert.equal(peer.text, '');
      server.clock.advance(TURN_OF_SWEEP_MS);
      const reply = await peer.reply();
      assert.equal(reply.status, 408);
      assert.equal(reply.headers.get('connection'), 'close');
      assert.equal(await peer.untilEnd(), '');
    });

    it(`is not put off by a ${part} that trickles`, async () => {
      const server = await startServer();
      const peer = await peerThatSent(server, rest);
      for (let elapsed = 0; elapsed <= ms + TURN_OF_SWEEP_MS && !peer.ended; elapsed += 1000) {
        if (elapsed < ms && elapsed % 10_000 === 0) peer.write('x');
        await turns(3);
        server.clock.advance(1000);
      }
      assert.equal((await peer.reply()).status, 408);
    });
  }

  it('does not fire early when it is no multiple of the sweep', async () => {
    const server = await startServer({ timeouts: { headerMs: 1500 } });
    server.clock.advance(SWEEP_INTERVAL_MS - 1);
    const peer = await peerThatSent(server, 'GET /echo HT');
    server.clock.advance(1400);
    await turns(20);
    assert.equal(peer.text, '');
    server.clock.advance(TURN_OF_SWEEP_MS);
    assert.equal((await peer.reply()).status, 408);
  });

  it('of a head starts anew with each request', async () => {
    const server = await startServer();
    const peer = await peerThatSent(server, 'POST /echo HTTP/1.1\r\n');
    for (let i = 0; i < 4; i++) {
      server.clock.advance(headerMs - TURN_OF_SWEEP_MS);
      peer.write('content-length: 2\r\n\r\nokPOST /echo HTTP/1.1\r\n');
      assert.equal((await peer.reply()).body, 'ok');
    }
  });

  it('ends a connection that has been idle, without an answer', async () => {
    const server = await startServer();
    const [silent, used] = await Promise.all([Peer.connect(server.port), peerThatSent(server, '')]);
    await until(() => server.listener.connectionCount === 2);
    server.clock.advance(idleMs);
    await turns(20);
    assert.deepEqual([silent.ended, used.ended], [false, false]);
    server.clock.advance(TURN_OF_SWEEP_MS);
    assert.equal(await silent.untilEnd(), '');
    assert.equal(await used.untilEnd(), '');
  });

  it('does not take one that waits or is owed an answer for idle', async () => {
    const server = await startServer();
    const waiting = await peerThatSent(server, request('/wait', { id: 'w' }));
    const owed = await peerThatSent(server, request('/hold', { id: 'h' }));
    server.clock.advance(10 * idleMs);
    server.broker.waiting[0]?.answer(200, '', 'at last');
    server.broker.held[0]?.answer(200, '', 'at last');
    assert.equal((await waiting.reply()).body, 'at last');
    assert.equal((await owed.reply()).body, 'at last');
    server.clock.advance(idleMs);
    await turns(20);
    assert.deepEqual([waiting.ended, owed.ended], [false, false]);
    server.clock.advance(TURN_OF_SWEEP_MS);
    await Promise.all([waiting.untilEnd(), owed.untilEnd()]);
  });

  it('destroys a connection whose peer takes nothing', async () => {
    const server = await startServer();
    const peer = await Peer.connect(server.port);
    peer.socket.pause();
    peer.write(request('/big/50000000', { id: 'b' }));
    await until(() => server.broker.handled === 1);
    await turns(20);
    server.clock.advance(stalledWriteMs);
    await turns(20);
    assert.equal(server.listener.connectionCount, 1);
    server.clock.advance(TURN_OF_SWEEP_MS);
    await until(() => server.listener.connectionCount === 0);
  });

  it('destroys what is left of a connection that the peer does not close', async () => {
    const server = await startServer();
    const peer = await Peer.connect(server.port);
    peer.write(request('/echo', { connection: 'close' }, 'last'));
    assert.equal((await peer.reply()).body, 'last');
    await peer.untilEnd();
    peer.write('more that nobody reads');
    assert.equal(server.listener.connectionCount, 1);
    server.clock.advance(lingerMs + TURN_OF_SWEEP_MS);
    await until(() => server.listener.connectionCount === 0);
  });
});

describe('ReadDeadline', () => {
  const check = (deadline: ReadDeadline, nowMs: number): string | null =>
    deadline.check(nowMs, DEFAULT_TIMEOUTS);

  it('lets a slow body pass while each window brings enough', () => {
    const deadline = new ReadDeadline();
    deadline.onRead('body', true, 100, 0);
    for (let i = 1; i <= 100; i++) {
      deadline.onRead('body', false, BODY_BYTES_A_WINDOW_MIN, i * (bodyMs + 1) - 1);
      assert.equal(check(deadline, i * (bodyMs + 1)), null);
    }
  });

  it('stops a body that came fast and then trickles', () => {
    const deadline = new ReadDeadline();
    deadline.onRead('body', true, 100, 0);
    deadline.onRead('body', false, 100 * BODY_BYTES_A_WINDOW_MIN, 1);
    assert.equal(check(deadline, bodyMs + 1), null);
    deadline.onRead('body', false, BODY_BYTES_A_WINDOW_MIN - 1, bodyMs + 2);
    assert.equal(check(deadline, 2 * (bodyMs + 1)), 'bodyTimeoutMs');
  });

  it('does not count the time in which the server itself read nothing', () => {
    const deadline = new ReadDeadline();
    deadline.onRead('head', true, 1, 0);
    deadline.restart(headerMs * 5);
    assert.equal(check(deadline, headerMs * 6), null);
    assert.equal(check(deadline, headerMs * 6 + 1), 'headerTimeoutMs');
  });
});
