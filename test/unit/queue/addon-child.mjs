/**
 * A process that uses the addon and ends with it, on plain Node so that nothing else is loaded. Run
 * by addon-life.test.ts as `node addon-child.mjs <task> <data folder> [moment]`; the tasks and the
 * moments are the tables below.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';

/** @typedef {import('../../../src/queue/native.js').Addon} Addon */
/** @typedef {import('../../../src/queue/native.js').EngineHandle} EngineHandle */
/** @typedef {import('../../../src/queue/native.js').QueueHandle} QueueHandle */

const require = createRequire(import.meta.url);
/** @type {unknown} */
const loader = require('node-gyp-build');
const load = /** @type {(root: string) => Addon} */ (loader);
const addon = load(fileURLToPath(new URL('../../../', import.meta.url)));

const [task = '', dir = '', moment = ''] = process.argv.slice(2);
const OPTIONS = { blockBytes: 65536, syncIntervalMs: 20, openFilesMax: 64, minFreeBytes: 1 };
const BODY = Buffer.from('body');
const DISK = 2;
const TABLE_NUMBERS = 2 + 6 * 64;
const IN_PROGRESS = 'in a progress callback';
/** More than the thread pool has threads, so that some wait for one. */
const READERS = 16;

/** @param {string} text */
function say(text) {
  writeSync(1, `${text}\n`);
}

/**
 * @template T
 * @param {(done: (error: Error | null, value: T) => void) => void} start
 * @returns {Promise<T>}
 */
function settled(start) {
  return new Promise((resolve, reject) => {
    start((error, value) => {
      if (error === null) resolve(value);
      else reject(error);
    });
  });
}

/** @param {(rows: Float64Array) => void} [onProgress] */
async function open(onProgress = () => undefined) {
  const engine = addon.engine_open(dir, OPTIONS, onProgress);
  /** @type {QueueHandle} */
  const queue = await settled((done) => {
    addon.queue_open(engine, 't', done);
  });
  return { engine, queue };
}

/** @param {EngineHandle} engine */
async function close(engine) {
  await settled((done) => {
    addon.engine_close(engine, done);
  });
}

/**
 * @param {QueueHandle} queue
 * @param {number} count
 */
function append(queue, count) {
  for (let i = 0; i < count; i++) {
    addon.queue_append(queue, 'id', '', '', BODY, 0, BODY.length, 1, DISK);
  }
}

/** @param {QueueHandle} queue */
function readFromAll(queue) {
  for (let i = 0; i < READERS; i++) {
    const reader = addon.reader_open(queue, 0, null, null);
    const table = new Float64Array(TABLE_NUMBERS);
    addon.reader_read_async(reader, Buffer.alloc(4096), table, Infinity, late);
  }
}

/** What nobody may call once the environment has ended. */
function late() {
  say('called back');
}

/**
 * What has just been done when the environment ends.
 * @type {Record<string, (engine: EngineHandle, queue: QueueHandle) => void>}
 */
const MOMENTS = {
  'right after open': () => undefined,
  'with staged records': (_, queue) => {
    append(queue, 3);
  },
  'with a sync due': (_, queue) => {
    append(queue, 3);
    addon.queue_commit(queue);
  },
  'during asynchronous reads': (_, queue) => {
    append(queue, 3);
    addon.queue_commit(queue);
    readFromAll(queue);
  },
  [IN_PROGRESS]: (_, queue) => {
    append(queue, 3);
    addon.queue_commit(queue);
  },
  'while queues open': (engine) => {
    for (let i = 0; i < READERS; i++) addon.queue_open(engine, `new-${i}`, late);
  },
  'while a queue closes': (_, queue) => {
    append(queue, 3);
    addon.queue_close(queue, late);
  },
  'during close': (engine, queue) => {
    append(queue, 3);
    addon.engine_close(engine, late);
  },
};

