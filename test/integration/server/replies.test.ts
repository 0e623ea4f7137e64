/** What a reply says and in which order replies go out, over real sockets. */
import assert from 'node:assert/strict';
import { Peer, request, startServer, stopAll, until } from './harness.js';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/u;

describe('replies', () => {
  afterEach(stopAll);

  it('have the head that clients of this family expect, byte for byte', async () => {
    const { port } = await startServer();
    const peer = await Peer.connect(port);
    peer.write(request('/echo', { id: 'q1' }, 'hello'));
    await until(() => peer.text.endsWith('hello'));
    assert.equal(
      peer.text,
      'HTTP/1.1 200 OK\r\nid: q1\r\nx-echo: 1\r\nconnection: Keep-Alive\r\n' +
        'content-length: 5\r\n\r\nhello',
    );
  });

  it('carry an id made by the server when the request had none', async () => {
    const { port } = await startServer();
    const peer = await Peer.connect(port);
    peer.write(request('/echo') + request('/echo', { id: '' }));
    const [first, second] = await peer.replies(2);
    assert.match(first?.headers.get('id') ?? '', UUID);
    assert.match(second?.headers.get('id') ?? '', UUID);
    assert.notEqual(first?.headers.get('id'), second?.headers.get('id'));
  });

  it('without a made-up id name an id only when the request did', async () => {
    const { port } = await startServer();
    const peer = await Peer.connect(port);
    peer.write(request('/plain') + request('/plain', { id: 'p7' }));
    const [without, withId] = await peer.replies(2);
    assert.equal(without?.headers.has('id'), false);
    assert.equal(withId?.headers.get('id'), 'p7');
  });

  it('to requests without an id keep the order of the requests', async () => {
    const { port, broker } = await startServer();
    const peer = await Peer.connect(port);
    const urls = ['/hold/0', '/echo', '/hold/2', '/silent', '/echo'];
    peer.write(urls.map((url, i) => request(url, {}, `body ${i}`)).join(''));
    await until(() => broker.handled === urls.length);
    broker.held[1]?.answer(200, '', 'late 2');
    broker.held[0]?.answer(200, '', 'late 0');
    const bodies = (await peer.replies(4)).map((reply) => reply.body);
    assert.deepEqual(bodies, ['late 0', 'body 1', 'late 2', 'body 4']);
  });

  it('to requests with an id overtake those that wait', async () => {
    const { port, broker } = await startServer();
    const peer = await Peer.connect(port);
    peer.write(request('/hold', { id: 'a' }) + request('/hold') + request('/echo', { id: 'b' }));
    assert.equal((await peer.reply()).headers.get('id'), 'b');
    broker.held[1]?.answer(200, '', 'plain');
    assert.equal((await peer.reply()).body, 'plain');
    broker.held[0]?.answer(200, '', 'named');
    assert.equal((await peer.reply()).headers.get('id'), 'a');
  });

  it('do not come for a silenced exchange, and the connection goes on', async () => {
    const { port } = await startServer();
    const peer = await Peer.connect(port);
    peer.write(request('/silent', { id: 's' }) + request('/silent') + request('/echo', {}, 'on'));
    assert.equal((await peer.reply()).body, 'on');
  });

  it('are sent once however often the exchange is answered', async () => {
    const { port, broker } = await startServer();
    const peer = await Peer.connect(port);
    peer.write(request('/hold', { id: 'once' }));
    await until(() => broker.held.length === 1);
    const [exchange] = broker.held;
    assert.equal(exchange?.alive, true);
    exchange.answer(200, '', 'first');
    exchange.answer(200, '', 'second');
    exchange.silence();
    assert.equal(exchange.alive, false);
    peer.write(request('/echo', {}, 'next'));
    const bodies = (await peer.replies(2)).map((reply) => reply.body);
    assert.deepEqual(bodies, ['first', 'next']);
  });

  it('to HEAD have the length of the body and no body', async () => {
    const { port } = await startServer();
    const peer = await Peer.connect(port);
    peer.write('HEAD /big/12345 HTTP/1.1\r\nhost: localhost\r\n\r\n');
    const [head] = await peer.replies(1, true);
    assert.equal(head?.headers.get('content-length'), '12345');
    peer.write(request('/echo', {}, 'behind'));
    assert.equal((await peer.reply()).body, 'behind');
  });

  it('with status 204 have neither length nor body', async () => {
    const { port } = await startServer();
    const peer = await Peer.connect(port);
    peer.write(request('/none', { id: 'n' }) + request('/echo', {}, 'behind'));
    const [none, behind] = await peer.replies(2);
    assert.equal(none?.status, 204);
    assert.equal(none.headers.has('content-length'), false);
    assert.equal(behind?.body, 'behind');
  });

  it('of every size around the copying limit arrive unchanged', async () => {
    const { port } = await startServer();
    const peer = await Peer.connect(port);
    for (const size of [0, 1, 8191, 8192, 8193, 65_535, 65_536, 65_537, 1_000_000]) {
      peer.write(request(`/big/${size}`) + request('/echo', {}, 'x'));
      const [big, small] = await peer.replies(2);
      assert.equal(big?.body, 'b'.repeat(size));
      assert.equal(small?.body, 'x');
    }
  });
});

