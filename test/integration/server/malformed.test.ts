/** Every malformed request gets its status and a close, and takes nothing else down with it. */
import assert from 'node:assert/strict';
import { malformed } from '../../unit/protocol/malformed.js';
import { Peer, request, startServer, stopAll, until } from './harness.js';

describe('a malformed request over a socket', () => {
  afterEach(stopAll);

  for (const { name, bytes, status } of malformed) {
    it(`${name}: is answered ${status} and a close, alone and behind a good request`, async () => {
      const { port, broker } = await startServer();
      for (const before of ['', request('/echo', {}, 'good')]) {
        const handled = broker.handled;
        const peer = await Peer.connect(port);
        peer.write(before);
        peer.socket.write(bytes);
        if (before !== '') assert.equal((await peer.reply()).body, 'good');
        const reply = await peer.reply();
        assert.equal(reply.status, status);
        assert.equal(reply.headers.get('connection'), 'close');
        assert.equal(await peer.untilEnd(), '');
        assert.equal(peer.error, null);
        assert.equal(broker.handled - handled, before === '' ? 0 : 1);
      }
    });
  }

  it('is answered after what is still owed, and nothing behind it is taken', async () => {
    const { port, broker } = await startServer();
    const peer = await Peer.connect(port);
    peer.write(request('/hold') + 'BAD\r\n\r\n' + request('/echo', {}, 'behind'));
    await until(() => broker.held[0]?.session.ended === true);
    broker.held[0]?.answer(200, '', 'owed');
    const [owed, refusal] = await peer.replies(2);
    assert.equal(owed?.body, 'owed');
    assert.equal(refusal?.status, 400);
    assert.equal(await peer.untilEnd(), '');
    assert.equal(broker.handled, 1);
  });

  it('does not wait for a consume that waits', async () => {
    const { port, broker } = await startServer();
    const peer = await Peer.connect(port);
    peer.write(request('/wait') + 'BAD\r\n\r\n');
    assert.equal((await peer.reply()).status, 400);
    assert.equal(broker.waiting[0]?.alive, false);
  });

  it('does not cost the peer its answer when it goes on sending', async () => {
    const { port, listener } = await startServer();
    const peer = await Peer.connect(port);
    peer.socket.pause();
    peer.write('BAD\r\n\r\n');
    for (let i = 0; i < 100; i++) peer.write('x'.repeat(64 * 1024));
    await until(() => peer.socket.writableLength === 0);
    peer.socket.resume();
    assert.equal((await peer.reply()).status, 400);
    assert.equal(peer.error, null);
    peer.socket.end();
    await until(() => listener.connectionCount === 0);
  });
});
