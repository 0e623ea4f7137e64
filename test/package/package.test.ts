/** What ships works where nothing can be compiled and no install script runs. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cleanUp } from '../support/cleanup.js';
import { type Installed, installPackage, root } from './installed.js';
import { startBroker } from './installed-broker.js';

const run = promisify(execFile);

describe('the package', function () {
  this.timeout(300_000);
  let installed: Installed;

  before(async () => {
    installed = await installPackage();
  });
  afterEach(cleanUp);

  it('is installed where there is no compiler', async () => {
    for (const program of ['c++', 'g++', 'cc', 'make', 'cmake', 'python3']) {
      await assert.rejects(run(program, ['--version'], { env: installed.env }), /ENOENT/, program);
    }
  });

  it('prints its version', async () => {
    const { stdout } = await run('npx', ['zbus', '--version'], {
      cwd: installed.folder,
      env: installed.env,
    });
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      version: string;
    };
    assert.equal(stdout.trim(), version);
  });

  it('keeps messages and positions when it is stopped and started again', async () => {
    const command = ['node_modules/.bin/zbus', '--server-address', '127.0.0.1:0'] as const;
    const first = await startBroker(installed, ...command);
    const before = `http://127.0.0.1:${first.port}`;
    await get(`${before}/declare/T/g`);
    for (const body of ['one', 'two', 'three']) await get(`${before}/produce/T`, body);
    assert.equal(await get(`${before}/consume/T/g`), 'one');
    assert.equal(await first.stop(), 0);

    const second = await startBroker(installed, ...command);
    const after = `http://127.0.0.1:${second.port}`;
    assert.equal(await get(`${after}/consume/T/g`), 'two');
    const topic = JSON.parse(await get(`${after}/query/T`)) as { messageDepth: number };
    assert.equal(topic.messageDepth, 3);
    assert.equal(await second.stop(), 0);
  });

  it('has types that a strict program compiles against', async () => {
    const program = `
      import { type Bus, connect, Mask, startBroker } from 'zbus';
      import { type Config, ConfigError, createLog, defaultConfig, loadConfig, Server,
        StorageFullError, version, ZbusError } from 'zbus';
      const config: Config = loadConfig({ flags: { ackLevel: 'page' }, env: process.env });
      const level: 'disk' | 'page' | 'none' = config.ackLevel;
      const logDir: string | null = defaultConfig.logDir;
      const server = new Server({ ...config, mqDir: 'x' }, createLog({ logDir, verbose: false }));
      const { host, port }: { host: string; port: number } = await server.start();
      await server.close();
      const full: ZbusError = new StorageFullError('full');
      const code: \`ZBUS_\${string}\` = full.code;
      const text = [host, port, version, level, code].join();
      if (full.status === 507) throw new ConfigError(text);
      const bus: Bus = await connect(['127.0.0.1:1', 'ws://localhost:2'], { tls: { ca: 'x' } });
      const { attempts }: { attempts: number } = await bus.produce('T', { a: 1 }, { tag: 'x' });
      for await (const message of bus.consume<{ a: number }>('T', { mask: Mask.ackRequired })) {
        const a: number = message.json().a + attempts;
        await message.nack({ delayMs: a });
      }
      const depth: number = (await bus.query('T')).messageDepth;
      const window: number | undefined = (await bus.query('T', { group: 'g' })).ackWindow;
      await using broker = await startBroker({ memory: true, ackLevel: 'page' });
      text.concat(broker.address, String(depth), String(window));
      // @ts-expect-error what a level may be is known
      await bus.produce('T', 'x', { ackLevel: 'fast' });
      // @ts-expect-error a level that does not exist must not compile
      config.ackLevel satisfies 'fast';
    `;
    writeFileSync(join(installed.folder, 'program.ts'), program);
    const compilerOptions = {
      module: 'nodenext',
      target: 'ES2022',
      strict: true,
      noEmit: true,
      types: ['node'],
      typeRoots: [join(root, 'node_modules/@types')],
    };
    const tsconfig = JSON.stringify({ compilerOptions, files: ['program.ts'] });
    writeFileSync(join(installed.folder, 'tsconfig.json'), tsconfig);
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    await run(process.execPath, [tsc, '-p', installed.folder]).catch((error: unknown) => {
      assert.fail((error as { stdout: string }).stdout);
    });
  });

  it('holds what it needs and nothing else', () => {
    const folder = join(installed.folder, 'node_modules/zbus');
    for (const path of [
      'README.md',
      'LICENSE',
      'CHANGELOG.md',
      'SECURITY.md',
      'ARCHITECTURE.md',
      'docs/protocol.md',
      'docs/client.md',
      'docs/operations.md',
      'docs/disk-format.md',
      'binding.gyp',
      'native/addon.cc',
      'dist/index.d.ts',
      `prebuilds/${process.platform}-${process.arch}`,
    ]) {
      assert(existsSync(join(folder, path)), `${path} is missing`);
    }
    for (const path of ['test', 'native/test', 'src', 'scripts', 'build', 'bench', '.ci']) {
      assert(!existsSync(join(folder, path)), `${path} does not belong there`);
    }
  });
});

async function get(url: string, body?: string): Promise<string> {
  const response = await fetch(url, body === undefined ? {} : { method: 'POST', body });
  const text = await response.text();
  assert.equal(response.status, 200, `${url}: ${text}`);
  return text;
}