describe('a connection', () => {
  afterEach(stopAll);

  it('in HTTP/1.0 goes on when ab asks for it', async () => {
    const { port } = await startServer();
    const peer = await Peer.connect(port);
    const ab =
      'GET /echo HTTP/1.0\r\nConnection: Keep-Alive\r\nHost: localhost:15555\r\n' +
      'User-Agent: ApacheBench/2.3\r\nAccept: */*\r\n\r\n';
    for (let i = 0; i < 3; i++) {
      peer.write(ab);
      assert.equal((await peer.reply()).headers.get('connection'), 'Keep-Alive');
    }
  });

  it('in HTTP/1.0 ends behind the reply otherwise', async () => {
    const { port } = await startServer();
    const peer = await Peer.connect(port);
    peer.write('GET /echo HTTP/1.0\r\n\r\n');
    const reply = await peer.reply();
    assert.equal(reply.headers.get('connection'), 'close');
    assert.equal(await peer.untilEnd(), '');
  });

  for (const value of ['close', 'Close', 'foo, CLOSE', 'keep-alive,close', ' close ']) {
    it(`ends behind the reply to "Connection: ${value}" and takes nothing behind it`, async () => {
      const { port, broker } = await startServer();
      const peer = await Peer.connect(port);
      peer.write(request('/echo', { connection: value }, 'last') + request('/echo', {}, 'no'));
      const reply = await peer.reply();
      assert.equal(reply.body, 'last');
      assert.equal(reply.headers.get('connection'), 'close');
      assert.equal(await peer.untilEnd(), '');
      assert.equal(broker.handled, 1);
    });
  }

  for (const value of ['upgrade', 'closed', 'keep-alive', 'TE, Keep-Alive']) {
    it(`goes on behind "Connection: ${value}" in HTTP/1.1`, async () => {
      const { port } = await startServer();
      const peer = await Peer.connect(port);
      peer.write(request('/echo', { connection: value }) + request('/echo', {}, 'on'));
      const [first, second] = await peer.replies(2);
      assert.equal(first?.headers.get('connection'), 'Keep-Alive');
      assert.equal(second?.body, 'on');
    });
  }

  it('that is to close waits for the answers of what came before', async () => {
    const { port, broker } = await startServer();
    const peer = await Peer.connect(port);
    peer.write(
      request('/hold', { id: 'h' }) + request('/hold') + request('/echo', { connection: 'close' }),
    );
    await until(() => broker.handled === 3);
    broker.held[1]?.answer(200, '', 'ordered');
    const [ordered, closing] = await peer.replies(2);
    assert.equal(ordered?.body, 'ordered');
    assert.equal(closing?.headers.get('connection'), 'close');
    assert.equal(peer.ended, false);
    broker.held[0]?.answer(200, '', 'named');
    assert.equal((await peer.reply()).body, 'named');
    assert.equal(await peer.untilEnd(), '');
  });

  it('that is to close does not wait for consumes that wait', async () => {
    const { port, broker } = await startServer();
    const peer = await Peer.connect(port);
    peer.write(request('/wait', { id: 'w' }) + request('/echo', { connection: 'close' }, 'bye'));
    assert.equal((await peer.reply()).body, 'bye');
    assert.equal(await peer.untilEnd(), '');
    assert.equal(broker.waiting[0]?.alive, false);
  });

  it('that is to close behind a consume waits for its message', async () => {
    const { port, broker } = await startServer();
    const peer = await Peer.connect(port);
    peer.write('GET /wait HTTP/1.0\r\n\r\n');
    await until(() => broker.waiting.length === 1);
    broker.waiting[0]?.answer(200, '', 'the message');
    assert.equal((await peer.reply()).body, 'the message');
    assert.equal(await peer.untilEnd(), '');
  });

  it('whose handler throws ends alone, and the log has it', async () => {
    const { port, log } = await startServer();
    const [broken, other] = await Promise.all([Peer.connect(port), Peer.connect(port)]);
    broken.write(request('/throw'));
    assert.equal(await broken.untilEnd(), '');
    other.write(request('/echo', {}, 'fine'));
    assert.equal((await other.reply()).body, 'fine');
    assert.equal(log.filter(({ level }) => level === 'error').length, 1);
  });
});
