/**
 * `zbus check`: what it prints, its exit codes, and that it needs no right to write. What it finds
 * is proved in test/integration/broker/check.test.ts.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { version } from '../../../src/version.js';
import { TestBroker } from '../../support/broker.js';
import { ChildBroker } from '../../support/child-broker.js';
import { cleanUp, onCleanUp } from '../../support/cleanup.js';
import type { Client } from '../../support/client.js';
import { folderState } from '../../support/folder-state.js';
import { tempFolder } from '../../support/temp-folder.js';
import { ZbusCommand } from './zbus-command.js';

const NOBODY = 65534;
const ENTRY = join(import.meta.dirname, '../../../dist/cli/main.js');
const COUNT = 40;

interface Output {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function check(...parameters: string[]): Promise<Output> {
  const zbus = new ZbusCommand(['check', ...parameters], tempFolder());
  const code = await zbus.exit();
  return { code, stdout: zbus.stdout, stderr: zbus.stderr };
}

/** As someone who may not write the folder, whoever runs the tests. */
async function checkUnprivileged(dir: string): Promise<Output> {
  const identity = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
  const child = spawn(process.execPath, [ENTRY, 'check', dir], {
    cwd: '/',
    stdio: ['ignore', 'pipe', 'pipe'],
    ...identity,
  });
  onCleanUp(() => {
    child.kill('SIGKILL');
  });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => (output[name] += text));
  }
  await once(child, 'close');
  return { code: child.exitCode, ...output };
}

const SETTINGS = { blockBytes: 64 * 1024 };

/** A broker as a user runs it, with messages in topic mails in several blocks. */
async function startFilled(dir: string): Promise<ChildBroker> {
  const broker = await ChildBroker.start({ mqDir: dir, ...SETTINGS });
  await fill(await broker.connect());
  return broker;
}

async function fill(client: Client): Promise<void> {
  await client.expect(200, 'declare', { topic: 'mails', consume_group: 'mails' });
  for (let i = 0; i < COUNT; i++) {
    await client.expect(200, 'produce', { topic: 'mails' }, `mail ${i};`.padEnd(4000, '.'));
  }
  await client.close();
}

/** What a broker leaves that was stopped. */
async function filledFolder(): Promise<string> {
  const broker = await TestBroker.start(SETTINGS);
  await fill(await broker.connect());
  await broker.stop();
  return broker.config.mqDir;
}

function damageBody(dir: string, i: number): void {
  const folder = join(dir, 'mails');
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    const bytes = readFileSync(path);
    const at = bytes.indexOf(`mail ${i};`);
    if (!name.endsWith('.block') || at < 0) continue;
    bytes.write('M', at);
    writeFileSync(path, bytes);
  }
}

