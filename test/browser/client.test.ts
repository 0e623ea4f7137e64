/** The client in a real browser: messages, groups, RPC, losses of the connection, the end. */
import assert from 'node:assert/strict';
import { type Browser, chromium } from 'playwright-core';
import { compileTypeScript } from '../../scripts/compile-typescript.mjs';
import type { Bus } from '../../src/client/bus.js';
import { connect } from '../../src/client/connect.js';
import { TestBroker } from '../support/broker.js';
import { cleanUp, onCleanUp } from '../support/cleanup.js';
import { needProgram } from '../support/programs.js';
import { rpcCases } from '../support/rpc-cases.js';
import { until } from '../support/wait.js';
import { ClientPage } from './client-page.js';
import { type Calculator, calculator } from './page-program.js';

const MIB = 1024 * 1024;
/** Chromium says so by itself whenever a WebSocket cannot be opened. */
const NOT_OPENED = /^WebSocket connection to '.*' failed/;

describe('the client in a browser', function () {
  this.timeout(60_000);
  let browser: Browser | undefined;
  let broker: TestBroker;
  let page: ClientPage;
  /** What the browser may complain about in this test. */
  let expected: RegExp | undefined;

  before(async function () {
    const executablePath = needProgram(this, 'chromium', 'chromium');
    compileTypeScript();
    browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  });
  after(() => browser?.close());

  beforeEach(async () => {
    assert(browser !== undefined);
    expected = undefined;
    broker = await TestBroker.start();
    page = await ClientPage.open(browser, `http://127.0.0.1:${broker.port}/`);
    assert.equal(await page.run('open'), 'connected');
  });
  afterEach(async () => {
    await page.page.close();
    await cleanUp();
    page.checkComplaints(expected);
  });

  /** Another client of the same broker, in Node. */
  async function openBus(): Promise<Bus> {
    const bus = await connect(`127.0.0.1:${broker.port}`);
    onCleanUp(() => bus.close({ timeoutMs: 0 }));
    return bus;
  }

  it('produces, gives back and acknowledges', async () => {
    const outcome = await page.run('produceAndAck', 3);
    assert.deepEqual(outcome.sort(), ['0 0', '0 1', '0 2', '1 0', '1 1', '1 2']);
  });

  it('carries text, values and bytes as they are', async () => {
    assert.deepEqual(await page.run('bodies'), [
      'ß text/plain; charset=utf-8 ',
      'ß text/plain; charset=utf-8 é 😀 \r\n',
      'ß application/json {"text":"ü","list":[1,null]}',
      'ß application/octet-stream true',
      'ß application/octet-stream true',
      'ß  ',
    ]);
  });

  it('carries a body of 16 MiB both ways', async () => {
    assert.equal(await page.run('roundTrip', 16 * MIB), true);
  });

  it('consumes what the filter of its group lets through', async () => {
    const tags = ['eu.paid', 'us.paid', 'eu.open', ''];
    assert.deepEqual(await page.run('filtered', 'eu.*', tags), ['eu.paid', 'eu.open']);
  });

  it('goes on by itself when the broker comes back', async () => {
    expected = NOT_OPENED;
    await (await openBus()).declare('t', { group: 't' });
    await page.run('consumeOn', 't');
    await (await openBus()).produce('t', 'before');
    await until(async () => (await page.run('seenSoFar')).includes('before'));
    await broker.stop();
    await until(async () => (await page.run('state')) === 'connecting');
    const serverAddress = `127.0.0.1:${broker.port}`;
    broker = await TestBroker.start({ mqDir: broker.config.mqDir, serverAddress });
    const sent = page.run('produce', 't', 0);
    await (await openBus()).produce('t', 'after');
    await until(async () => (await page.run('seenSoFar')).includes('after'));
    assert.equal(await sent, 'ok');
  });

  it('ends its consumers and its connection when it is closed', async () => {
    const bus = await openBus();
    await bus.declare('t', { group: 't' });
    await page.run('consumeOn', 't');
    const consumers = async (): Promise<number> => (await bus.query('t')).consumerCount;
    await until(async () => (await consumers()) === 1);
    assert.equal(await page.run('close'), 'closed');
    await until(async () => (await page.run('seenSoFar')).includes('the end'));
    assert.equal(await consumers(), 0);
    assert.match(await page.run('produce', 't', 1), /^ClosedError ZBUS_CLOSED/);
  });

  it('calls a service', async () => {
    await (await openBus()).serve('calc', calculator);
    assert.equal(await page.run('callPlus', 'calc', 1, 2), 3);
    const nested = { text: 'é 😀', list: [1, [null, { deep: true }]] };
    assert.deepEqual(await page.run('callEcho', 'calc', nested), nested);
    const [name, code, message] = (await page.run('callFail', 'calc')) as string[];
    assert.deepEqual([name, code, message], ['RpcError', 'TOLD', 'as it was told']);
    assert.equal(await page.run('callMany', 'calc', 1000), true);
  });

  it('is a service', async () => {
    await page.run('serve', 'calc');
    const calc = (await openBus()).rpc<Calculator>('calc');
    assert.equal(await calc.plus(1, 2), 3);
    assert.deepEqual(await calc.echo({ list: ['é'] }), { list: ['é'] });
    await assert.rejects(calc.fail(), { code: 'TOLD', message: 'as it was told' });
    const sums = await Promise.all(Array.from({ length: 1000 }, (_, i) => calc.plus(i, 1)));
    assert.deepEqual(
      sums,
      sums.map((_, i) => i + 1),
    );
  });

  for (const { name } of rpcCases) {
    it(`RPC between pages: ${name}`, () => page.run('runRpcCase', name));
  }

  it('says that a page cannot speak TCP', async () => {
    assert.match(await page.run('refusal', 'tcp://h'), /^BadRequestError .*begin with ws:\/\//);
  });

  it('takes addresses of the broker as people write them', async () => {
    for (const prefix of ['', 'ws://', 'http://']) {
      const address = `${prefix}127.0.0.1:${broker.port}`;
      assert.equal(await page.run('open', address), 'connected', address);
    }
  });
});
