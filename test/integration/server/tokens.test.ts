/**
 * How a token travels: headers, cookie, WebSocket; what a stranger may send; logging in and out; and
 * that no secret comes out anywhere.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Config, defaultConfig } from '../../../src/config/config.js';
import { createLog } from '../../../src/log.js';
import { Server } from '../../../src/server/server.js';
import { TestBroker } from '../../support/broker.js';
import { cleanUp, onCleanUp } from '../../support/cleanup.js';
import { Client } from '../../support/client.js';
import type { Reply } from '../../support/reply-parser.js';
import { tempFolder } from '../../support/temp-folder.js';
import { secretOf, token, tokenFile } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { WebSocketClient } from '../../support/websocket-client.js';

const ALL = token('all', ['*']);
const UNKNOWN = secretOf('nobody');
const KIB = 1024;

function start(config: Partial<Config> = {}): Promise<TestBroker> {
  return TestBroker.start({ tokenFile: tokenFile([ALL]), autoCreateTopics: true, ...config });
}

/** One request as written, on a connection of its own. */
async function raw(broker: TestBroker, request: string): Promise<Reply> {
  const client = await broker.connect();
  client.write(request);
  return client.next();
}

function query(lines: string): string {
  return `GET /query HTTP/1.1\r\nhost: localhost\r\n${lines}\r\n`;
}

describe('a token', () => {
  afterEach(cleanUp);

  const carried: readonly [status: number, what: string, lines: string][] = [
    [200, 'in the header token', `token: ${ALL.secret}\r\n`],
    [200, 'in Authorization', `Authorization: Bearer ${ALL.secret}\r\n`],
    [200, 'in the cookie', `Cookie: a=b; zbus_token=${ALL.secret}\r\n`],
    [200, 'in header and cookie', `cookie: zbus_token=${ALL.secret}\r\ntoken: ${ALL.secret}\r\n`],
    [
      401,
      'wrong in the header, right in the cookie',
      `token: ${UNKNOWN}\r\ncookie: zbus_token=${ALL.secret}\r\n`,
    ],
    [401, 'twice in the header', `token: ${ALL.secret}\r\ntoken: ${ALL.secret}\r\n`],
    [401, 'wrong and right in the header', `token: ${UNKNOWN}\r\ntoken: ${ALL.secret}\r\n`],
    [401, 'twice in cookies', `cookie: zbus_token=${ALL.secret}; zbus_token=${ALL.secret}\r\n`],
    [401, 'in Basic', `authorization: Basic ${ALL.secret}\r\n`],
    [401, 'with something behind it', `token: ${ALL.secret} x\r\n`],
    [401, 'with the encoded end of a line behind it', `token: ${ALL.secret}%0d%0ax: y\r\n`],
    [400, 'with a NUL', `token: ${ALL.secret}\0\r\n`],
    [400, 'with a bare CR', `token: ${ALL.secret}\rx: y\r\n`],
  ];
  for (const [status, what, lines] of carried) {
    it(`${what} is answered ${status}`, async () => {
      const reply = await raw(await start(), query(lines));
      assert.equal(reply.status, status, reply.body.toString());
      assert.equal(reply.headers.has('x'), false);
      assert(!reply.body.toString().includes(ALL.secret));
    });
  }

  it('is not taken from the URL, its query or its body', async () => {
    const broker = await start();
    const url = `/server?token=${ALL.secret}&authorization=Bearer%20${ALL.secret}`;
    for (const path of [url, `${url}&cookie=zbus_token=${ALL.secret}`]) {
      const reply = await raw(broker, `GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`);
      assert.equal(reply.status, 401);
    }
  });

  it('is looked at behind the rules of host and origin', async () => {
    const broker = await start();
    for (const [status, line] of [
      [421, 'host: evil.example'],
      [403, 'host: localhost\r\norigin: http://evil.example'],
    ] as const) {
      const lines = `${line}\r\ntoken: ${ALL.secret}\r\n`;
      const reply = await raw(broker, `GET /query HTTP/1.1\r\n${lines}\r\n`);
      assert.equal(reply.status, status);
    }
  });

  it('counts for one request alone on a TCP connection, also when heads are alike', async () => {
    const client = await (await start()).connect();
    for (let i = 0; i < 50; i++) {
      const headers = i % 2 === 0 ? { token: ALL.secret } : {};
      assert.equal((await client.get('/query', headers)).status, i % 2 === 0 ? 200 : 401, `${i}`);
    }
  });
});

