/** `zbus rpc call` and `zbus rpc serve` as users run them, against each other. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { spawn } from 'node:child_process';
import { root } from '../../../scripts/toolchain.mjs';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';
import { rpcJson } from '../../support/rpc-service.js';
import { tempFolder } from '../../support/temp-folder.js';
import { until } from '../../support/wait.js';
import { ZbusCommand } from './zbus-command.js';

const CALC = `
  export const plus = (a, b) => a + b;
  export const echo = (...params) => params;
  export const bytes = () => new Uint8Array([0, 255, 10]);
  export const fail = () => { throw Object.assign(new Error('no luck'), { code: 'E_LUCK' }); };
  export const hold = () =>
    new Promise((resolve) => process.once('SIGUSR2', () => resolve('held')));
  export const notAMethod = 5;
`;

describe('zbus rpc', () => {
  let broker: TestBroker;
  let folder: string;

  beforeEach(async () => {
    broker = await TestBroker.start();
    folder = tempFolder();
  });
  afterEach(cleanUp);

  function zbus(...flags: string[]): ZbusCommand {
    const env = { ZBUS_SERVER: `127.0.0.1:${broker.port}` };
    return new ZbusCommand(['rpc', ...flags], folder, env);
  }

  async function serve(text: string, file = 'calc.mjs', ...flags: string[]): Promise<ZbusCommand> {
    writeFileSync(join(folder, file), text);
    const command = zbus('serve', 'calc', file, ...flags);
    await command.until(() => (command.stderr.includes('Ctrl-C ends it') ? true : null));
    return command;
  }

  async function result(...flags: string[]): Promise<unknown> {
    const command = zbus('call', ...flags);
    assert.equal(await command.exit(), 0, command.stderr);
    assert.equal(command.stderr, '');
    return JSON.parse(command.stdout);
  }

  it('serves the exported functions, and calls them with JSON or text', async () => {
    const service = await serve(CALC);
    assert.match(service.stderr, /serves bytes, echo, fail, hold, plus of calc from calc\.mjs/);
    assert.equal(await result('calc', 'plus', '1', '-2.5'), -1.5);
    const params = ['Ann', '"1"', '{"ü":[null]}', 'true', '007', ''];
    const values = ['Ann', '1', { ü: [null] }, true, '007', ''];
    assert.deepEqual(await result('calc', 'echo', ...params), values);
    assert.deepEqual(await result('calc', 'echo', '--text', '1', 'true'), ['1', 'true']);
  });

  it('digits that a number cannot hold are refused, not changed', async () => {
    const command = zbus('call', 'calc', 'echo', '12345678901234567890');
    assert.equal(await command.exit(), 2);
    assert.match(command.stderr, /12345678901234567890 is too large for an exact number/);
  });

  it('prints bytes and, with --raw, text as they are', async () => {
    await serve(`${CALC} export const greet = () => 'Grüße';`);
    const call = spawn(
      process.execPath,
      [join(root, 'dist/cli/main.js'), 'rpc', 'call', 'calc', 'bytes'],
      { env: { ...process.env, ZBUS_SERVER: `127.0.0.1:${broker.port}` } },
    );
    assert.deepEqual(await buffer(call.stdout), Buffer.from([0, 255, 10]));
    const raw = zbus('call', 'calc', 'greet', '--raw');
    assert.equal(await raw.exit(), 0);
    assert.equal(raw.stdout, 'Grüße\n');
  });

  it('sends --body as it is, and prints the answer as it is', async () => {
    await serve('export default (request) => `${request.bytes.length} bytes`;');
    const command = zbus('call', 'calc', '--body', 'größe');
    assert.equal(await command.exit(), 0, command.stderr);
    assert.equal(command.stdout, '7 bytes');
  });

  it('an error is one line with code and message, and exit code 1', async () => {
    await serve(CALC);
    const lines = {
      fail: 'zbus: E_LUCK: no luck\n',
      minus: 'zbus: ZBUS_RPC_NO_METHOD: no method minus\n',
    };
    await Promise.all(
      Object.entries(lines).map(async ([method, line]) => {
        const command = zbus('call', 'calc', method);
        assert.equal(await command.exit(), 1);
        assert.equal(command.stderr, line);
        assert.equal(command.stdout, '');
      }),
    );
  });

  it('says when nobody serves the topic, and how to', async () => {
    const command = zbus('call', 'calc', 'plus');
    assert.equal(await command.exit(), 1);
    assert.match(command.stderr, /^zbus: ZBUS_NOT_FOUND: .*zbus rpc serve calc FILE\n$/);
  });

  it('with --wait a call waits for a service to come', async () => {
    const first = await serve(CALC);
    first.process.kill('SIGINT');
    await first.exit();
    const command = zbus('call', 'calc', 'plus', '1', '2', '--wait', '20000');
    const client = await broker.connect();
    await until(async () => (await rpcJson(client)).queuedCount === 1);
    await serve(CALC);
    assert.equal(await command.exit(), 0, command.stderr);
    assert.equal(command.stdout, '3\n');
  });

  it('Ctrl-C answers the calls in hand before the service ends with 0', async () => {
    const service = await serve(CALC);
    const call = zbus('call', 'calc', 'hold');
    const client = await broker.connect();
    await until(async () => (await rpcJson(client)).inHandCount === 1);
    service.process.kill('SIGINT');
    await service.until(() => (service.stderr.includes('answers the 1 calls') ? true : null));
    service.process.kill('SIGUSR2');
    assert.equal(await service.exit(), 0, service.stderr);
    assert.equal(await call.exit(), 0, call.stderr);
    assert.equal(call.stdout, '"held"\n');
  });

  it('serves what CommonJS exports, and an instance with its class methods', async () => {
    const common = await serve('exports.plus = (a, b) => a + b;', 'calc.cjs');
    assert.equal(await result('calc', 'plus', '1', '2'), 3);
    common.process.kill('SIGINT');
    await common.exit();
    await serve(
      'class Names { #all = ["Ann"]; list() { return this.#all; } } export default new Names();',
      'names.mjs',
      '--module',
      'names',
    );
    assert.deepEqual(await result('calc', 'list', '--module', 'names'), ['Ann']);
  });

  for (const [what, text, reason] of [
    ['a class', 'export default class Calc {}', /exports a class: export an instance/],
    ['no function', 'export const one = 1;', /exports no function that could be a method/],
    ['what does not parse', 'export const = 1;', /cannot load bad\.mjs: SyntaxError/],
  ] as const) {
    it(`refuses to serve ${what}`, async () => {
      writeFileSync(join(folder, 'bad.mjs'), text);
      const command = zbus('serve', 'calc', 'bad.mjs');
      assert.equal(await command.exit(), 1);
      assert.match(command.stderr, reason);
    });
  }
});
