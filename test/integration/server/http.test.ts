/**
 * HTTP around the commands: methods, OPTIONS, pages of other sites, types of replies, 100-continue.
 */
import assert from 'node:assert/strict';
import {
  Peer,
  type Reply,
  request,
  startServer,
  stopAll,
  type TestServer,
  until,
} from './harness.js';

const ALLOW = 'GET, HEAD, POST, PUT, OPTIONS';
const APP = 'https://app.example.com';
const ORIGINS = { serverName: null, allowedHosts: [], allowedOrigins: [APP] };

function head(start: string, headers: Record<string, string> = {}): string {
  const lines = Object.entries({ host: 'localhost', ...headers });
  const text = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return `${start} HTTP/1.1\r\n${text}\r\n`;
}

async function ask(server: TestServer, bytes: string, bodyless = false): Promise<Reply> {
  const peer = await Peer.connect(server.port);
  peer.write(bytes);
  const [reply] = await peer.replies(1, bodyless);
  assert(reply);
  return reply;
}

describe('HTTP methods', () => {
  afterEach(stopAll);

  for (const method of ['GET', 'HEAD', 'POST', 'PUT']) {
    it(`${method} carries commands`, async () => {
      const server = await startServer();
      assert.equal((await ask(server, head(`${method} /plain`), method === 'HEAD')).status, 200);
      assert.equal(server.broker.handled, 1);
    });
  }

  for (const [method, status] of [
    ['DELETE', 405],
    ['PATCH', 405],
    ['TRACE', 405],
    ['CONNECT', 405],
    ['get', 501],
    ['BREW', 501],
  ] as const) {
    it(`${method} is answered ${status} with what is allowed, and carries nothing`, async () => {
      const server = await startServer();
      const reply = await ask(server, head(`${method} /plain`));
      assert.deepEqual([reply.status, reply.headers.get('allow')], [status, ALLOW]);
      assert.equal(server.broker.handled, 0);
    });
  }

  it('that are refused do not cost the connection, but for CONNECT', async () => {
    const server = await startServer();
    const peer = await Peer.connect(server.port);
    peer.write(head('DELETE /plain', { 'content-length': '3' }) + 'abc' + head('GET /plain'));
    assert.deepEqual(
      (await peer.replies(2)).map(({ status }) => status),
      [405, 200],
    );
    peer.write(head('CONNECT localhost:80') + head('GET /plain'));
    assert.equal((await peer.reply()).headers.get('connection'), 'close');
    assert.equal(await peer.untilEnd(), '');
    assert.equal(server.broker.handled, 1);
  });

  for (const target of ['*', '/plain', 'http://localhost/plain']) {
    it(`OPTIONS ${target} is answered 204 with what is allowed`, async () => {
      const server = await startServer();
      const { status, headers } = await ask(server, head(`OPTIONS ${target}`));
      assert.deepEqual([status, headers.get('allow')], [204, ALLOW]);
      assert(!headers.has('content-length') && !headers.has('content-type'));
      assert(![...headers.keys()].some((name) => name.startsWith('access-control-')));
      assert.equal(server.broker.handled, 0);
    });
  }

  it('other than OPTIONS are not for *', async () => {
    const server = await startServer();
    assert.equal((await ask(server, head('GET *'))).status, 400);
    assert.equal(server.broker.handled, 0);
  });
});

describe('a page of another site', () => {
  afterEach(stopAll);

  const preflight = (origin: string, more: Record<string, string> = {}): string =>
    head('OPTIONS /echo', {
      origin,
      'sec-fetch-site': 'cross-site',
      'access-control-request-method': 'POST',
      ...more,
    });

  it('that is allowed learns by a preflight what it may send', async () => {
    const server = await startServer({ origins: ORIGINS });
    const wanted = 'cmd,content-type,id,topic';
    const { status, headers } = await ask(
      server,
      preflight(APP, { 'access-control-request-headers': wanted }),
    );
    assert.equal(status, 204);
    assert.equal(headers.get('access-control-allow-origin'), APP);
    assert.equal(headers.get('vary'), 'origin');
    assert.equal(headers.get('access-control-allow-methods'), ALLOW);
    assert.equal(headers.get('access-control-allow-headers'), wanted);
    assert.match(headers.get('access-control-max-age') ?? '', /^\d+$/);
    assert(!headers.has('access-control-allow-credentials'));
    assert(!headers.has('access-control-allow-private-network'));
    assert.equal(server.broker.handled, 0);
  });

  it('is told about the private network when it asks, and is echoed names alone', async () => {
    const server = await startServer({ origins: ORIGINS });
    const { headers } = await ask(
      server,
      preflight(APP, {
        'access-control-request-private-network': 'true',
        'access-control-request-headers': 'x: y; <z>',
      }),
    );
    assert.equal(headers.get('access-control-allow-private-network'), 'true');
    assert(!headers.has('access-control-allow-headers'));
  });

  it('that is allowed may read replies, named or not, errors and refusals too', async () => {
    const server = await startServer({ origins: ORIGINS });
    const peer = await Peer.connect(server.port);
    peer.write(
      request('/echo', { origin: APP }, 'a') +
        request('/echo', { origin: APP, id: '1' }, 'b') +
        request('/nothing', { origin: APP }) +
        head('DELETE /echo', { origin: APP }),
    );
    const replies = await peer.replies(4);
    assert.deepEqual(
      replies.map(({ status }) => status),
      [200, 200, 400, 405],
    );
    for (const { headers } of replies) {
      assert.equal(headers.get('access-control-allow-origin'), APP);
      assert.equal(headers.get('access-control-expose-headers'), '*');
      assert.equal(headers.get('vary'), 'origin');
    }
  });

  it('gives what it may to no other page on the same connection', async () => {
    const server = await startServer({ origins: ORIGINS });
    const peer = await Peer.connect(server.port);
    for (const origin of [APP, 'http://localhost', APP, 'https://evil.example']) {
      peer.write(request('/echo', { origin }, 'a'));
      const { status, headers } = await peer.reply();
      assert.equal(status, origin === 'https://evil.example' ? 403 : 200);
      const allowed = headers.get('access-control-allow-origin');
      assert.equal(allowed, origin === APP ? APP : undefined);
    }
  });

  for (const origin of ['https://evil.example', 'null', 'http://app.example.com']) {
    it(`from ${origin} is answered 403, to its preflight too, and may not read that`, async () => {
      const server = await startServer({ origins: ORIGINS });
      const peer = await Peer.connect(server.port);
      peer.write(preflight(origin) + request('/echo', { origin }, 'a'));
      for (const { status, headers } of await peer.replies(2)) {
        assert.equal(status, 403);
        assert(!headers.has('access-control-allow-origin'));
      }
      assert.equal(server.broker.handled, 0);
    });
  }
});

