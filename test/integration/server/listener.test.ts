/** The port, and many connections on it. */
import assert from 'node:assert/strict';
import { ListenError } from '../../../src/server/listener.js';
import { connectionsThatFit } from '../../../src/server/open-files.js';
import { Peer, request, startServer, stopAll, until } from './harness.js';

describe('the listener', () => {
  afterEach(stopAll);

  it('says that the port is in use', async () => {
    const { port } = await startServer();
    await assert.rejects(startServer({ port }), (error: unknown) => {
      assert(error instanceof ListenError);
      assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${port}: the port is in use`, 'u'));
      return true;
    });
  });

  it('answers 503 to connections over the limit, says so once, and recovers', async () => {
    const { port, listener, log } = await startServer({ limits: { connectionsMax: 3 } });
    const peers: Peer[] = [];
    for (let i = 0; i < 3; i++) {
      const peer = await Peer.connect(port);
      peer.write(request('/echo', {}, 'in'));
      assert.equal((await peer.reply()).body, 'in');
      peers.push(peer);
    }
    for (let i = 0; i < 2; i++) {
      const refused = await Peer.connect(port);
      refused.write(request('/echo', {}, 'no'));
      const reply = await refused.reply();
      assert.equal(reply.status, 503);
      assert.equal(reply.headers.get('connection'), 'close');
      assert.equal(await refused.untilEnd(), '');
      refused.socket.end();
    }
    assert.equal(log.filter(({ level }) => level === 'warn').length, 1);
    await until(() => listener.connectionCount === 3);
    peers[0]?.socket.end();
    await until(() => listener.connectionCount === 2);
    const next = await Peer.connect(port);
    next.write(request('/echo', {}, 'in again'));
    assert.equal((await next.reply()).body, 'in again');
  });

  it('drops a crowd over the limit instead of keeping it all', async () => {
    const { port, listener, log } = await startServer({ limits: { connectionsMax: 1 } });
    const crowd = await Promise.all(Array.from({ length: 200 }, () => Peer.connect(port)));
    await until(() => crowd.filter(({ ended, closed }) => ended || closed).length === 199);
    assert(listener.connectionCount <= 1 + 64);
    assert.equal(log.filter(({ level }) => level === 'warn').length, 1);
  });

  it('keeps a share of the open files for the queue', () => {
    assert.equal(connectionsThatFit(10_000, Infinity, 64), 10_000);
    assert.equal(connectionsThatFit(10_000, 20_000, 64), 10_000);
    assert.equal(connectionsThatFit(10_000, 1024, 64), 960);
    assert.equal(connectionsThatFit(10_000, 64, 512), 32);
    assert.equal(connectionsThatFit(10, 1024, 64), 10);
  });

  it('serves 2,000 connections while one of them does not read', async () => {
    const { port, listener } = await startServer();
    const slow = await Peer.connect(port);
    slow.socket.pause();
    slow.write(request('/big/16000000', { id: 's' }).repeat(4));
    const others: Peer[] = [];
    while (others.length < 1999) {
      const batch = Array.from({ length: 100 }, () => Peer.connect(port));
      others.push(...(await Promise.all(batch.slice(0, 1999 - others.length))));
    }
    await until(() => listener.connectionCount >= 2000);
    for (let round = 0; round < 3; round++) {
      for (const [i, peer] of others.entries()) peer.write(request('/echo', {}, `${round}/${i}`));
      for (const [i, peer] of others.entries()) {
        assert.equal((await peer.reply()).body, `${round}/${i}`);
      }
    }
    slow.socket.resume();
    const replies = await slow.replies(4);
    assert.equal(
      replies.reduce((sum, { body }) => sum + body.length, 0),
      64_000_000,
    );
  }).timeout(60_000);
});
