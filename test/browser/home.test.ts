/** The home page in a real browser, as its policy lets the browser show it. */
import assert from 'node:assert/strict';
import { type Browser, chromium, type Page } from 'playwright-core';
import { version } from '../../src/version.js';
import { TestBroker } from '../support/broker.js';
import { cleanUp } from '../support/cleanup.js';
import { needProgram } from '../support/programs.js';

describe('home page in a browser', function () {
  this.timeout(60_000);
  let browser: Browser | undefined;
  let page: Page;
  /** What the browser complained about, such as a breach of the page's own policy. */
  let complaints: string[];
  let origins: Set<string>;

  before(async function () {
    const executablePath = needProgram(this, 'chromium', 'chromium');
    // Containers and root have no sandbox to offer; the page comes from this process.
    browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  });
  after(() => browser?.close());

  beforeEach(async () => {
    assert(browser !== undefined);
    page = await browser.newPage();
    complaints = [];
    origins = new Set();
    page.on('console', (message) => {
      // The browser asks for it by itself; there is none.
      if (!message.location().url.endsWith('/favicon.ico')) complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('request', (request) => origins.add(new URL(request.url()).origin));
  });
  afterEach(async () => {
    await page.close();
    await cleanUp();
  });

  it('names the version and the address that it was reached by', async () => {
    const { port } = await TestBroker.start();
    await page.goto(`http://127.0.0.1:${port}/`);
    assert.equal(await page.title(), `zbus ${version}`);
    assert.match(await page.innerText('pre'), new RegExp(`curl http://127\\.0\\.0\\.1:${port}/`));
  });

  it('loads nothing from elsewhere and keeps to its own policy', async () => {
    const { port } = await TestBroker.start();
    await page.goto(`http://127.0.0.1:${port}/`, { waitUntil: 'networkidle' });
    assert.deepEqual([...origins], [`http://127.0.0.1:${port}`]);
    assert.deepEqual(complaints, []);
  });

  it('is not wider than a telephone', async () => {
    const { port } = await TestBroker.start();
    await page.setViewportSize({ width: 360, height: 640 });
    await page.goto(`http://127.0.0.1:${port}/`);
    const width = await page.evaluate<number>('document.documentElement.scrollWidth');
    assert(width <= 360, `${width} pixels`);
  });
});