describe('a token on a WebSocket', () => {
  afterEach(cleanUp);

  it('stands for all messages when the upgrade carried it, in any of the headers', async () => {
    const { port } = await start();
    for (const headers of [
      { token: ALL.secret },
      { authorization: `Bearer ${ALL.secret}` },
      { cookie: `zbus_token=${ALL.secret}` },
    ]) {
      const client = await WebSocketClient.connect(port, { headers });
      await client.expect(200, 'query');
      await client.expect(200, 'produce', { topic: 't' }, 'x'.repeat(64 * KIB));
    }
  });

  it('of a message wins over that of the upgrade', async () => {
    const { port } = await start();
    const client = await WebSocketClient.connect(port, { headers: { token: ALL.secret } });
    await client.expect(401, 'query', { token: UNKNOWN });
    await client.expect(200, 'query');
    const stranger = await WebSocketClient.connect(port, { headers: { token: UNKNOWN } });
    await stranger.expect(401, 'query');
    await stranger.expect(200, 'query', { token: ALL.secret });
    await stranger.expect(401, 'query');
  });
});

describe('a stranger may send bodies', () => {
  afterEach(cleanUp);

  const MAX = 16 * KIB;

  for (const bytes of [MAX - 1, MAX, MAX + 1]) {
    const status = bytes > MAX ? 413 : 401;

    it(`of ${bytes} bytes: ${status}`, async () => {
      const broker = await start();
      const head = `POST /produce/t HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${bytes}\r\n\r\n`;
      // One byte too many is refused by the head alone.
      const reply = await raw(broker, head + (bytes > MAX ? '' : 'x'.repeat(bytes)));
      assert.equal(reply.status, status);
      if (status === 413) assert.match(reply.body.toString(), /unauthenticatedBodyBytesMax/);
    });

    it(`of ${bytes} bytes in chunks: ${status}`, async () => {
      const head =
        'POST /produce/t HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n';
      const half = bytes >> 1;
      const chunks = [half, bytes - half].map((n) => `${n.toString(16)}\r\n${'x'.repeat(n)}\r\n`);
      const reply = await raw(await start(), `${head}${chunks.join('')}0\r\n\r\n`);
      assert.equal(reply.status, status);
    });

    it(`of ${bytes} bytes on a WebSocket: ${status}`, async () => {
      const client = await WebSocketClient.connect((await start()).port);
      const reply = client.reply(null);
      const head = `POST /produce/t HTTP/1.1\r\nid: 1\r\ncontent-length: ${bytes}\r\n\r\n`;
      client.webSocket.send(head + 'x'.repeat(bytes));
      assert.equal((await reply).status, status);
    });

    it(`of ${bytes} bytes to log in: ${status === 413 ? 413 : 400}`, async () => {
      const lines = `host: localhost\r\ncontent-length: ${bytes}\r\n`;
      const body = bytes > MAX ? '' : 'x'.repeat(bytes);
      const reply = await raw(await start(), `POST /login HTTP/1.1\r\n${lines}\r\n${body}`);
      assert.equal(reply.status, status === 413 ? 413 : 400);
    });
  }

  it('no larger with a wrong token, and larger with a right one', async () => {
    const broker = await start();
    const client = await broker.connect();
    const body = 'x'.repeat(MAX + 1);
    assert.equal((await client.get('/produce/t', { token: ALL.secret }, body)).status, 200);
    assert.equal((await client.get('/produce/t', { token: UNKNOWN }, body)).status, 413);
  });

  it('is not asked for a body that will be refused', async () => {
    const broker = await start();
    const head = (bytes: number, lines = ''): string =>
      `POST /produce/t HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\n${lines}` +
      `content-length: ${bytes}\r\n\r\n`;
    assert.equal((await raw(broker, head(MAX + 1))).status, 413);
    const client = await broker.connect();
    client.socket.removeAllListeners('data');
    client.write(head(MAX + 1, `token: ${ALL.secret}\r\n`));
    const [answer] = (await once(client.socket, 'data')) as [Buffer];
    assert.equal(answer.toString(), 'HTTP/1.1 100 Continue\r\n\r\n');
  });

  it('as large as the option says, and never larger than bodyBytesMax', async () => {
    const small = await start({ unauthenticatedBodyBytesMax: 10 });
    const client = await small.connect();
    assert.equal((await client.get('/query', {}, 'x'.repeat(10))).status, 401);
    assert.equal((await client.get('/query', {}, 'x'.repeat(11))).status, 413);
    const large = await start({ unauthenticatedBodyBytesMax: 100, bodyBytesMax: 10 });
    const reply = await (await large.connect()).get('/query', {}, 'x'.repeat(11));
    assert.equal(reply.status, 413);
    assert.match(reply.body.toString(), /than bodyBytesMax \(10 bytes\)/);
  });

  it('in small frames only on a WebSocket, which is closed with 1009 else', async () => {
    const client = await WebSocketClient.connect((await start()).port);
    const closed = new Promise((resolve) => client.webSocket.once('close', resolve));
    client.webSocket.send(Buffer.alloc(MAX + defaultConfig.headerBytesMax + 1));
    assert.equal(await closed, 1009);
  });
});

