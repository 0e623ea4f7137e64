/** `zbus produce`: what it stores, what it prints, and how it ends when it cannot go on. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';
import { tempFolder } from '../../support/temp-folder.js';
import { secretOf, token, tokenFile } from '../../support/tokens.js';
import { CommandRunner } from './client-commands.js';
import { ZbusCommand } from './zbus-command.js';

const LINES = 10_000;

function peakBytes({ process: { pid = 0 } }: ZbusCommand): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
}

describe('zbus produce', function () {
  this.timeout(60_000);
  afterEach(cleanUp);

  it('stores an argument with tag, headers and id, and prints its offset', async () => {
    const { client, run } = await CommandRunner.start();
    const flags = ['--tag', 'eu.paid', '-H', 'X-Shop: Käse: 7', '--id', 'order-7'];
    const zbus = await run(['produce', 'orders', 'grüße 🍵', ...flags]);
    assert.equal(zbus.stdout, '0\n');
    assert.equal(zbus.stderr, '');
    const message = await client.expect(200, 'consume', { topic: 'orders' });
    assert.equal(message.body.toString(), 'grüße 🍵');
    const text = (name: string): string =>
      Buffer.from(message.headers.get(name) ?? '', 'latin1').toString();
    assert.equal(text('tag'), 'eu.paid');
    assert.equal(text('x-shop'), 'Käse: 7');
    assert.equal(text('origin_id'), 'order-7');
    assert.equal(text('content-type'), 'text/plain; charset=utf-8');
  });

  it('stores stdin byte by byte', async () => {
    const { client, run } = await CommandRunner.start();
    const bytes = Buffer.from([0xff, 0x00, 0x0a, 0x0d, 0x0a, 0xc3]);
    const zbus = await run(['produce', 'orders', '--json'], bytes);
    const produced = JSON.parse(zbus.stdout) as Record<string, unknown>;
    assert.deepEqual(
      [produced.offset, produced.ackLevel, produced.attempts, typeof produced.id],
      [0, 'disk', 1, 'string'],
    );
    const message = await client.expect(200, 'consume', { topic: 'orders' });
    assert.deepEqual(message.body, bytes);
    assert.equal(message.headers.get('content-type'), 'application/octet-stream');
  });

  it(`stores ${LINES} lines in their order, the last one without an end, too`, async () => {
    const { client, run } = await CommandRunner.start();
    const lines = Array.from({ length: LINES }, (_, i) => `line ${i}`);
    const zbus = await run(['produce', 'orders', '--lines'], lines.join('\n'));
    const offsets = zbus.stdout.trimEnd().split('\n').map(Number);
    assert.deepEqual(offsets, [...lines.keys()]);
    for (const offset of [0, 1, LINES / 2, LINES - 1]) {
      const headers = { topic: 'orders', offset: String(offset) };
      const message = await client.expect(200, 'consume', headers);
      assert.equal(message.body.toString(), `line ${offset}`);
    }
  });

  it('keeps no more of a long stream in memory than a window', async () => {
    const { begin } = await CommandRunner.start();
    const zbus = begin(['produce', 'orders', '--lines', '--ack-level', 'page']);
    const line = Buffer.from(`${'x'.repeat(64 * 1024)}\n`);
    const count = 4096;
    for (let i = 0; i < count; i++) {
      if (!zbus.process.stdin.write(line)) await once(zbus.process.stdin, 'drain');
    }
    await zbus.until(() => new RegExp(`^${count - 1}$`, 'm').exec(zbus.stdout));
    const bytes = peakBytes(zbus);
    assert(bytes < 192 * 1024 * 1024, `${bytes} bytes for a stream of ${count * line.length}`);
    zbus.process.stdin.end();
    assert.equal(await zbus.exit(), 0);
  });

  it('ends at Ctrl-C with exit code 130, and says how many were acknowledged', async () => {
    const { begin, json } = await CommandRunner.start();
    const zbus = begin(['produce', 'orders', '--lines']);
    zbus.process.stdin.write('a\nb\nc\nnot complete');
    await zbus.until(() => /^2$/m.exec(zbus.stdout));
    zbus.process.kill('SIGINT');
    assert.equal(await zbus.exit(), 130);
    assert.equal(zbus.stdout, '0\n1\n2\n');
    assert.equal(zbus.stderr, 'zbus: interrupted: 3 messages acknowledged\n');
    assert.equal((await json()).messageDepth, 3);
  });

  it('holds to --rate', async () => {
    const { client, run } = await CommandRunner.start();
    await run(['produce', 'orders', 'tick', '--count', '20', '--rate', '50']);
    const timeOf = async (offset: string): Promise<number> => {
      const message = await client.expect(200, 'consume', { topic: 'orders', offset });
      return Number(message.headers.get('timestamp'));
    };
    const tookMs = (await timeOf('19')) - (await timeOf('0'));
    // 19 pauses of 20 ms, less what a late first message makes up for.
    assert(tookMs >= 380 - 100 - 20, `${tookMs} ms`);
  });

  it('takes back what consume --json printed: body, tag, headers, id', async () => {
    const { produce, client, run } = await CommandRunner.start();
    const umlaut = Buffer.from('ü').toString('latin1');
    await produce(Buffer.from([0xfe, 0x01]), { tag: 'a.b', 'x-one': umlaut, id: 'first' });
    await produce('text', { id: 'second', 'content-type': 'text/csv' });
    const lines = (await run(['consume', 'orders', '--json', '-n', '2'])).stdout;
    await run(['produce', 'copy', '--json-lines', '--declare'], lines);
    const first = await client.expect(200, 'consume', { topic: 'copy' });
    assert.deepEqual(first.body, Buffer.from([0xfe, 0x01]));
    assert.equal(first.headers.get('tag'), 'a.b');
    assert.equal(first.headers.get('origin_id'), 'first');
    assert.equal(first.headers.get('x-one'), umlaut);
    const second = await client.expect(200, 'consume', { topic: 'copy' });
    assert.equal(second.body.toString(), 'text');
    assert.equal(second.headers.get('content-type'), 'text/csv');
  });

  it('stops at the first line that cannot be sent, and says how many were', async () => {
    const { begin, json } = await CommandRunner.start();
    const zbus = begin(['produce', 'orders', '--json-lines']);
    zbus.process.stdin.end('{"body":"a"}\n{"body":"b"}\n{"bodi":"c"}\n{"body":"d"}\n');
    assert.equal(await zbus.exit(), 1);
    assert.equal(zbus.stdout, '0\n1\n');
    assert.match(zbus.stderr, /^zbus: 2 messages acknowledged\nzbus: line 3 must have body/);
    assert.equal((await json()).messageDepth, 2);
  });

  it('refuses a command line that breaks a rule with exit code 2, and sends nothing', async () => {
    const { refusal, json } = await CommandRunner.start();
    const cases: readonly [flags: readonly string[], reason: RegExp][] = [
      [['a', '--lines'], /--lines and --json-lines read stdin or --file/],
      [['a', '--count', '2', '--id', 'x'], /--id names one message alone/],
      [['a', '--count', '0'], /whole number from 1/],
      [['a', '--header', 'x'], /'name: value'/],
      [['a', 'b'], /too many arguments/],
    ];
    await Promise.all(
      cases.map(async ([flags, reason]) => {
        assert.match(await refusal(['produce', 'orders', ...flags], 2), reason);
      }),
    );
    assert.equal((await json()).messageDepth, 0);
  });

  it('refuses an unknown topic with exit code 1 and advice; --declare makes it', async () => {
    const { refusal, run } = await CommandRunner.start();
    const line = await refusal(['produce', 'odrers', 'x'], 1);
    assert.match(line, /Topic\(odrers\) not found; make it with: zbus topic declare odrers/);
    assert.equal((await run(['produce', 'odrers', 'x', '--declare'])).stdout, '0\n');
  });

  it('exits 3 with advice when there is no broker', async () => {
    const { refusal, broker } = await CommandRunner.start();
    const server = `127.0.0.1:${broker.port}`;
    await broker.stop();
    const line = await refusal(['produce', 'orders', 'x', '-s', server], 3);
    assert.match(line, /Cannot connect to 127\.0\.0\.1:\d+: .*is a broker running there\?/);
  });

  it('says who asks by ZBUS_TOKEN or --token-from, and is told when it must', async () => {
    const shop = token('shop', ['produce', 'declare']);
    const broker = await TestBroker.start({ tokenFile: tokenFile([shop]) });
    const cwd = tempFolder();
    const run = async (flags: string[], env: Record<string, string>): Promise<ZbusCommand> => {
      const server = `127.0.0.1:${broker.port}`;
      const parameters = ['produce', 'orders', 'x', '--declare', '-s', server, ...flags];
      const zbus = new ZbusCommand(parameters, cwd, env);
      zbus.process.stdin.end();
      await zbus.exit();
      return zbus;
    };
    writeFileSync(join(cwd, 'secret'), `${secretOf('shop')}\n`);
    assert.equal((await run([], { ZBUS_TOKEN: secretOf('shop') })).stdout, '0\n');
    assert.equal((await run(['--token-from', 'secret'], {})).stdout, '1\n');
    const refused = await run([], { ZBUS_TOKEN: 'a-wrong-secret-of-length' });
    assert.equal(refused.process.exitCode, 1);
    assert.match(refused.stderr, /^zbus: [^\n]*; give the token in ZBUS_TOKEN, or [^\n]+\n$/);
    assert(!refused.stderr.includes('a-wrong-secret'));
  });
});
