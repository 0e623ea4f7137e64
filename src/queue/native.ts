/**
 * Loads the addon and says what it exports. Used by the disk queue, its store and the folder check
 * alone. Handles
 * are opaque; every function throws a NativeError (below) on failure; callbacks run on the loop
 * that opened the engine.
 */
import type { Buffer } from 'node:buffer';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { ClosedError, StorageFailedError, StorageFullError, ZbusError } from '../errors.js';

declare const engineBrand: unique symbol;
declare const queueBrand: unique symbol;
declare const readerBrand: unique symbol;
declare const cursorBrand: unique symbol;
declare const checkBrand: unique symbol;
export interface EngineHandle {
  readonly [engineBrand]: true;
}
export interface QueueHandle {
  readonly [queueBrand]: true;
}
export interface ReaderHandle {
  readonly [readerBrand]: true;
}
export interface CursorHandle {
  readonly [cursorBrand]: true;
}

export interface CheckHandle {
  readonly [checkBrand]: true;
}

/** `code` of the errors the addon throws or hands to callbacks. */
export type NativeCode =
  | 'INVALID' // an argument breaks its rule
  | 'NOT_FOUND'
  | 'LOCKED' // another process holds the data folder
  | 'NO_SPACE' // fallocate found no room, or free space is below minFreeBytes
  | 'READ_ONLY' // a sync failed earlier: final until the queue is opened again
  | 'CLOSED'
  | 'IO'; // anything else the file system answered; the message names call, path and errno

export interface NativeError extends Error {
  readonly code: NativeCode;
}

export interface EngineOptions {
  /** Size at which a block is sealed, bytes. */
  readonly blockBytes: number;
  /** How often records and cursors nobody waits for are synced, milliseconds. */
  readonly syncIntervalMs: number;
  /** Open files the engine keeps at most. */
  readonly openFilesMax: number;
  /** Free space below which reservations answer NO_SPACE, bytes. */
  readonly minFreeBytes: number;
}

/**
 * What the flusher thread reached, several queues at once: rows of PROGRESS_WIDTH numbers [queue
 * id, written end, durable end, failed (0 | 1)]. Offsets below `written end` are in the page cache.
 */
export type OnProgress = (rows: Float64Array) => void;
export const PROGRESS_WIDTH = 4;

/** `levels` as queue_append takes them. */
export const NativeLevel = { none: 0, page: 1, disk: 2 } as const;

/**
 * A table filled by reader_read: table[0] = next offset, table[1] = bytes needed when the next
 * record is larger than the buffer (else 0), then rows of READ_WIDTH numbers from READ_ROWS on:
 * [offset, timestampMs, idStart, tagStart, wireStart, wireEnd]; the id is buffer[idStart ..
 * tagStart), the tag buffer[tagStart .. wireStart), the wire bytes buffer[wireStart .. wireEnd).
 */
export const READ_ROWS = 2;
export const READ_WIDTH = 6;

/** queue_state fills this: order of the numbers. */
export const StateField = {
  firstOffset: 0,
  nextOffset: 1,
  writtenEnd: 2,
  durableEnd: 3,
  storedBytes: 4,
  lostCount: 5,
  readOnly: 6,
  /** Bytes staged for a block that is still being rolled. */
  stagedBytes: 7,
} as const;
export const STATE_WIDTH = 8;

/** What lies in a folder. */
export interface CheckedEntry {
  readonly name: string;
  /** Of a folder: of the files in it. */
  readonly bytes: number;
  /** Permission bits. */
  readonly mode: number;
  readonly folder: boolean;
  /** False for links, pipes and devices. */
  readonly regular: boolean;
}

export interface CheckedFile extends CheckedEntry {
  readonly role:
    'definition' | 'block' | 'index' | 'cursor' | 'torn' | 'bad' | 'temporary' | 'other';
}