describe('logging in', () => {
  afterEach(cleanUp);

  function login(broker: TestBroker, type: string, body: string): Promise<Response> {
    return fetch(`http://127.0.0.1:${broker.port}/login`, {
      method: 'POST',
      headers: { 'content-type': type },
      body,
      redirect: 'manual',
    });
  }

  const FORM = 'application/x-www-form-urlencoded';
  const COOKIE = `zbus_token=${ALL.secret}; Path=/; HttpOnly; SameSite=Strict`;

  it('with the form sets the cookie and leads to the page', async () => {
    const broker = await start();
    const reply = await login(broker, FORM, `token=${encodeURIComponent(ALL.secret)}`);
    assert.equal(reply.status, 303);
    assert.equal(reply.headers.get('location'), '/');
    assert.equal(reply.headers.get('set-cookie'), COOKIE);
    const cookie = `zbus_token=${ALL.secret}`;
    const page = await fetch(`http://127.0.0.1:${broker.port}/`, { headers: { cookie } });
    assert.equal(page.status, 200);
    assert.match(await page.text(), /Logged in with the token\s+all/);
  });

  it('with JSON sets the cookie', async () => {
    const reply = await login(await start(), 'application/json', `{"token":"${ALL.secret}"}`);
    assert.equal(reply.status, 204);
    assert.equal(reply.headers.get('set-cookie'), COOKIE);
  });

  it('with a wrong token sets none, and shows the form again', async () => {
    const broker = await start();
    for (const [type, body] of [
      [FORM, `token=${UNKNOWN}`],
      [FORM, `token=${ALL.secret}%0d%0aset-cookie:%20a=b`],
      ['application/json', `{"token":"${UNKNOWN}"}`],
    ] as const) {
      const reply = await login(broker, type, body);
      assert.equal(reply.status, 401);
      assert.equal(reply.headers.get('set-cookie'), null);
      const text = await reply.text();
      assert.equal(text.includes('<form method="post" action="/login">'), type === FORM);
      assert(!text.includes(UNKNOWN) && !text.includes(ALL.secret));
    }
  });

  it('needs a POST with a body that has a token', async () => {
    const broker = await start();
    const client = await broker.connect();
    const get = await client.get(`/login?body=token=${ALL.secret}`);
    assert.equal(get.status, 405);
    assert.equal(get.headers.get('allow'), 'POST');
    for (const [type, body] of [
      [FORM, 'x=y'],
      ['application/json', '{"token":7}'],
      ['application/json', '{"token"'],
      ['application/json', 'null'],
      ['text/plain', `token=${ALL.secret}`],
    ] as const) {
      assert.equal((await login(broker, type, body)).status, 400, body);
    }
    const url = `/login?body=token=${ALL.secret}`;
    const reply = await raw(broker, `POST ${url} HTTP/1.1\r\nhost: x.localhost\r\n\r\n`);
    assert.equal(reply.status, 421);
  });

  it('is kept from pages of other sites', async () => {
    const broker = await start();
    const reply = await fetch(`http://127.0.0.1:${broker.port}/login`, {
      method: 'POST',
      headers: { 'content-type': FORM, origin: 'http://evil.example' },
      body: `token=${ALL.secret}`,
    });
    assert.equal(reply.status, 403);
    assert.equal(reply.headers.get('set-cookie'), null);
  });

  it('ends with the cookie taken away', async () => {
    const broker = await start();
    const reply = await fetch(`http://127.0.0.1:${broker.port}/logout`, {
      method: 'POST',
      redirect: 'manual',
    });
    assert.equal(reply.status, 303);
    assert.match(reply.headers.get('set-cookie') ?? '', /^zbus_token=; .*Max-Age=0$/);
    assert.equal((await (await broker.connect()).get('/logout')).status, 405);
  });

  it('is asked for at / by a form that tells nothing of the broker', async () => {
    const client = await (await start()).connect();
    const page = await client.get('/');
    assert.equal(page.status, 401);
    assert.match(page.headers.get('content-type') ?? '', /^text\/html/);
    const text = page.body.toString();
    assert.match(text, /<form method="post" action="\/login">/);
    assert.doesNotMatch(text, /127\.0\.0\.1|\d\.\d\.\d|<script|Commands/);
  });

  it('shows each token the commands that it allows', async () => {
    const reader = token('reader', ['consume', 'query']);
    const broker = await start({ tokenFile: tokenFile([ALL, reader]) });
    const client = await broker.connect();
    const page = (await client.get('/', { token: reader.secret })).body.toString();
    const commands = [...page.matchAll(/row">\/([a-z]+)/g)].map(([, name]) => name);
    assert.deepEqual([...new Set(commands)], ['consume', 'ack', 'nack', 'query', 'ping']);
  });

  it('is not needed without tokens', async () => {
    const broker = await TestBroker.start();
    assert.equal((await login(broker, FORM, 'token=x')).status, 404);
    const page = await (await broker.connect()).get('/');
    assert.equal(page.status, 200);
    assert.doesNotMatch(page.body.toString(), /<form/);
  });
});

describe('secrets', function () {
  this.timeout(60_000);
  afterEach(cleanUp);

  /** Every file below the folder, as latin1. */
  function filesIn(folder: string): string {
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'))
      .join('\n');
  }

  it('come out nowhere: log, page, JSON, errors, messages, dead letters, data folder', async () => {
    const logDir = tempFolder();
    const mqDir = tempFolder();
    const config = {
      ...defaultConfig,
      serverAddress: '127.0.0.1:0',
      autoCreateTopics: true,
      mqDir,
      logDir,
      verbose: true,
      tokenFile: tokenFile([ALL, token('narrow', ['produce'], { topics: ['x'] })]),
    };
    const server = new Server(config, createLog(config));
    onCleanUp(() => server.close());
    const { port } = await server.start();
    const client = await Client.connect(port);
    const webSocket = await WebSocketClient.connect(port, { headers: { token: ALL.secret } });
    let seen = '';
    client.socket.on('data', (chunk: Buffer) => (seen += chunk.toString('latin1')));
    webSocket.webSocket.on('message', (data: Buffer) => (seen += data.toString('latin1')));
    const everywhere = {
      token: ALL.secret,
      authorization: `Bearer ${ALL.secret}`,
      cookie: `zbus_token=${ALL.secret}`,
      'proxy-authorization': `Bearer ${ALL.secret}`,
    };
    const group = { topic: 'T', consume_group: 'G', token: ALL.secret };
    const url = `/produce/T?token=${ALL.secret}&a=b&%74oken=${ALL.secret}`;

    await client.expect(200, 'declare', { ...group, group_mask: 64, group_max_attempts: 1 });
    for (const start of [url, '/produce/T']) {
      assert.equal((await client.get(start, everywhere, 'body')).status, 200);
      await webSocket.expect(200, 'produce', { ...everywhere, topic: 'T' }, 'body');
    }
    for (let i = 0; i < 4; i++) {
      const { headers } = await (i % 2 === 0 ? client : webSocket).expect(200, 'consume', group);
      const offset = headers.get('offset') ?? '';
      await (i % 2 === 0 ? client : webSocket).expect(200, 'nack', { ...group, offset });
    }
    const dead = { topic: 'T.dead', token: ALL.secret };
    await until(async () => {
      const { body } = await client.request('query', dead);
      return body.includes('"messageDepth":4');
    });
    await webSocket.expect(200, 'consume', dead);
    await client.expect(200, 'consume', dead);
    for (const cmd of ['query', 'server', '', 'nonsense']) await client.request(cmd, everywhere);
    for (const secret of [UNKNOWN, secretOf('narrow'), `${ALL.secret}x`]) {
      await client.request('consume', { topic: 'T', token: secret });
      await client.request('produce', { topic: 'bad name', token: secret });
      await client.get('/', { token: secret });
      if (secret === secretOf('narrow')) continue;
      const login = { 'content-type': 'application/json' };
      await client.get('/login', login, `{"token":"${secret}"}`);
    }
    webSocket.webSocket.close();
    await server.close();

    const written = filesIn(mqDir) + filesIn(logDir);
    assert.match(written, /origin_url: \/produce\/T\?a=b&\r\n/, 'the messages are there');
    assert.match(written, /"event":"request refused"/, 'the log is there');
    assert.match(seen, /dead_reason: nack/, 'the dead letters were seen');
    for (const secret of [ALL.secret, UNKNOWN, secretOf('narrow')]) {
      assert(!written.includes(secret), `on disk: ${secret}`);
      assert(!seen.includes(secret), `sent: ${secret}`);
    }
    assert.doesNotMatch(written + seen, /^(token|cookie|authorization): /im);
  });

  it('are not in the log however often someone guesses, and the log stays short', async () => {
    const logDir = tempFolder();
    const log = createLog({ logDir, verbose: true });
    const config = { ...defaultConfig, serverAddress: '127.0.0.1:0', mqDir: tempFolder() };
    const server = new Server({ ...config, tokenFile: tokenFile([ALL]) }, log);
    onCleanUp(() => server.close());
    const { port } = await server.start();
    const client = await Client.connect(port);
    const guesses = Array.from({ length: 500 }, (_, i) =>
      client.request('produce', { topic: 't', token: `${UNKNOWN}${i}` }),
    );
    for (const { status } of await Promise.all(guesses)) assert.equal(status, 401);
    const text = filesIn(logDir);
    assert(!text.includes(UNKNOWN));
    const lines = text.split('\n').filter((line) => line.includes('request refused'));
    assert(lines.length >= 10 && lines.length <= 100, `${lines.length} lines`);
    assert.match(lines[0] ?? '', /"operation":"produce","status":401,"reason":"The token is not/);
  });
});
