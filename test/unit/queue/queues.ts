/**
 * Opens the queues that the tests of this folder compare, over a fresh data folder or in memory,
 * and turns their callbacks into promises.
 */
import { Buffer } from 'node:buffer';
import type { ZbusError } from '../../../src/errors.js';
import { DiskQueue, settle } from '../../../src/queue/disk-queue.js';
import { DiskStore } from '../../../src/queue/disk-store.js';
import { MemoryQueue } from '../../../src/queue/memory-queue.js';
import { type Addon, type QueueHandle, loadAddon } from '../../../src/queue/native.js';
import type {
  AckLevel,
  AppendRecord,
  Queue,
  QueueReader,
  RecordBatch,
} from '../../../src/queue/queue.js';
import { Turn } from '../../../src/turn.js';
import { onCleanUp } from '../../support/cleanup.js';
import { tempFolder } from '../../support/temp-folder.js';

const MIB = 1024 * 1024;
/** What a cursor is stored with when nothing is to stand beside its offset. */
export const NO_DETAIL = Buffer.alloc(0);
/** The smallest the broker takes, so that a test rolls over many blocks. */
export const BLOCK_BYTES = 64 * 1024;

const ENGINE_OPTIONS = {
  blockBytes: BLOCK_BYTES,
  syncIntervalMs: 20,
  openFilesMax: 64,
  minFreeBytes: MIB,
};
/** What reader_read answers then. */
const NOT_IN_MEMORY = -1;

export function openStore(dir = tempFolder(), turn = new Turn()): DiskStore {
  const store = new DiskStore({ dir, ...ENGINE_OPTIONS, memoryTopicBytesMax: 64 * MIB }, turn);
  onCleanUp(() => store.close().catch(() => undefined));
  return store;
}

/**
 * A disk queue whose records are never in the page cache: the engine itself, but every read goes to
 * the thread pool, as it does when the backlog is larger than memory.
 */
export async function openColdDiskQueue(): Promise<Queue> {
  const addon: Addon = { ...loadAddon(), reader_read: () => NOT_IN_MEMORY };
  const queues: DiskQueue[] = [];
  const engine = addon.engine_open(tempFolder(), ENGINE_OPTIONS, (rows) => {
    const [, writtenEnd = 0, durableEnd = 0, failed = 0] = rows;
    for (const queue of queues) queue.progress(writtenEnd, durableEnd, failed !== 0);
  });
  onCleanUp(() => settle((done) => addon.engine_close(engine, done)));
  const handle = await new Promise<QueueHandle>((resolve, reject) => {
    addon.queue_open(engine, 't', (error, opened) => {
      if (error !== null) reject(error);
      else resolve(opened);
    });
  });
  const queue = new DiskQueue(addon, handle, new Turn(), 't');
  queues.push(queue);
  onCleanUp(() => queue.close());
  return queue;
}

export async function openDiskQueue(): Promise<Queue> {
  const queue = await openStore().open('t', 'disk');
  onCleanUp(() => queue.close().catch(() => undefined));
  return queue;
}

export function openMemoryQueue(bytesMax = 64 * MIB): Promise<Queue> {
  return Promise.resolve(new MemoryQueue(new Turn(), 't', bytesMax));
}

export interface Appended {
  readonly offset: number;
  readonly reached: AckLevel;
}

/** A record as produce makes it, with the body as its wire bytes' end. */
export function record(id: string, body: string | Buffer = '', tag = ''): AppendRecord {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  return { id, tag, head: `content-length: ${bytes.length}\r\n\r\n`, body: bytes };
}

export function append(
  queue: Queue,
  appended: AppendRecord,
  level: Exclude<AckLevel, 'memory'> = 'page',
): Promise<Appended> {
  return new Promise((resolve, reject) => {
    queue.append(appended, level, (error, offset, reached) => {
      if (error !== null) reject(error);
      else resolve({ offset, reached });
    });
  });
}

/**
 * Appends records with the ids `0`, `1`, … and the bodies `body 0`, …; all are readable afterwards.
 */
export async function fill(
  queue: Queue,
  count: number,
  tagOf: (n: number) => string = () => '',
): Promise<void> {
  const appended = Array.from({ length: count }, (_, n) =>
    append(queue, record(String(n), `body ${n}`, tagOf(n))),
  );
  await Promise.all(appended);
}

export function read(reader: QueueReader, maxBytes = 128 * 1024): Promise<RecordBatch> {
  return settled((done) => {
    reader.read(maxBytes, done);
  });
}

export function readOne(queue: Queue, offset: number): Promise<RecordBatch> {
  return settled((done) => {
    queue.readOne(offset, done);
  });
}

export function findTime(queue: Queue, timeMs: number): Promise<number> {
  return settled((done) => {
    queue.findTime(timeMs, done);
  });
}

export interface ReadRecord {
  readonly offset: number;
  readonly id: string;
  readonly tag: string;
  readonly wire: string;
}

export function recordsOf(batch: RecordBatch): ReadRecord[] {
  return Array.from({ length: batch.count }, (_, i) => ({
    offset: batch.offset(i),
    id: batch.id(i),
    tag: batch.tag(i),
    wire: batch.bytes.toString('latin1', batch.wireStart(i), batch.wireEnd(i)),
  }));
}

/** Everything from `offset` to the readable end that passes the filter, as the group reads it. */
export async function readAll(
  queue: Queue,
  offset = 0,
  filter: string | null = null,
  group: string | null = null,
): Promise<ReadRecord[]> {
  const reader = queue.openReader(offset, filter, group);
  const records: ReadRecord[] = [];
  for (let next = offset; next < queue.readableEnd;) {
    const batch = await read(reader);
    records.push(...recordsOf(batch));
    next = batch.nextOffset;
  }
  reader.close();
  return records;
}

function settled<T>(
  start: (done: (error: ZbusError | null, value: T) => void) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, value) => {
      if (error !== null) reject(error);
      else resolve(value);
    });
  });
}

export interface QueueKind {
  readonly name: string;
  readonly open: () => Promise<Queue>;
  /** The level that is reached when each is asked for. */
  readonly levels: Readonly<Record<'none' | 'page' | 'disk', AckLevel>>;
}

const DISK_LEVELS = { none: 'none', page: 'page', disk: 'disk' } as const;

/** What the one suite runs over. */
export const queueKinds: readonly QueueKind[] = [
  { name: 'disk queue', open: openDiskQueue, levels: DISK_LEVELS },
  {
    name: 'disk queue whose pages are not in memory',
    open: openColdDiskQueue,
    levels: DISK_LEVELS,
  },
  {
    name: 'memory queue',
    open: openMemoryQueue,
    levels: { none: 'memory', page: 'memory', disk: 'memory' },
  },
];