describe('zbus check', function () {
  this.timeout(30_000);
  afterEach(cleanUp);

  it('prints a line a topic and the verdict, exits 0 and changes no file', async () => {
    const dir = await filledFolder();
    const before = folderState(dir);
    const { code, stdout, stderr } = await check(dir);
    const [topic, verdict, ...rest] = stdout.split('\n');
    const line = /^mails: 40 messages, first offset 0, next 40, \d blocks, \d+ bytes, 1 group$/;
    assert.match(topic ?? '', line);
    assert.equal(verdict, 'sound: 1 topic, 40 messages, nothing lost');
    assert.deepEqual(rest, ['']);
    assert.equal(stderr, '');
    assert.equal(code, 0);
    assert.deepEqual(folderState(dir), before);
  });

  it('finds a folder sound whose broker was killed', async () => {
    const dir = tempFolder();
    await (await startFilled(dir)).kill();
    const { code, stdout } = await check(dir);
    assert.equal(code, 0, stdout);
    assert.match(stdout, /^mails: 40 messages, .*\nsound: /);
  });

  it('refuses a running broker with one line, and leaves it alone', async () => {
    const dir = tempFolder();
    const broker = await startFilled(dir);
    for (const flags of [[], ['--repair']]) {
      const { code, stdout, stderr } = await check(dir, ...flags);
      assert.match(stderr, /^zbus: Cannot check .+: a broker is running on it[^\n]+\n$/);
      assert.equal(stdout, '');
      assert.equal(code, 2);
    }
    await (await broker.connect()).expect(200, 'produce', { topic: 'mails' }, 'more');
  });

  it('names file, place and offsets of damage, what a start does, and exits 1', async () => {
    const dir = await filledFolder();
    damageBody(dir, 3);
    const { code, stdout } = await check(dir);
    assert.equal(code, 1);
    const [topic, damage, verdict, ...rest] = stdout.split('\n');
    assert.match(topic ?? '', /^mails: 39 messages, 1 lost, first offset 0, next 40, /);
    assert.match(damage ?? '', /^ {2}damage {4}0{20}\.block at \d+, \d+ bytes: damaged messages/);
    assert.match(damage ?? '', /messages, offset 3; a start skips them, serves the rest/);
    assert.equal(verdict, 'damaged: 1 topic, 39 messages, 1 lost, 1 damage');
    assert.deepEqual(rest, ['']);
  });

  it('prints everything as JSON in the shape that is documented', async () => {
    const dir = await filledFolder();
    damageBody(dir, 3);
    const { code, stdout } = await check('--json', dir);
    assert.equal(code, 1);
    const report = JSON.parse(stdout) as Record<string, unknown> & {
      topics: (Record<string, unknown> & { problems: object[]; groups: object[] })[];
    };
    const documented = readFileSync(
      join(import.meta.dirname, '../../../docs/operations.md'),
      'utf8',
    );
    const [, section = ''] = documented.split('## Checking a data folder');
    const json = /```json\n([^]*?)```/.exec(section)?.[1] ?? '';
    const example = JSON.parse(json) as typeof report;
    assert.deepEqual(Object.keys(report), Object.keys(example));
    const [topic] = report.topics;
    const [shown] = example.topics;
    assert(topic !== undefined && shown !== undefined);
    assert.deepEqual(Object.keys(topic), Object.keys(shown));
    assert.deepEqual(Object.keys(topic.groups[0] ?? {}), Object.keys(shown.groups[0] ?? {}));
    assert.deepEqual(Object.keys(topic.problems[0] ?? {}), Object.keys(shown.problems[0] ?? {}));
    assert.equal(report.verdict, 'damaged');
    assert.equal(report.lostCount, 1);
  });

  it('repairs an index on request, says so, and is then content', async () => {
    const dir = await filledFolder();
    const index = join(dir, 'mails', '00000000000000000000.index');
    const before = readFileSync(index);
    rmSync(index);
    const found = await check(dir);
    assert.match(found.stdout, /note {6}0{20}\.index: the index is missing; a start reads/);
    assert.equal(found.code, 0);
    const repaired = await check(dir, '--repair');
    assert.match(repaired.stdout, /: the index is missing; repaired: written anew\n/);
    assert.match(repaired.stdout, /\nsound: .*, 1 index repaired\n$/);
    assert.deepEqual(readFileSync(index), before);
    assert.equal((await check(dir)).stdout.split('\n').length, 3);
  });

  it('needs no right to write, and exits 2 where it may not read', async () => {
    const dir = await filledFolder();
    const folder = join(dir, 'mails');
    const paths = readdirSync(folder).map((name) => join(folder, name));
    for (const path of [...paths, join(dir, 'zbus.lock')]) chmodSync(path, 0o400);
    for (const path of [folder, dir]) chmodSync(path, 0o500);
    onCleanUp(() => {
      for (const path of [dir, folder]) chmodSync(path, 0o700);
    });
    if (process.getuid?.() === 0) {
      for (const path of [...paths, folder, join(dir, 'zbus.lock'), dir]) {
        chownSync(path, NOBODY, NOBODY);
      }
    }
    const before = folderState(dir);
    const sound = await checkUnprivileged(dir);
    assert.equal(sound.stderr, '');
    assert.match(sound.stdout, /\nsound: 1 topic, 40 messages, nothing lost\n$/);
    assert.equal(sound.code, 0);
    assert.deepEqual(folderState(dir), before);
    const [block = ''] = paths.filter((path) => path.endsWith('.block'));
    chmodSync(block, 0);
    const unread = await checkUnprivileged(dir);
    assert.match(unread.stdout, /unchecked .*\.block: it cannot be read \(open .*denied/);
    assert.match(unread.stdout, /\nnot all checked: 1 file cannot be read; /);
    assert.equal(unread.code, 2);
  });

  it('refuses what is no data folder, and a wrong command line, with exit code 2', async () => {
    const empty = tempFolder();
    const wrong = [[empty], [join(empty, 'absent')], [], [empty, '--fix'], ['a', 'b']];
    const ends = await Promise.all(wrong.map((parameters) => check(...parameters)));
    for (const [i, { code, stdout, stderr }] of ends.entries()) {
      assert.match(stderr, /^zbus: [^\n]+\n$/);
      assert.equal(stdout, '');
      assert.equal(code, 2, wrong[i]?.join(' '));
    }
    assert.deepEqual(readdirSync(empty), []);
    const help = await check('--help');
    assert.equal(help.code, 0);
    assert.match(help.stdout, /--repair/);
  });

  it('prints names of files that hold control characters on one line', async () => {
    const dir = await filledFolder();
    writeFileSync(join(dir, 'mails', 'a\u001b[2J\nsound: all'), '');
    mkdirSync(join(dir, 'B\u0007'));
    const { code, stdout } = await check(dir);
    assert.equal(code, 0);
    assert.doesNotMatch(stdout, /[\u0007\u001b]|^sound: all/m);
    assert.equal(stdout.split('\n').length, 5);
  });

  it('is in the help', async () => {
    const zbus = new ZbusCommand(['--help'], tempFolder());
    assert.equal(await zbus.exit(), 0);
    assert.match(zbus.stdout, new RegExp(`^Usage|zbus ${version}`));
    assert.match(zbus.stdout, /^ {2}check {2,}verify a data folder/m);
  });
});