/** @param {() => void} end */
async function endAtMoment(end) {
  const { engine, queue } = await open(() => {
    if (moment === IN_PROGRESS) end();
  });
  await nextTurn();
  const reach = MOMENTS[moment];
  assert(reach !== undefined);
  reach(engine, queue);
  if (moment !== IN_PROGRESS) end();
}

/** Tells the main thread, and is never back on the loop. */
function awaitTermination() {
  parentPort?.postMessage('reached');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

/** @type {Record<string, () => Promise<void>>} */
const TASKS = {
  exit: () => endAtMoment(() => process.exit()),
  /** The same in a worker that is terminated; then the folder is free for this process. */
  terminate: async () => {
    if (!isMainThread) {
      await endAtMoment(awaitTermination);
      return;
    }
    const worker = new Worker(new URL(import.meta.url), { argv: ['terminate', dir, moment] });
    await new Promise((resolve) => worker.once('message', resolve));
    await worker.terminate();
    const { engine } = await open();
    await close(engine);
  },
  /** Waits for nothing: what is due must hold the process, the open engine must not. */
  due: async () => {
    const { queue } = await open((rows) => {
      if (rows[2] === 3) say('durable');
    });
    append(queue, 3);
    addon.queue_commit(queue);
  },
  idle: async () => {
    const { queue } = await open();
    append(queue, 3);
  },
  /** This thread and a worker, each with an engine of its own. */
  beside: async () => {
    if (!isMainThread) {
      say(`worker read ${await roundTrip()}`);
      return;
    }
    const worker = new Worker(new URL(import.meta.url), { argv: ['beside', join(dir, 'worker')] });
    const ended = once(worker, 'exit');
    const count = await roundTrip();
    assert.deepEqual(await ended, [0]);
    say(`main read ${count}`);
  },
  'throw from a callback': () => {
    const engine = addon.engine_open(dir, OPTIONS, () => undefined);
    addon.queue_open(engine, 't', () => {
      throw new Error('thrown on purpose');
    });
    return Promise.resolve();
  },
  'throw from a progress callback': async () => {
    const { queue } = await open(() => {
      throw new Error('thrown on purpose');
    });
    append(queue, 1);
    addon.queue_commit(queue);
  },
  collect: async () => {
    const { engine, queue } = await open();
    // Held by nothing but a filter of its own, so that readers that stay would take 400 MB.
    const filter = 'x'.repeat(200_000);
    for (let i = 0; i < 2000; i++) {
      addon.reader_open(queue, 0, filter + String(i), null);
      if (i % 100 === 99) await collectGarbage();
    }
    say(`resident ${process.memoryUsage().rss}`);
    await close(engine);
  },
  'collect during reads': async () => {
    const { engine, queue } = await open();
    append(queue, 3);
    addon.queue_commit(queue);
    const reads = Array.from({ length: READERS }, () => readUnheld(queue));
    await collectGarbage();
    say(String(await Promise.all(reads)));
    await close(engine);
  },
};

/**
 * Reads with a reader, a buffer and a table that only the read itself holds.
 * @param {QueueHandle} queue
 * @returns {Promise<number>}
 */
function readUnheld(queue) {
  return settled((done) => {
    const reader = addon.reader_open(queue, 0, null, null);
    const buffer = Buffer.from(new ArrayBuffer(1 << 20));
    addon.reader_read_async(reader, buffer, new Float64Array(TABLE_NUMBERS), Infinity, done);
  });
}

/** Appends, reads and closes; returns how many were read. */
async function roundTrip() {
  const { engine, queue } = await open();
  append(queue, 3);
  addon.queue_commit(queue);
  const count = await readUnheld(queue);
  await close(engine);
  return count;
}

/** Finalizers run in a turn after that of the collection. */
async function collectGarbage() {
  assert(globalThis.gc !== undefined);
  globalThis.gc();
  await nextTurn();
}

const run = TASKS[task];
assert(run !== undefined);
await run();
