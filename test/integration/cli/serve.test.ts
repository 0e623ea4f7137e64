/** `zbus` and `zbus serve`: what they print, how they stop, and what they refuse. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { cleanUp, onCleanUp } from '../../support/cleanup.js';
import { Client } from '../../support/client.js';
import { tempFolder } from '../../support/temp-folder.js';
import { version } from '../../../src/version.js';
import { ZbusCommand } from './zbus-command.js';

const FREE_PORT = ['--server-address', '127.0.0.1:0'];

/** Runs a command that must be refused, and returns its one line. */
async function refusal(
  flags: string[],
  cwd: string,
  { env, exitCode = 1 }: { env?: Record<string, string>; exitCode?: number } = {},
): Promise<string> {
  const zbus = new ZbusCommand(flags, cwd, env);
  assert.equal(await zbus.exit(), exitCode);
  assert.equal(zbus.stdout, '');
  assert.match(zbus.stderr, /^zbus: [^\n]+\n$/, 'one line on stderr');
  return zbus.stderr;
}

/**
 * A consumer that asks for more than the kernel takes for it and never reads: closing must wait.
 */
async function stalledConsumer(port: number): Promise<void> {
  const producer = await Client.connect(port);
  await producer.expect(200, 'declare', { topic: 'T' });
  await producer.expect(200, 'produce', { topic: 'T' }, Buffer.alloc(8 * 1024 * 1024));
  const consumer = await Client.connect(port);
  consumer.send({ cmd: 'consume', topic: 'T', id: 'c' });
  await once(consumer.socket, 'readable');
}

describe('zbus serve', function () {
  this.timeout(30_000);
  afterEach(cleanUp);

  it('prints address, data folder, ack level and retention once it listens', async () => {
    const cwd = tempFolder();
    const zbus = new ZbusCommand(['serve', ...FREE_PORT, '--ack-level', 'page'], cwd);
    const port = await zbus.port();
    assert.equal(
      zbus.stdout,
      `zbus ${version} listening on http://127.0.0.1:${port}  data ./zbus-data  ack page  ` +
        'retention none: nothing is ever deleted\n',
    );
    const reply = await fetch(`http://127.0.0.1:${port}/ping`);
    assert.equal(await reply.text(), 'OK');
    assert.equal(zbus.stderr, '');
  });

  it('is also what zbus does without a command', async () => {
    const zbus = new ZbusCommand(['--ack-level', 'none', ...FREE_PORT], tempFolder());
    await zbus.port();
    assert.match(zbus.stdout, / {2}ack none {2}/);
  });

  it('names the rules by which messages are deleted', async () => {
    const rules = ['--retention-bytes', '8MiB', '--retention-age-ms=60000', '--retention-consumed'];
    const zbus = new ZbusCommand([...FREE_PORT, ...rules], tempFolder());
    await zbus.port();
    const text = 'beyond 8MiB a topic or older than 60000 ms or consumed by all groups';
    assert(zbus.stdout.endsWith(`  retention deletes messages ${text}\n`), zbus.stdout);
  });

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    it(`exits 0 within 5 s of ${signal} though a peer waits and one does not read`, async () => {
      const zbus = new ZbusCommand(FREE_PORT, tempFolder());
      const port = await zbus.port();
      await stalledConsumer(port);
      const waiting = await Client.connect(port);
      waiting.send({ cmd: 'consume', topic: 'T', id: 'w' });
      await waiting.fence();
      const askedAt = performance.now();
      zbus.process.kill(signal);
      assert.equal(await zbus.exit(), 0, zbus.stderr);
      assert(performance.now() - askedAt < 5000);
    });
  }

  it('exits at once with 128 + the signal at a second one', async () => {
    const zbus = new ZbusCommand(FREE_PORT, tempFolder());
    await stalledConsumer(await zbus.port());
    zbus.process.kill('SIGTERM');
    await zbus.until(() => /"stopping"/.exec(zbus.stderr));
    zbus.process.kill('SIGINT');
    assert.equal(await zbus.exit(), 130);
  });

  it('keeps what was acknowledged when it is stopped and started again', async () => {
    const cwd = tempFolder();
    const first = new ZbusCommand(FREE_PORT, cwd);
    const producer = await Client.connect(await first.port());
    await producer.expect(200, 'declare', { topic: 'T' });
    await producer.expect(200, 'produce', { topic: 'T' }, 'kept');
    first.process.kill('SIGTERM');
    assert.equal(await first.exit(), 0);
    const second = new ZbusCommand(FREE_PORT, cwd);
    const consumer = await Client.connect(await second.port());
    const message = await consumer.expect(200, 'consume', { topic: 'T' });
    assert.equal(message.body.toString(), 'kept');
  });

  it('logs into the folder of --log-dir', async () => {
    const cwd = tempFolder();
    const zbus = new ZbusCommand([...FREE_PORT, '--log-dir', 'logs'], cwd);
    await zbus.port();
    zbus.process.kill('SIGTERM');
    assert.equal(await zbus.exit(), 0);
    assert.equal(zbus.stderr, '');
    const lines = readFileSync(join(cwd, 'logs/zbus.log'), 'utf8').trimEnd().split('\n');
    const events = lines.map((line) => (JSON.parse(line) as { event: string }).event);
    assert.deepEqual(events, ['started', 'stopping', 'stopped']);
  });

  it('listens on IPv6', async () => {
    const zbus = new ZbusCommand(['--server-address', '[::1]:0'], tempFolder());
    const reply = await fetch(`http://[::1]:${await zbus.port()}/ping`);
    assert.equal(await reply.text(), 'OK');
    assert.match(zbus.stdout, /http:\/\/\[::1\]:\d+ /);
  });
});

