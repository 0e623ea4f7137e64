/**
 * The commands of README and docs, run as written: every `sh` block of a page in order in one
 * folder against a broker of its own (the one that the README's first block starts), every `js`
 * block as a program, or as a test of mocha. A comment line under a command is the output that it
 * must print. Two things
 * differ from a reader's machine: the package comes from the tarball, and the port is a free one.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cleanUp } from '../support/cleanup.js';
import { needProgram } from '../support/programs.js';
import { type Installed, installPackage, root } from './installed.js';
import { startBroker } from './installed-broker.js';

const run = promisify(execFile);
const PORT = '15555';

interface Command {
  readonly text: string;
  /** What it must print; null when the README does not say. */
  readonly output: string | null;
}

function blocks(page: string, language: string): string[] {
  const text = readFileSync(join(root, page), 'utf8');
  const pattern = new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms');
  return [...text.matchAll(pattern)].map(([, block = '']) => block);
}

function commands(page: string): Command[] {
  const lines = blocks(page, 'sh').join('').trimEnd().split('\n');
  return lines.flatMap((text, i) => {
    if (text.startsWith('# ')) return [];
    const next = lines[i + 1] ?? '';
    return [{ text, output: next.startsWith('# ') ? next.slice(2) : null }];
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

describe('the documents', function () {
  this.timeout(300_000);
  let installed: Installed;

  before(async function () {
    needProgram(this, 'curl', 'curl');
    needProgram(this, 'ab', 'apache2-utils');
    installed = await installPackage();
  });
  afterEach(cleanUp);

  /** Runs them against the broker on `port`; curl fails on a status of 400 and above. */
  async function runAll(page: readonly Command[], port: number): Promise<void> {
    const home = mkdtempSync(join(installed.folder, 'curl-'));
    const env = { ...installed.env, CURL_HOME: home, ZBUS_SERVER: `127.0.0.1:${port}` };
    writeFileSync(join(env.CURL_HOME, '.curlrc'), 'fail\nsilent\nshow-error\n');
    assert(page.length > 0, 'the page has lost its commands');
    for (const { text, output } of page) {
      const { stdout } = await run('sh', ['-c', text.replaceAll(PORT, `${port}`)], {
        cwd: installed.folder,
        env,
      });
      assert.doesNotMatch(stdout, /Non-2xx|Failed requests: +[1-9]/, text);
      if (output !== null) assert.equal(stdout.replace(/\n$/, ''), output, text);
    }
  }

  it('have a README whose commands do what it says', async () => {
    const port = await freePort();
    const [install, start, ...rest] = commands('README.md');
    assert.equal(install?.text, 'npm install zbus');
    assert.equal(start?.text, 'npx zbus');
    await startBroker(installed, 'npx', 'zbus', '--server-address', `127.0.0.1:${port}`);
    await runAll(rest, port);
  });

  for (const page of ['docs/protocol.md', 'docs/operations.md']) {
    it(`have commands in ${page} that work in their order`, async () => {
      const { port } = await startBroker(installed, 'npx', 'zbus', ...ownBroker());
      await runAll(commands(page), port);
    });
  }

  for (const page of ['README.md', 'docs/client.md']) {
    it(`have programs in ${page} that run, and print what they say`, async () => {
      const programs = blocks(page, 'js').filter((program) => !isTest(program));
      assert(programs.length > 0, 'the page has lost its programs');
      const { port } = await startBroker(installed, 'npx', 'zbus', ...ownBroker());
      for (const program of programs) {
        const parameters = ['--input-type=module', '--eval', program.replaceAll(PORT, `${port}`)];
        const { stdout } = await run('node', parameters, inFolder());
        assert.equal(stdout, outputOf(program), program);
      }
    });
  }

  it('have a program with produce, consume and RPC that is at most 24 lines long', () => {
    const [first = ''] = blocks('README.md', 'js');
    for (const call of ['produce', 'consume', 'serve', 'rpc']) assert(first.includes(`.${call}(`));
    assert(first.trimEnd().split('\n').length <= 24);
  });

  it('have tests with a broker inside that pass', async () => {
    const tests = blocks('README.md', 'js').filter(isTest);
    assert(tests.length > 0, 'the page has lost its test');
    const mocha = join(root, 'node_modules/mocha/bin/mocha.js');
    for (const [i, test] of tests.entries()) {
      const file = join(installed.folder, `readme-${i}.test.js`);
      writeFileSync(file, test);
      const { stdout } = await run('node', [mocha, '--no-config', file], inFolder());
      assert.match(stdout, /[1-9]\d* passing/);
    }
  });

  function inFolder(): { cwd: string; env: NodeJS.ProcessEnv } {
    return { cwd: installed.folder, env: installed.env };
  }

  function ownBroker(): string[] {
    const mqDir = mkdtempSync(join(installed.folder, 'data-'));
    return ['--server-address', '127.0.0.1:0', '--mq-dir', mqDir];
  }
});

function isTest(program: string): boolean {
  return program.includes('describe(');
}

/** The comments that follow what prints. */
function outputOf(program: string): string {
  const lines = program.split('\n').map((line) => line.trim());
  const printed = lines.filter((line, i) => {
    return line.startsWith('// ') && lines[i - 1]?.startsWith('console.log(');
  });
  return printed.map((line) => `${line.slice('// '.length)}\n`).join('');
}
