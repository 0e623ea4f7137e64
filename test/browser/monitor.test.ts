/**
 * The monitor page against a broker with real traffic: what it shows comes from the wire, and what
 * it does is checked there.
 */
import assert from 'node:assert/strict';
import { exec } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Browser, chromium } from 'playwright-core';
import { compileTypeScript } from '../../scripts/compile-typescript.mjs';
import type { Bus } from '../../src/client/bus.js';
import { connect } from '../../src/client/connect.js';
import { startBroker } from '../../src/embedded.js';
import { NotFoundError } from '../../src/errors.js';
import { Mask } from '../../src/protocol/masks.js';
import { TestBroker } from '../support/broker.js';
import { cleanUp, onCleanUp } from '../support/cleanup.js';
import { needProgram } from '../support/programs.js';
import { secretOf, token, tokenFile } from '../support/tokens.js';
import { until } from '../support/wait.js';
import { MonitorPage } from './monitor-page.js';

const HTML = '<img src=x onerror="document.title=1">';
const TOPICS = 10_000;
const ROWS_FILL_THE_WINDOW = `(() => {
  const rows = [...document.querySelectorAll('.row')].map((row) => row.getBoundingClientRect());
  const seen = rows.filter(({ top, bottom }) => bottom > 120 && top < innerHeight);
  return seen.length > 0 && seen[0].top <= 160 && seen.at(-1).bottom >= innerHeight - 80;
})()`;