describe('zbus serve refuses with one line and exit code 1', function () {
  this.timeout(30_000);
  afterEach(cleanUp);

  it('a port in use', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    onCleanUp(() => void other.close());
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const line = await refusal(['--server-address', `127.0.0.1:${port}`], tempFolder());
    assert.match(line, new RegExp(`127\\.0\\.0\\.1:${port}.*in use.*another`));
  });

  it('a data folder that another broker holds, and leaves that one alone', async () => {
    const cwd = tempFolder();
    const holder = new ZbusCommand(FREE_PORT, cwd);
    const port = await holder.port();
    const line = await refusal(FREE_PORT, cwd);
    assert.match(line, /zbus-data/);
    assert.match(line, /another|in use|locked/);
    const reply = await fetch(`http://127.0.0.1:${port}/ping`);
    assert.equal(reply.status, 200);
  });

  it('a data folder that cannot be made', async () => {
    const cwd = tempFolder();
    writeFileSync(join(cwd, 'file'), '');
    const line = await refusal([...FREE_PORT, '--mq-dir', 'file/data'], cwd);
    assert.match(line, /file\/data/);
  });

  it('a log folder that cannot be written', async () => {
    const cwd = tempFolder();
    mkdirSync(join(cwd, 'logs/zbus.log'), { recursive: true });
    const line = await refusal([...FREE_PORT, '--log-dir', 'logs'], cwd);
    assert.match(line, /cannot write the log in logs: EISDIR/);
  });

  it('an address that is none', async () => {
    const line = await refusal(['--server-address', '127.0.0.1'], tempFolder());
    assert.match(line, /host:port/);
  });

  it('a wrong value, wherever it comes from', async () => {
    const cwd = tempFolder();
    writeFileSync(join(cwd, 'zbus.json'), '{"topicsMax": "many"}');
    const [flag, variable, file] = await Promise.all([
      refusal(['--ack-level', 'fast'], cwd),
      refusal([], cwd, { env: { ZBUS_HEADERS_MAX: '0' } }),
      refusal(['--config', 'zbus.json'], cwd),
    ]);
    assert.match(flag, /--ack-level must be disk, page/);
    assert.match(variable, /ZBUS_HEADERS_MAX must be/);
    assert.match(file, /"topicsMax" in zbus.json must/);
  });

  it('nothing because of the variables of other commands', async () => {
    const env = { ZBUS_SERVER: '10.0.0.1:1', ZBUS_TOKEN: 'secret' };
    await new ZbusCommand(FREE_PORT, tempFolder(), env).port();
  });
});

describe('zbus refuses with one line and exit code 2', function () {
  this.timeout(30_000);
  afterEach(cleanUp);

  it('an unknown flag, and names the nearest', async () => {
    const line = await refusal(['--ack-leve', 'disk'], tempFolder(), { exitCode: 2 });
    assert.match(line, /unknown option '--ack-leve' \(Did you mean --ack-level\?\)/);
  });

  it('an unknown command, and names the nearest and all', async () => {
    const line = await refusal(['serv'], tempFolder(), { exitCode: 2 });
    assert.match(line, /unknown command 'serv'; did you mean serve\?.* serve, .*token/);
  });

  it('a command behind the options of the broker', async () => {
    const line = await refusal(['--ack-level', 'page', 'check'], tempFolder(), { exitCode: 2 });
    assert.match(line, /'check' must be the first word: zbus check/);
  });
});

describe('zbus', function () {
  this.timeout(30_000);
  afterEach(cleanUp);

  it('--version prints the version alone', async () => {
    const zbus = new ZbusCommand(['--version'], tempFolder());
    assert.equal(await zbus.exit(), 0);
    assert.equal(zbus.stdout, `${version}\n`);
  });

  it('--help shows every command, and no option of the broker', async () => {
    const zbus = new ZbusCommand(['--help'], tempFolder());
    assert.equal(await zbus.exit(), 0);
    for (const name of ['serve', 'check', 'token']) {
      assert.match(zbus.stdout, new RegExp(`^ {2}${name} `, 'm'), name);
    }
    assert(!/--mq-dir|listening/.test(zbus.stdout));
  });

  it('serve --help prints the options in groups and starts nothing', async () => {
    const zbus = new ZbusCommand(['serve', '--help'], tempFolder());
    assert.equal(await zbus.exit(), 0);
    for (const group of ['Server:', 'Storage:', 'Limits:', 'Timeouts:', 'Log:', 'Security:']) {
      assert(zbus.stdout.includes(`\n${group}\n`), group);
    }
    assert(!zbus.stdout.includes('listening'));
  });
});
