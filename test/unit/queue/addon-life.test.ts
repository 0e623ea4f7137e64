/**
 * What the addon promises when the process or the worker around it ends, and to the garbage
 * collector. Each case runs in a process of its own (addon-child.mjs), which a crash may end.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { cleanUp, onCleanUp } from '../../support/cleanup.js';
import { tempFolder } from '../../support/temp-folder.js';
import { openStore } from './queues.js';

const CHILD = fileURLToPath(new URL('addon-child.mjs', import.meta.url));
const MIB = 2 ** 20;

interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly output: string;
  readonly errors: string;
}

/** Runs addon-child.mjs to its end. */
async function runChild(task: string, dir: string, moment = ''): Promise<Ended> {
  const child = spawn(process.execPath, ['--expose-gc', CHILD, task, dir, moment]);
  onCleanUp(() => void child.kill('SIGKILL'));
  const [output, errors] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  return { code: child.exitCode, signal: child.signalCode, output, errors };
}

async function runWell(task: string, dir: string, moment?: string): Promise<string> {
  const { code, signal, output, errors } = await runChild(task, dir, moment);
  assert.deepEqual({ code, signal, errors }, { code: 0, signal: null, errors: '' });
  return output;
}

/** How many records the folder's topic holds. */
async function countRecords(dir: string): Promise<number> {
  const store = openStore(dir);
  const queue = await store.open('t', 'disk');
  return queue.nextOffset;
}

/** What addon-child.mjs has just done when it ends, and how many records it appended, committed. */
const MOMENTS: Readonly<Record<string, readonly [appended: number, committed: number]>> = {
  'right after open': [0, 0],
  'with staged records': [3, 0],
  'with a sync due': [3, 3],
  'in a progress callback': [3, 3],
  'during asynchronous reads': [3, 3],
  'while queues open': [0, 0],
  'while a queue closes': [3, 0],
  'during close': [3, 0],
};

describe('an environment that ends with its engine open', () => {
  let dir: string;
  beforeEach(() => {
    dir = tempFolder();
  });
  afterEach(cleanUp);

  for (const [moment, [appended, committed]] of Object.entries(MOMENTS)) {
    it(`keeps what was committed, calls nobody back: the process exits ${moment}`, async () => {
      assert.equal(await runWell('exit', dir, moment), '');
      const count = await countRecords(dir);
      assert(count >= committed && count <= appended, `${count} records`);
    });

    it(`closes it and calls nobody back: a worker is terminated ${moment}`, async () => {
      assert.equal(await runWell('terminate', dir, moment), '');
      assert.equal(await countRecords(dir), appended);
    });
  }

  it('ends by itself and closes the engine, which holds nobody', async () => {
    assert.equal(await runWell('idle', dir), '');
    assert.equal(await countRecords(dir), 3);
  });

  it('ends no earlier than it was told that all is durable', async () => {
    assert.equal(await runWell('due', dir), 'durable\n');
  });
});

describe('an engine in a worker thread', () => {
  afterEach(cleanUp);

  it('works beside one in the main thread', async () => {
    assert.equal(await runWell('beside', tempFolder()), 'worker read 3\nmain read 3\n');
  });
});

describe('a callback of the addon that throws', () => {
  afterEach(cleanUp);

  for (const task of ['throw from a callback', 'throw from a progress callback']) {
    it(`is an uncaught exception: ${task}`, async () => {
      const { code, signal, errors } = await runChild(task, tempFolder());
      assert.deepEqual([code, signal], [1, null]);
      assert.match(errors, /Error: thrown on purpose/);
    });
  }
});

describe('garbage collection of addon handles', () => {
  afterEach(cleanUp);

  it('frees what they held', async () => {
    const resident = /^resident (\d+)\n$/.exec(await runWell('collect', tempFolder()))?.[1];
    assert(Number(resident) < 250 * MIB, `${Number(resident) / MIB} MiB`);
  });

  it('leaves a read under way its reader, buffer and table', async () => {
    const counts = Array.from({ length: 16 }, () => 3);
    assert.equal(await runWell('collect during reads', tempFolder()), `${String(counts)}\n`);
  });
});
