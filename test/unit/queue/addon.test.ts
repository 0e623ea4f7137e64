/**
 * What the addon promises whoever calls it wrongly: an error with a code, never a crash. What it
 * promises when the process or the worker ends is in addon-life.test.ts.
 */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { createServer } from 'node:net';
import { types } from 'node:util';
import {
  type Addon,
  type CheckHandle,
  type CursorHandle,
  type EngineHandle,
  loadAddon,
  type NativeCode,
  type NativeError,
  type OnProgress,
  type QueueHandle,
  READ_ROWS,
  READ_WIDTH,
  type ReaderHandle,
  STATE_WIDTH,
  StateField,
} from '../../../src/queue/native.js';
import { cleanUp, onCleanUp } from '../../support/cleanup.js';
import { tempFolder, usedFolder } from '../../support/temp-folder.js';
import { until } from '../../support/wait.js';

const OPTIONS = { blockBytes: 65536, syncIntervalMs: 20, openFilesMax: 64, minFreeBytes: 1 };
const BODY = Buffer.from('body');

type Arguments = readonly unknown[];
/** The addon as it must bear to be called. */
type Untyped = Record<keyof Addon, (...values: Arguments) => unknown>;

const addon = loadAddon();
const untyped = addon as unknown as Untyped;

function openEngine(dir = tempFolder(), onProgress: OnProgress = () => undefined): EngineHandle {
  const engine = addon.engine_open(dir, OPTIONS, onProgress);
  onCleanUp(() => closeEngine(engine).catch(() => undefined));
  return engine;
}

function closeEngine(engine: EngineHandle): Promise<undefined> {
  return settled((done) => addon.engine_close(engine, done));
}

function openQueue(engine: EngineHandle, topic = 't'): Promise<QueueHandle> {
  return settled((done) => addon.queue_open(engine, topic, done));
}

function closeQueue(queue: QueueHandle): Promise<undefined> {
  return settled((done) => addon.queue_close(queue, done));
}

function openCursor(queue: QueueHandle): Promise<CursorHandle> {
  return settled((done) => addon.cursor_open(queue, 'g', 'g', 0, true, done));
}

function append(queue: QueueHandle, id = 'id'): number {
  return addon.queue_append(queue, id, '', '', BODY, 0, BODY.length, 1, 1);
}

function settled<T>(
  start: (done: (error: NativeError | null, value: T) => void) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, value) => {
      if (error !== null) reject(error);
      else resolve(value);
    });
  });
}

function table(rows = 8): Float64Array {
  return new Float64Array(READ_ROWS + rows * READ_WIDTH);
}

/** The first ids that the reader returns. */
function read(reader: ReaderHandle): string[] {
  const buffer = Buffer.alloc(4096);
  const rows = table();
  return idsOf(buffer, rows, addon.reader_read(reader, buffer, rows, Infinity));
}

function idsOf(buffer: Buffer, rows: Float64Array, count: number): string[] {
  return Array.from({ length: count }, (_, i) => {
    const [start, end] = rows.subarray(READ_ROWS + i * READ_WIDTH + 2);
    return buffer.toString('latin1', start, end);
  });
}

function withCode(code: NativeCode, message = /./): (error: unknown) => boolean {
  return (error) => {
    assert(error instanceof Error);
    assert.equal((error as NativeError).code, code);
    assert.match(error.message, message);
    return true;
  };
}

function openCheck(): CheckHandle {
  const check = addon.check_open(usedFolder(), false);
  onCleanUp(() => {
    addon.check_close(check);
  });
  return check;
}

/** Handles of every kind, those of a queue on one open engine. */
interface Handles {
  readonly engine: EngineHandle;
  readonly queue: QueueHandle;
  readonly reader: ReaderHandle;
  readonly cursor: CursorHandle;
  readonly check: CheckHandle;
}

async function openAll(dir?: string): Promise<Handles> {
  const engine = openEngine(dir);
  const queue = await openQueue(engine);
  return {
    engine,
    queue,
    reader: addon.reader_open(queue, 0, null, null),
    cursor: await openCursor(queue),
    check: openCheck(),
  };
}