describe('the monitor page', function () {
  this.timeout(60_000);
  let browser: Browser;

  before(async function () {
    const executablePath = needProgram(this, 'chromium', 'chromium');
    needProgram(this, 'curl', 'curl');
    compileTypeScript();
    browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  });
  after(async () => {
    // Undefined where there is no Chromium.
    await (browser as Browser | undefined)?.close();
  });
  afterEach(cleanUp);

  async function busOf(broker: TestBroker, secret?: string): Promise<Bus> {
    const options = secret === undefined ? {} : { token: secret };
    const bus = await connect(`127.0.0.1:${broker.port}`, options);
    onCleanUp(() => bus.close({ timeoutMs: 0 }));
    return bus;
  }

  describe('with a broker', () => {
    let broker: TestBroker;
    let bus: Bus;

    beforeEach(async () => {
      broker = await TestBroker.start();
      bus = await busOf(broker);
    });

    function open(hash?: string): Promise<MonitorPage> {
      return MonitorPage.open(browser, broker.port, hash);
    }

    it('tells a new broker how to begin, and shows what comes', async () => {
      const monitor = await open();
      await monitor.heading('No topics yet').waitFor();
      await monitor.sees(`curl 'http://127.0.0.1:${broker.port}/produce/hello'`);
      await bus.declare('t');
      await bus.produce('t', 'x');
      await monitor.heading('No topics yet').waitFor({ state: 'detached' });
      assert.deepEqual([...monitor.origins], [`http://127.0.0.1:${broker.port}`]);
    });

    it('makes, pauses, resumes, empties and removes a topic', async () => {
      const monitor = await open('#/topics');
      await monitor.button('New topic').click();
      await monitor.field('Name').fill('orders');
      await monitor.button('Make it').click();
      await monitor.heading('orders').waitFor();
      assert.equal((await bus.query('orders')).topicName, 'orders');
      await bus.produce('orders', 'x');
      await monitor.button('Pause').first().click();
      await until(async () => (await bus.query('orders')).mask === Mask.pause);
      await monitor.button('Resume').first().click();
      await until(async () => (await bus.query('orders')).mask === 0);
      await monitor.button('Empty').click();
      assert.equal(await monitor.button('Empty it').isDisabled(), true);
      await monitor.field('Type orders to confirm').fill('orders');
      await monitor.button('Empty it').click();
      await until(async () => (await bus.query('orders')).messageDepth === 0);
      await monitor.page.getByRole('dialog').waitFor({ state: 'detached' });
      await monitor.page.locator('main > .tools').getByText('Remove').click();
      await monitor.field('Type orders to confirm').fill('orders');
      await monitor.button('Remove it').click();
      await monitor.heading('Topics').waitFor();
      await assert.rejects(bus.query('orders'), NotFoundError);
    });

    it('makes a group, moves it, skips its messages and removes it', async () => {
      await bus.declare('t');
      for (let i = 0; i < 5; i++) await bus.produce('t', `body ${i}`);
      const monitor = await open('#/topic/t');
      await monitor.button('New group').click();
      await monitor.field('Name').fill('g');
      await monitor.field('Filter of tags (empty takes all)').fill('a.*');
      await monitor.button('Make it').click();
      const row = monitor.row('g');
      await row.waitFor();
      assert.equal((await bus.query('t', { group: 'g' })).filter, 'a.*');
      await row.getByRole('button', { name: 'Move', exact: true }).click();
      await monitor.field('To').selectOption('offset');
      await monitor.page.getByRole('spinbutton', { name: 'Offset' }).fill('3');
      await monitor.button('Move it').click();
      await until(async () => (await bus.query('t', { group: 'g' })).messageCount === 2);
      await row.getByRole('button', { name: 'Skip all' }).click();
      await monitor.field('Type g to confirm').fill('g');
      await monitor.button('Skip them').click();
      await until(async () => (await bus.query('t', { group: 'g' })).messageCount === 0);
      await row.getByRole('button', { name: 'Remove' }).click();
      await monitor.field('Type g to confirm').fill('g');
      await monitor.button('Remove it').click();
      await row.waitFor({ state: 'detached' });
      await assert.rejects(bus.query('t', { group: 'g' }), NotFoundError);
    });

    it('finds, shows and sends again a message, consuming none', async () => {
      await bus.declare('t', { group: 't' });
      for (let i = 0; i < 60; i++) await bus.produce('t', { number: i }, { tag: `tag.${i % 2}` });
      await bus.produce('t', HTML, { headers: { own: HTML } });
      const monitor = await open('#/topic/t');
      await monitor.button('Open message 60').waitFor();
      await monitor.sees(HTML);
      await monitor.field('Text').fill('"NUMBER":41}');
      await monitor.button('Search').click();
      await monitor.button('Open message 60').waitFor({ state: 'detached' });
      await monitor.button('Open message 41').click();
      await monitor.sees('tag.1');
      await monitor.button('hex').click();
      await monitor.sees('000000  7b 22 6e');
      await monitor.button('Edit and resend').click();
      await monitor.field('Body').fill('changed');
      await monitor.button('Send').click();
      await monitor.sees('Stored as message 61');
      const { tag, headers } = await bus.client.read('t', 61);
      assert.deepEqual([tag, headers['content-type']], ['tag.1', 'application/json']);
      assert.equal((await bus.query('t', { group: 't' })).messageCount, 62);
      assert.equal(await monitor.page.title(), 'zbus', 'no script of a message has run');
    });

    it('copies a message as a curl command that sends it again, and no file', async () => {
      const body = `@${fileURLToPath(import.meta.url)}`;
      await bus.declare('t');
      await bus.produce('t', body, { tag: "it's" });
      const monitor = await open('#/topic/t');
      await monitor.page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
      await monitor.button('Open message 0').click();
      await monitor.button('Copy as curl').click();
      const command = await monitor.page.evaluate<string>('navigator.clipboard.readText()');
      await promisify(exec)(`${command} -s`);
      const again = await bus.client.read('t', 1);
      assert.equal(Buffer.from(again.bytes).toString(), body);
      assert.equal(again.tag, "it's");
    });

    it('follows live what is produced', async () => {
      await bus.declare('t');
      const monitor = await open('#/topic/t');
      await monitor.sees('No messages found.');
      await monitor.field('Follow live').check();
      await bus.produce('t', 'came just now');
      await monitor.sees('came just now');
    });

    it('sends dead messages back', async () => {
      await bus.declare('t', { group: 'g', mask: Mask.ackRequired, maxAttempts: 1 });
      await bus.produce('t', 'poison');
      for await (const message of bus.consume('t', { group: 'g' })) {
        await message.nack();
        break;
      }
      await until(async () => (await bus.query('t', { group: 'g' })).deadCount === 1);
      const monitor = await open('#/topic/t');
      await monitor.button('Redrive').click();
      await monitor.button('Send them back').click();
      await until(async () => (await bus.query('t', { group: 'g' })).messageCount === 1);
    });

    it('calls a service', async () => {
      await bus.serve('calc', { plus: (a: number, b: number) => a + b });
      const monitor = await open('#/rpc');
      await monitor.row('calc').waitFor();
      await monitor.field('Method').fill('plus');
      await monitor.field('Parameters, a JSON list').fill('[40, 2]');
      await monitor.button('Call').click();
      await monitor.page.getByText('42', { exact: true }).waitFor();
      await monitor.field('Method').fill('minus');
      await monitor.button('Call').click();
      await monitor.sees('failed after');
    });

    it('goes on by itself when the broker has been restarted', async () => {
      await bus.declare('t');
      const monitor = await open('#/topic/t');
      await monitor.heading('Groups').waitFor();
      const { port } = broker;
      await broker.stop();
      await monitor.sees('The broker is not reached');
      const serverAddress = `127.0.0.1:${port}`;
      broker = await TestBroker.start({ mqDir: broker.config.mqDir, serverAddress });
      await monitor.page.locator('.banner').waitFor({ state: 'hidden' });
      await (await busOf(broker)).produce('t', 'after the restart');
      await monitor.button('Search').click();
      await monitor.sees('after the restart');
    });

    it('can be used with the keyboard alone', async () => {
      await bus.declare('orders');
      const monitor = await open();
      const { keyboard } = monitor.page;
      await monitor.heading('Overview').waitFor();
      for (let i = 0; i < 3; i++) await keyboard.press('Tab');
      await keyboard.press('Enter');
      await monitor.heading('Topics').waitFor();
      await keyboard.press('/');
      await keyboard.type('ord');
      await monitor.sees('1 of 1 topics');
      await keyboard.press('Tab');
      await keyboard.press('Enter');
      await monitor.page.getByRole('dialog').waitFor();
      await keyboard.press('Escape');
      await monitor.page.getByRole('dialog').waitFor({ state: 'detached' });
    });

    it('is open to everyone, in light and dark, and on a telephone', async () => {
      await bus.declare('orders', { group: 'g', mask: Mask.ackRequired });
      await bus.serve('calc', { plus: (a: number, b: number) => a + b });
      await bus.produce('orders', { total: 1 });
      const monitor = await open();
      for (const colorScheme of ['light', 'dark'] as const) {
        await monitor.page.emulateMedia({ colorScheme });
        for (const view of ['', 'topics', 'topic/orders', 'rpc', 'try']) {
          await monitor.page.setViewportSize({ width: 1280, height: 800 });
          await monitor.view(`#/${view}`);
          await monitor.page.getByRole('heading', { level: 1 }).waitFor();
          assert.deepEqual(await monitor.violations(), [], `${view} ${colorScheme}`);
          await monitor.page.setViewportSize({ width: 360, height: 640 });
          const width = await monitor.page.evaluate<number>('document.body.scrollWidth');
          assert(width <= 360, `${view} is ${width} pixels wide`);
        }
      }
    });
  });

  it('asks for a token, shows what it allows, and the broker refuses the rest', async () => {
    const tokens = [
      token('admin', ['*']),
      token('looker', ['server', 'consume', 'query']),
      token('producer', ['produce']),
    ];
    const broker = await TestBroker.start({ tokenFile: tokenFile(tokens) });
    const bus = await busOf(broker, secretOf('admin'));
    await bus.declare('t');
    const monitor = await MonitorPage.open(browser, broker.port);
    const logIn = async (name: string): Promise<void> => {
      await monitor.field('Token').fill(secretOf(name));
      await monitor.button('Log in').click();
      await monitor.field('Token').waitFor({ state: 'detached' });
    };
    await logIn('looker');
    await monitor.heading('Overview').waitFor();
    await monitor.view('#/topic/t');
    await monitor.heading('Messages').waitFor();
    for (const name of ['Produce', 'Pause', 'Settings', 'Empty', 'Remove', 'New group']) {
      assert.equal(await monitor.button(name).count(), 0, name);
    }
    const removed = await monitor.page.request.get(`http://127.0.0.1:${broker.port}/remove/t`);
    assert.equal(removed.status(), 403);
    await monitor.button('Log out').click();
    await logIn('admin');
    await monitor.view('#/topic/t');
    await monitor.button('Produce').waitFor();
    await monitor.button('Log out').click();
    await logIn('producer');
    await monitor.sees('The page is not shown: Not allowed to token producer: server');
  });

  it('shows the topics of other brokers that it tracks', async () => {
    const broker = await TestBroker.start();
    const other = await TestBroker.start({ trackerList: [`127.0.0.1:${broker.port}`] });
    await (await busOf(broker)).declare('here');
    await (await busOf(other)).declare('there');
    const monitor = await MonitorPage.open(browser, broker.port);
    await monitor.heading('Other brokers').waitFor();
    await monitor.view('#/topics');
    await monitor.row('there').waitFor();
    await monitor.row('here').waitFor();
    await monitor.field('Server').selectOption(`127.0.0.1:${other.port}`);
    await monitor.row('here').waitFor({ state: 'detached' });
    await monitor.row('there').getByRole('link').click();
    await monitor.heading('there').waitFor();
    assert.equal(new URL(monitor.page.url()).port, String(other.port));
  });

  it(`shows ${TOPICS} topics, and draws all that is scrolled to`, async () => {
    const names = Array.from({ length: TOPICS }, (_, i) => `topic-${String(i).padStart(5, '0')}`);
    const broker = await startBroker({ memory: true });
    onCleanUp(() => broker.close());
    const bus = await broker.connect();
    for (const name of names) await bus.declare(name);
    const monitor = await MonitorPage.open(browser, broker.port, '#/topics');
    await monitor.row('topic-00000').waitFor();
    const paintMs = await monitor.page.evaluate<number>('performance.now()');
    console.log(`      ${TOPICS} topics are there after ${Math.round(paintMs)} ms`);
    for (const place of [0.3, 0.77, 1]) {
      await monitor.page.evaluate(`scrollTo(0, document.body.scrollHeight * ${place})`);
      await until(() => monitor.page.evaluate<boolean>(ROWS_FILL_THE_WINDOW));
    }
    await monitor.row('topic-09999').waitFor();
    await monitor.field('Search').fill('0777');
    await monitor.sees(`11 of ${TOPICS.toLocaleString('en')} topics`);
  });
});
