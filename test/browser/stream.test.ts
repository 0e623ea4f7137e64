/** EventSource in a real browser, on a page of the broker: it consumes, comes back and resumes. */
import assert from 'node:assert/strict';
import { type Browser, chromium, type Page } from 'playwright-core';
import { TestBroker } from '../support/broker.js';
import { cleanUp } from '../support/cleanup.js';
import type { Client } from '../support/client.js';
import { numbered, produceAll } from '../support/consumer.js';
import { needProgram } from '../support/programs.js';
import { until } from '../support/wait.js';

/** Opens an EventSource whose events the page keeps. */
const OPEN = `(path) => {
  window.seen = [];
  window.failures = [];
  window.opened = 0;
  window.source = new EventSource(path);
  source.onopen = () => { opened++; };
  source.onmessage = ({ data, lastEventId }) => {
    const { offset, body } = JSON.parse(data);
    seen.push({ offset, body, lastEventId });
  };
  source.addEventListener('zbus-error', ({ data }) => failures.push(JSON.parse(data)));
}`;
/** EventSource.CLOSED: it has given up. */
const CLOSED = 2;

interface Seen {
  readonly offset: number;
  readonly body: string;
  readonly lastEventId: string;
}

describe('EventSource in a browser', function () {
  this.timeout(60_000);
  let browser: Browser | undefined;
  let page: Page;
  let broker: TestBroker;
  let client: Client;

  before(async function () {
    const executablePath = needProgram(this, 'chromium', 'chromium');
    browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  });
  after(() => browser?.close());

  beforeEach(async () => {
    assert(browser !== undefined);
    page = await browser.newPage();
    broker = await TestBroker.start();
    client = await broker.connect();
    await client.expect(200, 'declare', { topic: 't', consume_group: 'g' });
    await page.goto(`http://127.0.0.1:${broker.port}/`);
  });
  afterEach(async () => {
    await page.close();
    await cleanUp();
  });

  function seen(): Promise<Seen[]> {
    return page.evaluate<Seen[]>('seen');
  }

  async function sees(count: number): Promise<Seen[]> {
    await until(async () => (await seen()).length >= count);
    return seen();
  }

  it('gets what is produced, with offsets as ids and any text as it was', async () => {
    await page.evaluate(`(${OPEN})('/consume/t/g')`);
    const bodies = ['plain', 'é 😀', 'a\nb\r\n\ndata: x\n\n', '{"json": "</script>"}', ''];
    await produceAll(
      client,
      't',
      bodies.map((body) => ({ body })),
    );
    assert.deepEqual(
      await sees(bodies.length),
      bodies.map((body, n) => ({ offset: n, body, lastEventId: String(n) })),
    );
  });

  it('comes back by itself when a stream has ended, and goes on', async () => {
    await produceAll(client, 't', numbered(4));
    await page.evaluate(`(${OPEN})('/consume/t/g?prefetch=2')`);
    const bodies = (await sees(4)).map(({ body }) => body);
    assert.deepEqual(bodies, ['0', '1', '2', '3']);
    assert((await page.evaluate<number>('opened')) >= 2);
  });

  it('is given again what it did not see, by the id that it sends', async () => {
    await produceAll(client, 't', numbered(3));
    await page.evaluate(`(${OPEN})('/consume/t/g?prefetch=3')`);
    await sees(3);
    // Somebody else takes the next, while the browser waits to come back.
    await produceAll(client, 't', numbered(1));
    client.send({ cmd: 'consume', topic: 't', consume_group: 'g', id: 'other' });
    await client.fence();
    await client.close();
    assert.deepEqual(
      (await sees(4)).map(({ offset }) => offset),
      [0, 1, 2, 3],
    );
  });

  it('is told why a stream ended, and gives up when it is not found any more', async () => {
    await page.evaluate(`(${OPEN})('/consume/t/g')`);
    await until(async () => (await page.evaluate<number>('opened')) === 1);
    await client.expect(200, 'remove', { topic: 't', consume_group: 'g' });
    await until(async () => (await page.evaluate<number>('source.readyState')) === CLOSED);
    assert.deepEqual(await page.evaluate('failures'), [
      { status: 404, error: 'ConsumeGroup(g) not found' },
    ]);
  });
});
