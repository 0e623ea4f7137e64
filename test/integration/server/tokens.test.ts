/** How a token travels (headers, cookie, WebSocket), and what a stranger may send. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type Config, defaultConfig } from '../../../src/config/config.js';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';
import type { Reply } from '../../support/reply-parser.js';
import { secretOf, token, tokenFile } from '../../support/tokens.js';
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
      const lines = `host: localhost\r\ncontent-length: ${bytes}\r\n`;
      const head = `POST /produce/t HTTP/1.1\r\n${lines}\r\n`;
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
