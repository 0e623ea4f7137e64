/** Which pages may use the client, and how they say who they are: origins, tokens, the cookie. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Browser, chromium } from 'playwright-core';
import { compileTypeScript } from '../../scripts/compile-typescript.mjs';
import type { Config } from '../../src/config/config.js';
import { TestBroker } from '../support/broker.js';
import { cleanUp, onCleanUp } from '../support/cleanup.js';
import { needProgram } from '../support/programs.js';
import { secretOf, token, tokenFile } from '../support/tokens.js';
import { ClientPage } from './client-page.js';

/** More than the broker takes in a WebSocket whose handshake brought no token. */
const LARGE_BYTES = 100_000;

describe('who may use the client in a browser', function () {
  this.timeout(60_000);
  let browser: Browser | undefined;

  before(async function () {
    const executablePath = needProgram(this, 'chromium', 'chromium');
    compileTypeScript();
    browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  });
  after(() => browser?.close());
  afterEach(cleanUp);

  async function openPage(url: string, clientUrl?: string): Promise<ClientPage> {
    assert(browser !== undefined);
    const page = await ClientPage.open(browser, url, clientUrl);
    onCleanUp(() => page.page.close());
    return page;
  }

  /** The origin of a site that is not the broker; its page is empty. */
  async function otherSite(): Promise<string> {
    const server = createServer((_request, response) => {
      response.setHeader('content-type', 'text/html').end('<!doctype html><body>');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onCleanUp(() => {
      server.closeAllConnections();
      server.close();
    });
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  async function startBroker(config: Partial<Config> = {}): Promise<string> {
    const broker = await TestBroker.start({ autoCreateTopics: true, ...config });
    return `127.0.0.1:${broker.port}`;
  }

  function startWithTokens(config: Partial<Config> = {}): Promise<string> {
    return startBroker({ ...config, tokenFile: tokenFile([token('page', ['produce'])]) });
  }

  describe('without tokens', () => {
    it('a page of another site may neither load it nor connect', async () => {
      const host = await startBroker();
      const page = await openPage(await otherSite(), `http://${host}/zbus.js`);
      await assert.rejects(page.run('open', `ws://${host}`), /dynamically imported module/);
      const opened = await page.page.evaluate(`new Promise((resolve) => {
        const socket = new WebSocket('ws://${host}');
        socket.onopen = () => resolve(true);
        socket.onerror = () => resolve(false);
      })`);
      assert.equal(opened, false);
    });

    it('a page of an allowed site may do both', async () => {
      const site = await otherSite();
      const host = await startBroker({ allowedOrigins: [site] });
      const page = await openPage(site, `http://${host}/zbus.js`);
      assert.equal(await page.run('open', `ws://${host}`), 'connected');
      assert.equal(await page.run('produce', 't', 1), 'ok');
      page.checkComplaints();
    });
  });

  it('a page that came from no server must name a broker', async () => {
    const host = await startBroker();
    const page = await openPage(`http://${host}/`);
    const source = await (await fetch(`http://${host}/zbus.js`)).text();
    await page.page.goto('about:blank');
    const refusal = await page.page.evaluate<string>(`(async () => {
      const url = URL.createObjectURL(new Blob([${JSON.stringify(source)}], {
        type: 'text/javascript',
      }));
      const { connect } = await import(url);
      return connect().catch(({ message }) => message);
    })()`);
    assert.match(refusal, /^No address/);
  });

  describe('with tokens', () => {
    it('a page sends the one that it is given, with what is large too', async () => {
      const site = await otherSite();
      const host = await startWithTokens({ allowedOrigins: [site] });
      const page = await openPage(site, `http://${host}/zbus.js`);
      await page.run('open', host, { token: secretOf('page') });
      assert.equal(await page.run('produce', 't', LARGE_BYTES), 'ok');
      page.checkComplaints();
    });

    it('the page of the broker has the one that it was logged in with', async () => {
      const host = await startWithTokens();
      const page = await openPage(`http://${host}/`);
      await page.page.fill('input', secretOf('page'));
      await page.page.click('button');
      await page.page.waitForSelector('text=Log out');
      await page.run('open');
      assert.equal(await page.run('produce', 't', LARGE_BYTES), 'ok');
    });

    it('a page without one loads it and connects, and can do nothing', async () => {
      const page = await openPage(`http://${await startWithTokens()}/`);
      await page.run('open');
      assert.match(await page.run('produce', 't', 1), /^UnauthorizedError ZBUS_UNAUTHORIZED/);
    });

    it('a wrong one is told from none', async () => {
      const page = await openPage(`http://${await startWithTokens()}/`);
      await page.run('open', undefined, { token: secretOf('nobody') });
      assert.match(await page.run('produce', 't', 1), /^UnauthorizedError .*not known/);
    });
  });
});