/** A handle that is not the addon's: the stream inside a listening socket of Node. */
async function foreignHandle(): Promise<unknown> {
  const server = createServer();
  onCleanUp(() => void server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { _handle: inner } = server as unknown as { _handle: { _externalStream: unknown } };
  assert(types.isExternal(inner._externalStream));
  return inner._externalStream;
}

const NOT_STRINGS = [undefined, null, 1, {}, Buffer.from('t'), Symbol('t')];
const NOT_FUNCTIONS = [undefined, null, 'f', {}];
const NOT_COUNTS = [undefined, null, '1', 1n, -1, NaN, -Infinity, 2 ** 53, {}];
const OBJECT = { ...OPTIONS };

/** What may not stand where an argument of the kind is meant; the first is what may. */
const KINDS = {
  text: ['t', ...NOT_STRINGS],
  filter: [null, ...NOT_STRINGS.filter((value) => value !== null)],
  options: [OBJECT, undefined, null, 5, 'x', {}, { ...OBJECT, openFilesMax: '1' }],
  number: [0, ...NOT_COUNTS, Infinity],
  limit: [Infinity, ...NOT_COUNTS],
  boolean: [true, undefined, null, 0, 'true', {}],
  function: [() => undefined, ...NOT_FUNCTIONS],
  buffer: [
    Buffer.alloc(64),
    undefined,
    null,
    'b',
    [],
    new Float64Array(9),
    new DataView(BODY.buffer),
  ],
  state: [new Float64Array(STATE_WIDTH), undefined, [], BODY, new Float64Array(STATE_WIDTH - 1)],
  table: [table(1), undefined, [], BODY, new Float32Array(99), new Float64Array(READ_ROWS + 5)],
} satisfies Record<string, Arguments>;

type Kind = keyof typeof KINDS | keyof Handles;

const SIGNATURES: Record<keyof Addon, readonly Kind[]> = {
  engine_open: ['text', 'options', 'function'],
  engine_close: ['engine', 'function'],
  engine_list: ['engine'],
  definition_read: ['engine', 'text'],
  definition_write: ['engine', 'text', 'text', 'function'],
  topic_remove: ['engine', 'text', 'function'],
  queue_open: ['engine', 'text', 'function'],
  queue_close: ['queue', 'function'],
  queue_id: ['queue'],
  queue_state: ['queue', 'state'],
  queue_append: [
    ...([
      'queue',
      'text',
      'text',
      'text',
      'buffer',
      'number',
      'number',
      'number',
      'number',
    ] as const),
  ],
  queue_commit: ['queue'],
  queue_find_time: ['queue', 'number', 'function'],
  queue_retain_from: ['queue', 'limit', 'number'],
  queue_limit_blocks: ['queue', 'limit'],
  queue_delete_before: ['queue', 'limit', 'function'],
  queue_empty: ['queue', 'function'],
  reader_open: ['queue', 'number', 'filter', 'filter'],
  reader_read: ['reader', 'buffer', 'table', 'limit'],
  reader_read_async: ['reader', 'buffer', 'table', 'limit', 'function'],
  reader_seek: ['reader', 'number'],
  reader_close: ['reader'],
  cursor_open: ['queue', 'text', 'text', 'limit', 'boolean', 'function'],
  cursor_offset: ['cursor'],
  cursor_detail: ['cursor'],
  cursor_store: ['cursor', 'number', 'buffer'],
  cursor_remove: ['queue', 'text', 'function'],
  cursor_list: ['queue', 'function'],
  check_open: ['text', 'boolean'],
  check_list: ['check'],
  check_topic: ['check', 'text', 'function'],
  check_bytes_read: ['check'],
  check_close: ['check'],
};

describe('addon arguments', () => {
  let handles: Handles;
  let foreign: unknown;

  beforeEach(async () => {
    handles = await openAll();
    foreign = await foreignHandle();
  });
  afterEach(cleanUp);

  function isHandle(kind: Kind): kind is keyof Handles {
    return kind in handles;
  }

  function wrongOf(kind: Kind): Arguments {
    if (!isHandle(kind)) return KINDS[kind].slice(1);
    const { [kind]: right, ...others } = handles;
    assert(types.isExternal(right));
    return [...Object.values(others), foreign, undefined, null, 1, 'h', {}, () => undefined];
  }

  /** Arguments that break no rule; the body of an append is looked at only if it has a length. */
  function rightOf(name: keyof Addon): unknown[] {
    const right = SIGNATURES[name].map((kind) => (isHandle(kind) ? handles[kind] : KINDS[kind][0]));
    if (name === 'queue_append') right[6] = 1;
    return right;
  }

  for (const name of Object.keys(SIGNATURES) as (keyof Addon)[]) {
    it(`${name} refuses each that breaks its rule`, () => {
      for (const [i, kind] of SIGNATURES[name].entries()) {
        const refused = withCode('INVALID', new RegExp(`^argument ${i + 1} `));
        for (const wrong of wrongOf(kind)) {
          assert.throws(() => untyped[name](...rightOf(name).with(i, wrong)), refused);
        }
      }
      const refused = withCode('INVALID', /^argument 1 /);
      assert.throws(() => untyped[name](), refused);
    });
  }

  it('of an append may not end beyond its body', () => {
    const beyond = (): number =>
      addon.queue_append(handles.queue, '', '', '', BODY, 0, BODY.length + 1, 1, 1);
    assert.throws(beyond, withCode('INVALID', /^argument 7 /));
  });

  it('that throw when they are asked pass their error on', () => {
    const failure = new Error('no options today');
    const options = {
      ...OPTIONS,
      get blockBytes(): number {
        throw failure;
      },
    };
    assert.throws(
      () => addon.engine_open(tempFolder(), options, () => undefined),
      (error) => error === failure,
    );
  });

  it('that were refused leave the queue as it was', () => {
    assert.throws(() => untyped.queue_append(handles.queue, 'id', '', '', BODY, 0, 4, 1, null));
    assert.equal(append(handles.queue, 'first'), 0);
    addon.queue_commit(handles.queue);
    assert.deepEqual(read(handles.reader), ['first']);
  });

  it('may be strings of any length and every char below 256', async () => {
    const id = 'é'.repeat(255);
    const head = 'ÿ'.repeat(200_000);
    addon.queue_append(handles.queue, id, '', head, BODY, 0, 0, 1, 1);
    addon.queue_append(handles.queue, 'next', '', 'h', BODY, 0, 0, 1, 1);
    addon.queue_commit(handles.queue);
    const state = new Float64Array(STATE_WIDTH);
    await until(() => {
      addon.queue_state(handles.queue, state);
      return state[StateField.writtenEnd] === 2;
    });
    const buffer = Buffer.alloc(300_000);
    const rows = table();
    assert.equal(addon.reader_read(handles.reader, buffer, rows, 1), 1);
    const [start = 0, , wireStart = 0, wireEnd = 0] = rows.subarray(READ_ROWS + 2);
    assert.equal(buffer.toString('latin1', start, start + id.length), id);
    assert.equal(buffer.toString('latin1', wireStart, wireEnd), head);
    assert.deepEqual(read(handles.reader), ['next']);
  });
});

describe('closed addon handles', () => {
  afterEach(cleanUp);

  it('answer CLOSED on an engine closed twice, one after the other or at once', async () => {
    const engine = openEngine();
    // They run on two threads of the pool, so either may be the first.
    const both = await Promise.allSettled([closeEngine(engine), closeEngine(engine)]);
    const refused = both.filter((close) => close.status === 'rejected');
    assert.equal(refused.length, 1);
    assert(refused.every(({ reason }) => withCode('CLOSED')(reason)));
    await assert.rejects(closeEngine(engine), withCode('CLOSED'));
  });

  it('answer CLOSED on a queue closed twice', async () => {
    const queue = await openQueue(openEngine());
    await closeQueue(queue);
    await assert.rejects(closeQueue(queue), withCode('CLOSED'));
  });

  it('let a reader be closed twice and read no more', async () => {
    const { reader } = await openAll();
    addon.reader_close(reader);
    addon.reader_close(reader);
    assert.throws(() => read(reader), withCode('CLOSED'));
    assert.throws(() => addon.reader_seek(reader, 0), withCode('CLOSED'));
  });

  it('let a read under way end when its reader is closed', async () => {
    const { queue, reader } = await openAll();
    append(queue, 'first');
    append(queue, 'second');
    addon.queue_commit(queue);
    const buffer = Buffer.alloc(4096);
    const rows = table();
    const reading = settled<number>((done) => {
      addon.reader_read_async(reader, buffer, rows, Infinity, done);
    });
    assert.throws(() => read(reader), withCode('INVALID', /being read/));
    addon.reader_close(reader);
    assert.deepEqual(idsOf(buffer, rows, await reading), ['first', 'second']);
  });

  for (const closed of ['queue', 'engine'] as const) {
    it(`answer CLOSED on all that would write once the ${closed} is closed`, async () => {
      const { engine, queue, cursor } = await openAll();
      await (closed === 'queue' ? closeQueue(queue) : closeEngine(engine));
      assert.throws(() => append(queue), withCode('CLOSED'));
      assert.throws(() => addon.queue_commit(queue), withCode('CLOSED'));
      assert.throws(() => addon.cursor_store(cursor, 0, BODY), withCode('CLOSED'));
      await assert.rejects(openCursor(queue), withCode('CLOSED'));
      const emptied = settled((done) => addon.queue_empty(queue, done));
      await assert.rejects(emptied, withCode('CLOSED'));
    });
  }

  it('answer CLOSED on all that a closed engine would open', async () => {
    const engine = openEngine();
    await closeEngine(engine);
    assert.throws(() => addon.engine_list(engine), withCode('CLOSED'));
    await assert.rejects(openQueue(engine), withCode('CLOSED'));
    const written = settled((done) => addon.definition_write(engine, 't', '{}', done));
    await assert.rejects(written, withCode('CLOSED'));
  });
});

describe('two engines in one process', () => {
  afterEach(cleanUp);

  it('have each its own topics, progress and end', async () => {
    const progress: number[][] = [[], []];
    const engines = progress.map((ends) =>
      openEngine(tempFolder(), (rows) => ends.push(rows[2] ?? -1)),
    );
    const [one, two] = await Promise.all(engines.map((engine) => openQueue(engine)));
    assert(one !== undefined && two !== undefined && engines[0] !== undefined);
    append(one, 'of one');
    addon.queue_commit(one);
    await until(() => progress[0]?.includes(1) ?? false);
    await closeEngine(engines[0]);
    append(two, 'of two');
    append(two, 'of two, too');
    addon.queue_commit(two);
    assert.deepEqual(read(addon.reader_open(two, 0, null, null)), ['of two', 'of two, too']);
    await until(() => progress[1]?.includes(2) ?? false);
    assert(!progress[1]?.includes(1));
  });

  it('may not share a folder', () => {
    const dir = tempFolder();
    openEngine(dir);
    assert.throws(() => openEngine(dir), withCode('LOCKED'));
  });
});