/** One of native/check.h; the kinds stand in broker/check-problems.ts. */
export interface CheckedProblem {
  readonly kind: string;
  /** In the topic's folder; '': the folder itself. */
  readonly file: string;
  /** Where in the file, bytes. */
  readonly position: number;
  readonly bytes: number;
  /** The offsets it is about, up to and without `offsetTo`; none when these are equal. */
  readonly offsetFrom: number;
  readonly offsetTo: number;
  /** What the file system said. */
  readonly reason: string;
  readonly repaired: boolean;
}

export interface CheckedCursor {
  /** Without the suffix. */
  readonly file: string;
  /** False when no slot can be read; then the rest says nothing. */
  readonly valid: boolean;
  readonly slotsDamaged: number;
  /** The position is one in another log. */
  readonly foreign: boolean;
  readonly group: string;
  readonly offset: number;
  readonly detail: Buffer;
}

/** What a topic's folder holds, as it will be after a start. */
export interface CheckedTopic {
  readonly firstOffset: number;
  readonly nextOffset: number;
  readonly storedBytes: number;
  readonly blockCount: number;
  readonly lostCount: number;
  /** False when a block could not be read: what is said of the log is incomplete. */
  readonly logKnown: boolean;
  /** null when absent or its checksum line is wrong. */
  readonly definition: string | null;
  readonly cursors: readonly CheckedCursor[];
  readonly files: readonly CheckedFile[];
  readonly problems: readonly CheckedProblem[];
  /** Beyond those listed. */
  readonly problemsOmitted: number;
}

type Callback<T> = (error: NativeError | null, value: T) => void;

export interface Addon {
  /** Opens the data folder (made with mode 0700 if absent) and locks it. */
  engine_open(dir: string, options: EngineOptions, onProgress: OnProgress): EngineHandle;
  /** Writes, marks and syncs every queue, stops the flusher, unlocks. Off the loop. */
  engine_close(engine: EngineHandle, done: Callback<undefined>): void;
  /** Folder names of the topics. */
  engine_list(engine: EngineHandle): string[];

  /** topic.json of a folder; null when absent or its checksum line is wrong. */
  definition_read(engine: EngineHandle, folder: string): string | null;
  /** Makes the folder if absent; temporary file, sync, rename, sync of the folder. Off the loop. */
  definition_write(
    engine: EngineHandle,
    folder: string,
    json: string,
    done: Callback<undefined>,
  ): void;
  /** Renames the folder away, then deletes it; its queue must be closed. Off the loop. */
  topic_remove(engine: EngineHandle, folder: string, done: Callback<undefined>): void;

  /** Opens and recovers, or creates. Off the loop. */
  queue_open(engine: EngineHandle, folder: string, done: Callback<QueueHandle>): void;
  /** Writes, marks, syncs, closes. Off the loop. */
  queue_close(queue: QueueHandle, done: Callback<undefined>): void;
  /** The number progress rows name it by; never reused within an engine. */
  queue_id(queue: QueueHandle): number;
  queue_state(queue: QueueHandle, out: Float64Array): void;
  /**
   * Stages a record and returns its offset. `id` (with the group's address, see batch.ts), `tag`
   * and `head` are latin1; the stored wire bytes are `head` followed by body[bodyStart .. bodyEnd).
   * NO_SPACE: nothing was staged. The timestamp is raised to the last record's if it lies before
   * it.
   */
  queue_append(
    queue: QueueHandle,
    id: string,
    tag: string,
    head: string,
    body: Buffer,
    bodyStart: number,
    bodyEnd: number,
    timestampMs: number,
    level: number,
  ): number;
  /**
   * Writes what is staged with one pwritev and returns the written end; wakes the flusher when a
   * record staged with level disk was among it. While a block is rolled, staging goes on in memory
   * and the flusher writes it. On failure everything that was staged is dropped and its offsets are
   * given out again.
   */
  queue_commit(queue: QueueHandle): number;
  /** Off the loop. */
  queue_find_time(queue: QueueHandle, timeMs: number, done: Callback<number>): void;
  /** Infinity: no rule of bytes; 0: none of age. In memory. */
  queue_retain_from(queue: QueueHandle, bytesMax: number, beforeMs: number): number;
  /** Infinity: the engine's `blockBytes`. */
  queue_limit_blocks(queue: QueueHandle, bytes: number): void;
  queue_delete_before(queue: QueueHandle, offset: number, done: Callback<undefined>): void;
  queue_empty(queue: QueueHandle, done: Callback<undefined>): void;

