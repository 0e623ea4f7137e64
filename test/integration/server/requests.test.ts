/** How requests are read: cut anywhere, pipelined, chunked, announced, malformed, over a limit. */
import assert from 'node:assert/strict';
import { Peer, request, startServer, stopAll, until } from './harness.js';

describe('requests', () => {
  afterEach(stopAll);

  it('split at each byte are read as if whole', async () => {
    const { port, broker } = await startServer();
    const bytes =
      request('/echo', { id: 'a' }, 'one') +
      'POST /echo HTTP/1.1\r\ntransfer-encoding: chunked\r\nid: b\r\n\r\n3\r\ntwo\r\n0\r\n\r\n' +
      request('/echo', { id: 'c' }, 'three');
    const peer = await Peer.connect(port);
    for (let cut = 1; cut < bytes.length; cut++) {
      peer.write(bytes.slice(0, cut));
      await new Promise((resolve) => setImmediate(resolve));
      peer.write(bytes.slice(cut));
      const bodies = (await peer.replies(3)).map((reply) => reply.body);
      assert.deepEqual(bodies, ['one', 'two', 'three'], `cut at ${cut}`);
    }
    assert.equal(broker.handled, 3 * (bytes.length - 1));
  });

  it('pipelined by the ten thousand are all answered in order', async () => {
    const { port } = await startServer();
    const peer = await Peer.connect(port);
    const count = 10_000;
    peer.write(Array.from({ length: count }, (_, i) => request('/echo', {}, `${i}`)).join(''));
    const replies = await peer.replies(count);
    assert.equal(
      replies.findIndex((reply, i) => reply.body !== `${i}`),
      -1,
    );
  }).timeout(20_000);

  it('of one read are answered with one write', async () => {
    const { port } = await startServer();
    const peer = await Peer.connect(port);
    const chunks: number[] = [];
    peer.socket.on('data', (chunk: Buffer) => chunks.push(chunk.length));
    peer.write(Array.from({ length: 50 }, (_, i) => request('/echo', { id: `${i}` })).join(''));
    await peer.replies(50);
    assert.equal(chunks.length, 1);
  });

  it('that announce a body are told to go on, when it is their turn', async () => {
    const { port, broker } = await startServer();
    const peer = await Peer.connect(port);
    peer.write(request('/hold'));
    peer.write('POST /echo HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n');
    await until(() => broker.held.length === 1);
    broker.held[0]?.answer(200, '', 'first');
    await until(() => peer.text.endsWith('Continue\r\n\r\n'));
    assert.equal((await peer.reply()).body, 'first');
    assert.equal(peer.text, 'HTTP/1.1 100 Continue\r\n\r\n');
    peer.received = '';
    peer.write('body');
    assert.equal((await peer.reply()).body, 'body');
  });

  it('that expect something else are refused with 417', async () => {
    const { port } = await startServer();
    const peer = await Peer.connect(port);
    peer.write(request('/echo', { expect: 'a-miracle' }, 'x'));
    const reply = await peer.reply();
    assert.equal(reply.status, 417);
    assert.equal(await peer.untilEnd(), '');
  });

  it('cut off by the end of the stream are refused with 400', async () => {
    const { port, broker } = await startServer();
    const peer = await Peer.connect(port);
    peer.write(
      request('/echo', {}, 'whole') + 'POST /echo HTTP/1.1\r\ncontent-length: 9\r\n\r\nhalf',
    );
    peer.socket.end();
    const [whole, cut] = await peer.replies(2);
    assert.equal(whole?.body, 'whole');
    assert.equal(cut?.status, 400);
    assert.equal(cut.headers.get('connection'), 'close');
    assert.equal(await peer.untilEnd(), '');
    assert.equal(broker.handled, 1);
  });
});

interface LimitCase {
  readonly name: string;
  readonly status: number;
  /** A request whose limited size is `size`. */
  readonly make: (size: number) => string;
  readonly max: number;
}

const LIMITS = { headerBytesMax: 400, headersMax: 8, bodyBytesMax: 1000 };

function padded(bytes: number): string {
  const empty = request('/echo', { pad: '' });
  return request('/echo', { pad: 'p'.repeat(bytes - empty.length) });
}

const LIMIT_CASES: readonly LimitCase[] = [
  { name: 'header bytes', status: 431, max: LIMITS.headerBytesMax, make: padded },
  {
    name: 'headers',
    status: 431,
    max: LIMITS.headersMax,
    make: (count) =>
      request(
        '/echo',
        Object.fromEntries(Array.from({ length: count - 1 }, (_, i) => [`h${i}`, ''])),
      ),
  },
  {
    name: 'body bytes',
    status: 413,
    max: LIMITS.bodyBytesMax,
    make: (size) => request('/echo', {}, 'x'.repeat(size)),
  },
  {
    name: 'body bytes over all chunks',
    status: 413,
    max: LIMITS.bodyBytesMax,
    make: (size) =>
      'POST /echo HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n' +
      `1f4\r\n${'x'.repeat(500)}\r\n${(size - 500).toString(16)}\r\n${'x'.repeat(size - 500)}\r\n` +
      '0\r\n\r\n',
  },
];

describe('a limit', () => {
  afterEach(stopAll);

  for (const { name, status, make, max } of LIMIT_CASES) {
    it(`of ${name} holds one over, and lets pass at and one under`, async () => {
      const { port } = await startServer({ limits: LIMITS });
      const peer = await Peer.connect(port);
      peer.write(make(max - 1) + make(max) + make(max + 1));
      const replies = await peer.replies(3);
      assert.deepEqual(
        replies.map((reply) => reply.status),
        [200, 200, status],
      );
      assert.equal(replies[2]?.headers.get('connection'), 'close');
      assert.equal(await peer.untilEnd(), '');
    });
  }
});
