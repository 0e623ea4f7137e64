/**
 * What pages of other sites can do to a broker from a real browser: nothing, whether they name it
 * by its address or by a name of their own that points there. A page of the broker can use it.
 */
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type Browser, chromium, type Page } from 'playwright-core';
import { TestBroker } from '../support/broker.js';
import { cleanUp, onCleanUp } from '../support/cleanup.js';
import { needProgram } from '../support/programs.js';

/** Resolved to 127.0.0.1 by the browser of this test, as a rebinding name server would. */
const REBOUND = 'evil.example';

/** Every way a page has to send a request without asking first; each ends whatever happens. */
const ATTACK = `async (target) => {
  const settled = (start) => new Promise((resolve) => { start(resolve); }).catch(() => undefined);
  const url = (way) => target + '/produce/t?body=' + way;
  await fetch(url('fetch'), { mode: 'no-cors' }).catch(() => undefined);
  await fetch(url('post'), { mode: 'no-cors', method: 'POST', body: 'x' }).catch(() => undefined);
  await fetch(url('cors'), { headers: { 'x-own': '1' } }).catch(() => undefined);
  await settled((resolve) => {
    const image = new Image();
    image.onload = image.onerror = resolve;
    image.src = url('image');
  });
  await settled((resolve) => {
    const script = document.createElement('script');
    script.onload = script.onerror = resolve;
    script.src = url('script');
    document.head.append(script);
  });
  await settled((resolve) => {
    const frame = document.createElement('iframe');
    frame.name = 'frame';
    frame.onload = resolve;
    frame.src = url('frame');
    document.body.append(frame);
  });
  await settled((resolve) => {
    document.querySelector('iframe').onload = resolve;
    const form = document.createElement('form');
    form.method = 'post';
    form.target = 'frame';
    form.action = url('form');
    document.body.append(form);
    form.submit();
  });
  await settled((resolve) => {
    const socket = new WebSocket(url('socket').replace('http', 'ws'));
    socket.onopen = socket.onerror = socket.onclose = resolve;
  });
}`;

describe('pages of other sites', function () {
  this.timeout(60_000);
  let browser: Browser | undefined;
  let page: Page;
  let broker: TestBroker;

  before(async function () {
    const executablePath = needProgram(this, 'chromium', 'chromium');
    browser = await chromium.launch({
      executablePath,
      args: ['--no-sandbox', `--host-resolver-rules=MAP ${REBOUND} 127.0.0.1`],
    });
  });
  after(() => browser?.close());

  beforeEach(async () => {
    assert(browser !== undefined);
    page = await browser.newPage();
    broker = await TestBroker.start();
    const client = await broker.connect();
    await client.expect(200, 'declare', { topic: 't' });
  });
  afterEach(async () => {
    await page.close();
    await cleanUp();
  });

  async function storedCount(): Promise<number> {
    const client = await broker.connect();
    const { messageDepth } = await client.query<{ messageDepth: number }>('t');
    return messageDepth;
  }

  /** A site that is not the broker; its pages are empty. */
  async function otherSite(): Promise<number> {
    const server: Server = createServer((_request, response) => {
      response.setHeader('content-type', 'text/html').end('<!doctype html><body>');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onCleanUp(() => {
      server.closeAllConnections();
      server.close();
    });
    return (server.address() as AddressInfo).port;
  }

  it('cannot produce by its address', async () => {
    await page.goto(`http://127.0.0.1:${await otherSite()}/`);
    await page.evaluate(`(${ATTACK})('http://127.0.0.1:${broker.port}')`);
    assert.equal(await storedCount(), 0);
  });

  it('cannot produce by a name of their own that points at it', async () => {
    await page.goto(`http://${REBOUND}:${await otherSite()}/`);
    await page.evaluate(`(${ATTACK})('http://${REBOUND}:${broker.port}')`);
    assert.equal(await storedCount(), 0);
  });

  it('cannot read, also not as a page of that name', async () => {
    await page.goto(`http://${REBOUND}:${broker.port}/query/t`);
    assert.match(await page.innerText('body'), /^Host "evil\.example:\d+" is not a name/);
  });

  it('may open the page of the broker by a link', async () => {
    await page.goto(`http://${REBOUND}:${await otherSite()}/`);
    await page.setContent(`<a href="http://127.0.0.1:${broker.port}/">broker</a>`);
    await page.click('a');
    await page.waitForURL(`http://127.0.0.1:${broker.port}/`);
    assert.match(await page.title(), /^zbus$/);
  });

  it('are no hindrance to the page of the broker', async () => {
    await page.goto(`http://127.0.0.1:${broker.port}/`);
    const status = await page.evaluate<number>(
      `fetch('/produce/t?body=own', { method: 'POST' }).then(({ status }) => status)`,
    );
    assert.deepEqual([status, await storedCount()], [200, 1]);
  });
});