  /**
   * `filter` in the filter language of docs/protocol.md; null takes everything. `group`, latin1:
   * records for others are left out; null takes those for any.
   */
  reader_open(
    queue: QueueHandle,
    offset: number,
    filter: string | null,
    group: string | null,
  ): ReaderHandle;
  /**
   * Fills `buffer` with whole records below `endOffset` (and below the written end) and `table`
   * with their rows; returns how many, or -1 when the bytes are not in the page cache (then use
   * reader_read_async).
   */
  reader_read(reader: ReaderHandle, buffer: Buffer, table: Float64Array, endOffset: number): number;
  /** The same on the thread pool; the reader must not be used before `done`. */
  reader_read_async(
    reader: ReaderHandle,
    buffer: Buffer,
    table: Float64Array,
    endOffset: number,
    done: Callback<number>,
  ): void;
  reader_seek(reader: ReaderHandle, offset: number): void;
  reader_close(reader: ReaderHandle): void;

  /** Cursor file `<file>.cursor`; `name` is stored in it (UTF-8). Off the loop. */
  cursor_open(
    queue: QueueHandle,
    file: string,
    name: string,
    startOffset: number,
    create: boolean,
    done: Callback<CursorHandle>,
  ): void;
  cursor_offset(cursor: CursorHandle): number;
  /** A copy. */
  cursor_detail(cursor: CursorHandle): Buffer;
  /** Overwrites the slot that is not durable; synced by the flusher. */
  cursor_store(cursor: CursorHandle, offset: number, detail: Buffer): void;
  cursor_remove(queue: QueueHandle, file: string, done: Callback<undefined>): void;
  /** Names stored in the queue's readable cursor files. Off the loop. */
  cursor_list(queue: QueueHandle, done: Callback<string[]>): void;

  /**
   * Keeps a broker from starting on the folder until check_close. LOCKED when one is running,
   * NOT_FOUND when there is no data folder.
   */
  check_open(dir: string, repairIndexes: boolean): CheckHandle;
  check_list(check: CheckHandle): CheckedEntry[];
  /** `folder` is one of the list. What cannot be read is a problem, not an error. Off the loop. */
  check_topic(check: CheckHandle, folder: string, done: Callback<CheckedTopic>): void;
  /** So far; may be called while a topic is being checked. */
  check_bytes_read(check: CheckHandle): number;
  check_close(check: CheckHandle): void;
}

const require = createRequire(import.meta.url);
let loaded: Addon | undefined;

/**
 * The addon of this platform: built in a clone, prebuilt in the package. Throws StorageFailedError
 * with advice.
 */
export function loadAddon(): Addon {
  loaded ??= load(fileURLToPath(new URL('../../', import.meta.url)));
  return loaded;
}

function load(root: string): Addon {
  try {
    const nodeGypBuild = require('node-gyp-build') as (dir: string) => Addon;
    return nodeGypBuild(root);
  } catch (cause) {
    const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
    const libc = report.header?.glibcVersionRuntime === undefined ? 'not glibc' : 'glibc';
    throw new StorageFailedError(
      `No native queue for ${process.platform}-${process.arch} (${libc}), ` +
        `Node ${process.version}. ` +
        `Build it with a C++20 compiler: cd ${root} && npx node-gyp rebuild`,
      { cause },
    );
  }
}

/** What the addon threw, as the error the broker answers with. */
export function storageError(error: unknown): ZbusError {
  if (error instanceof ZbusError) return error;
  const { code, message } = error as NativeError;
  switch (code) {
    case 'NO_SPACE':
      return new StorageFullError(message, { cause: error, limit: 'minFreeBytes' });
    case 'CLOSED':
      return new ClosedError(message, { cause: error });
    default:
      return new StorageFailedError(message, { cause: error });
  }
}