describe('a reply', () => {
  afterEach(stopAll);

  it('to plain HTTP says its type, its date, and that the type is true', async () => {
    const server = await startServer();
    const peer = await Peer.connect(server.port);
    peer.write(head('GET /plain') + head('GET /nothing') + 'BAD\r\n\r\n');
    for (const { headers } of await peer.replies(3)) {
      assert.equal(headers.get('content-type'), 'text/plain; charset=utf-8');
      assert.equal(headers.get('x-content-type-options'), 'nosniff');
      const date = headers.get('date') ?? '';
      assert.equal(new Date(date).toUTCString(), date);
    }
  });

  it('has the date of its second', async () => {
    const server = await startServer();
    const peer = await Peer.connect(server.port);
    const dateOf = async (): Promise<number> => {
      peer.write(head('GET /plain'));
      return Date.parse((await peer.reply()).headers.get('date') ?? '');
    };
    const first = await dateOf();
    await until(() => Date.now() >= first + 1000);
    server.clock.advance(1000);
    assert((await dateOf()) > first);
  });

  it('to a request with an id carries none of that', async () => {
    const server = await startServer();
    const { headers } = await ask(server, request('/plain', { id: '1' }));
    assert.deepEqual([...headers.keys()].sort(), ['connection', 'content-length', 'id']);
  });

  it('that is a stored message runs no script, whatever type its producer gave it', async () => {
    const server = await startServer();
    const peer = await Peer.connect(server.port);
    peer.write(head('GET /wait'));
    await until(() => server.broker.waiting.length === 1);
    const record = Buffer.from('content-type: text/html\r\ncontent-length: 8\r\n\r\n<script>');
    server.broker.waiting[0]?.deliver('offset: 0\r\n', record, 0, record.length, null);
    const { headers } = await peer.reply();
    assert.equal(headers.get('content-security-policy'), 'sandbox');
    assert.equal(headers.get('x-content-type-options'), 'nosniff');
    assert.equal(headers.get('content-type'), 'text/html');
  });

  it('to a request for the icon is empty and kept', async () => {
    const server = await startServer();
    const { status, headers } = await ask(server, head('GET /favicon.ico'));
    assert.deepEqual([status, headers.get('cache-control')], [204, 'max-age=86400']);
    assert.equal(server.broker.handled, 0);
  });
});

describe('100-continue', () => {
  afterEach(stopAll);

  const waiting = { expect: '100-continue', 'content-length': '3' };
  const REFUSED: readonly (readonly [what: string, bytes: string, status: number])[] = [
    ['the method', head('DELETE /echo', waiting), 405],
    ['the host', head('POST /echo', { ...waiting, host: 'evil.example' }), 421],
    ['the origin', head('POST /echo', { ...waiting, origin: 'https://evil.example' }), 403],
    ['OPTIONS', head('OPTIONS /echo', waiting), 204],
    ['the length', head('POST /echo', { ...waiting, 'content-length': '99999999999' }), 413],
    ['the expectation', head('POST /echo', { ...waiting, expect: '100-continue, x' }), 417],
  ];

  for (const [what, bytes, status] of REFUSED) {
    it(`is not sent when ${what} decides the answer: ${status} and a close`, async () => {
      const server = await startServer();
      const peer = await Peer.connect(server.port);
      peer.write(bytes);
      const { status: got, headers } = await peer.reply();
      assert.deepEqual([got, headers.get('connection')], [status, 'close']);
      peer.write('abc' + request('/echo', {}, 'behind'));
      assert.equal(await peer.untilEnd(), '');
      assert.equal(server.broker.handled, 0);
    });
  }

  it('is sent once to HTTP/1.1, and the request is carried out', async () => {
    const server = await startServer();
    const peer = await Peer.connect(server.port);
    peer.write(head('POST /echo', waiting));
    assert.equal((await peer.reply()).status, 100);
    peer.write('abc');
    assert.equal((await peer.reply()).body, 'abc');
  });

  it('is not sent to HTTP/1.0', async () => {
    const server = await startServer();
    const peer = await Peer.connect(server.port);
    peer.write(head('POST /echo', waiting).replace('HTTP/1.1', 'HTTP/1.0'));
    await until(() => server.listener.connectionCount === 1);
    peer.write('abc');
    assert.equal((await peer.reply()).status, 200);
  });
});
