/** No secret comes out anywhere, right or wrong. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { defaultConfig } from '../../../src/config/config.js';
import { createLog } from '../../../src/log.js';
import { Server } from '../../../src/server/server.js';
import { cleanUp, onCleanUp } from '../../support/cleanup.js';
import { Client } from '../../support/client.js';
import { tempFolder } from '../../support/temp-folder.js';
import { secretOf, token, tokenFile } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { WebSocketClient } from '../../support/websocket-client.js';

const ALL = token('all', ['*']);
const UNKNOWN = secretOf('nobody');

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
