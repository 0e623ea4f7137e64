/** The client for pages as the broker serves it: what HTTP says of it, and whom it is not for. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compileTypeScript } from '../../../scripts/compile-typescript.mjs';
import { root } from '../../../scripts/toolchain.mjs';
import { Peer, type Reply, startServer, stopAll, type TestServer } from './harness.js';

async function ask(
  { port }: TestServer,
  start: string,
  headers: Record<string, string> = {},
): Promise<Reply> {
  const peer = await Peer.connect(port);
  const lines = Object.entries({ host: 'localhost', ...headers });
  peer.write(`${start} HTTP/1.1\r\n${lines.map(([k, v]) => `${k}: ${v}\r\n`).join('')}\r\n`);
  const [reply] = await peer.replies(1, start.startsWith('HEAD'));
  assert(reply);
  return reply;
}

describe('the client for pages', function () {
  this.timeout(60_000);
  let text: string;

  before(() => {
    compileTypeScript();
    text = readFileSync(join(root, 'dist/browser.js'), 'latin1');
  });
  afterEach(stopAll);

  it('is a script that browsers ask for again each time', async () => {
    const server = await startServer();
    const { status, headers, body } = await ask(server, 'GET /zbus.js');
    assert.equal(status, 200);
    assert.equal(headers.get('content-type'), 'text/javascript; charset=utf-8');
    assert.equal(headers.get('cache-control'), 'no-cache');
    assert.equal(body, text);
    assert.equal(server.broker.handled, 0);
  });

  it('is not sent again to whom has it', async () => {
    const server = await startServer();
    const tag = (await ask(server, 'GET /zbus.js')).headers.get('etag') ?? '';
    const cases = [[tag, 304] as const, [`"a", W/${tag}`, 304] as const, ['"a"', 200] as const];
    for (const [known, expected] of cases) {
      const { status, headers } = await ask(server, 'GET /zbus.js', { 'if-none-match': known });
      assert.deepEqual([status, headers.get('etag')], [expected, tag], known);
    }
  });

  it('is answered without its body to HEAD', async () => {
    const { status, headers } = await ask(await startServer(), 'HEAD /zbus.js');
    assert.deepEqual([status, headers.get('content-length')], [200, String(text.length)]);
  });

  it('is in the way of no topic with that name', async () => {
    const server = await startServer();
    await ask(server, 'GET /zbus.js', { cmd: 'consume' });
    await ask(server, 'GET /zbus.js?cmd=consume');
    await ask(server, 'GET /zbus.js/plus/1/2');
    await ask(server, 'POST /zbus.js');
    assert.equal(server.broker.handled, 4);
  });

  it('is not for pages of other sites, unless they are let in', async () => {
    const app = 'https://app.example.com';
    const allowing = { serverName: null, allowedHosts: [], allowedOrigins: [app] };
    const server = await startServer({ origins: allowing });
    const site = { 'sec-fetch-site': 'cross-site' };
    assert.equal((await ask(server, 'GET /zbus.js', site)).status, 403);
    const other = await ask(server, 'GET /zbus.js', { ...site, origin: 'https://evil.example' });
    assert.equal(other.status, 403);
    const { status, headers } = await ask(server, 'GET /zbus.js', { ...site, origin: app });
    assert.deepEqual([status, headers.get('access-control-allow-origin')], [200, app]);
  });
});
