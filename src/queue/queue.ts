/**
 * The Queue interface: one topic's log as the broker sees it. Appends and reads complete by
 * callback, so that an engine elsewhere could stand behind it. Implemented by disk-queue.ts (native
 * engine) and memory-queue.ts, which behave alike; test/unit/queue runs one suite over both.
 */
import type { ZbusError } from '../errors.js';

/** What a cursor can hold beside its offset: a slot less its header and the longest name. */
export const CURSOR_DETAIL_BYTES_MAX = 3024;

/**
 * What a reply promises: see docs/operations.md, Durability. `memory` is reached, never asked for.
 */
export type AckLevel = 'disk' | 'page' | 'none' | 'memory';

/**
 * A message to append. `id`, `tag` and `head` are latin1 strings whose char codes are the bytes
 * (UTF-8 passes through unchanged). `head` + `body` is stored ready for the wire: header lines,
 * `content-length`, blank line, body. `body` is copied before `append` returns. With `group`, a
 * group's key (nameKey) as latin1 like `id`, the record is for that group alone: `id` and `group`
 * have at most 127 bytes each.
 */
export interface AppendRecord {
  readonly id: string;
  readonly tag: string;
  readonly head: string;
  readonly body: Buffer;
  readonly group?: string;
}

/** Called once per append: with an error, or with the offset and the level that was reached. */
export type AppendDone = (error: ZbusError | null, offset: number, reached: AckLevel) => void;

/**
 * Whole records in one Buffer, which belongs to the batch alone: a later read never overwrites it,
 * so views on it may wait in a socket. Record i has its wire bytes (header lines, blank line, body)
 * at `bytes[wireStart(i) .. wireEnd(i))`. Timestamps are milliseconds since the epoch when it was
 * stored and never decrease within a queue.
 */
export interface RecordBatch {
  readonly bytes: Buffer;
  readonly count: number;
  /** Where the next read goes on: past the last record and everything filtered out behind it. */
  readonly nextOffset: number;
  offset(i: number): number;
  timestampMs(i: number): number;
  /** Without the group that the record may be for. */
  id(i: number): string;
  tag(i: number): string;
  wireStart(i: number): number;
  wireEnd(i: number): number;
}

export type ReadDone = (error: ZbusError | null, batch: RecordBatch) => void;

/** A position in the log with a tag filter. One read at a time. */
export interface QueueReader {
  /**
   * Reads at most `maxBytes` (one record however large is always read) of readable records that
   * pass the filter. Calls back before it returns when the bytes are in memory, else later. A batch
   * with count 0 and an advanced `nextOffset` means: only unwanted records here, read on.
   */
  read(maxBytes: number, done: ReadDone): void;
  /** Moves to `offset`; clamped to the first kept record. */
  seek(offset: number): void;
  close(): void;
}

/** Position of a consume group, kept across restarts. May lag what was consumed, never lead. */
export interface Cursor {
  /**
   * Next offset to deliver, as stored; it may lie below the first kept record. One that lay above
   * the end of the log when it was opened is the end, without a detail.
   */
  readonly offset: number;
  /** What was stored beside the offset, which only the group understands; empty if nothing was. */
  readonly detail: Buffer;
  /**
   * Stores both together; written before it returns, synced within `syncIntervalMs`. Throws
   * StorageFailedError, also when `detail` has more than CURSOR_DETAIL_BYTES_MAX bytes.
   */
  store(offset: number, detail: Buffer): void;
}

export interface QueueState {
  readonly firstOffset: number;
  readonly nextOffset: number;
  /** Bytes on disk (blocks), or in memory. */
  readonly storedBytes: number;
  /** Bytes of records that wait in memory until the block before them is sealed. */
  readonly stagedBytes: number;
  /** Offsets known lost to damaged blocks; 0 in a healthy queue. */
  readonly lostCount: number;
  /** The disk failed: appends are refused until a restart. */
  readonly readOnly: boolean;
}

export interface Queue {
  /** First offset kept. */
  readonly firstOffset: number;
  /** Offset that the next append gets. */
  readonly nextOffset: number;
  /** Offsets below have reached the level they were sent with, and may be delivered. */
  readonly readableEnd: number;
  /** Set by the owner: called after `readableEnd` grew. */
  onReadable: (() => void) | null;
  /** True while so much is staged or unsynced that producers should pause. */
  readonly behind: boolean;
  /** Set by the owner: called when `behind` has become false. */
  onCaughtUp: (() => void) | null;

  /**
   * Stages a record; everything staged in a turn is written once at its end. Errors go to `done`.
   */
  append(record: AppendRecord, level: Exclude<AckLevel, 'memory'>, done: AppendDone): void;
  /**
   * With `group`, a key as in AppendRecord, the reader passes over records for other groups; with
   * null it returns those for any.
   */
  openReader(offset: number, filter: string | null, group: string | null): QueueReader;
  /**
   * Reads the one record at `offset`, whichever group it is for; `batch.count` is 0 when it is not
   * there (or not readable yet).
   */
  readOne(offset: number, done: ReadDone): void;
  /** First offset stored at or after `timeMs`; `nextOffset` when there is none. */
  findTime(timeMs: number, done: (error: ZbusError | null, offset: number) => void): void;

  /**
   * Opens the group's cursor; absent, or with `create`, it is made at `startOffset`, which is
   * clamped to the log.
   */
  openCursor(group: string, startOffset: number, create: boolean): Promise<Cursor>;
  removeCursor(group: string): Promise<void>;
  /** Names of the groups whose cursors are stored. */
  cursorNames(): Promise<string[]>;

  /**
   * The lowest offset to keep under these rules, whole blocks alone; deletes nothing. The oldest
   * blocks go while what is stored takes more than `bytesMax` on disk, counting what the last block
   * may grow to and, once that is half full, the one behind it: so with a call for each half block
   * appended the bound is held at all times. Blocks whose records are all older than `beforeMs`, a
   * time since the epoch, go too. The last block goes by age alone. In memory each record is a
   * block.
   */
  retainFrom(bytesMax: number | null, beforeMs: number | null): number;
  /**
   * Deletes whole blocks whose records all lie below `offset`, the last one too; one that finds no
   * room for its successor stays until a later call.
   */
  deleteBefore(offset: number): Promise<void>;
  /**
   * Ends blocks at `bytes`, index included, where that is less than the engine's `blockBytes`; at
   * least 64 KiB; null: the engine's. Holds from the next append on.
   */
  limitBlocks(bytes: number | null): void;
  /** Deletes every record; offsets go on. */
  empty(): Promise<void>;
  state(): QueueState;
  /** Writes and syncs what is staged, completes every append, then closes. */
  close(): Promise<void>;
}

/**
 * Where queues live. A topic's definition (topic.json) is an opaque JSON text owned by the broker;
 * topics with the memory mask have a definition on disk and a queue in memory.
 */
export interface QueueStore {
  /** Names of the stored topics, as their folders tell. */
  names(): string[];
  /**
   * null when there is none or it is unreadable: the broker then rebuilds it from folder and
   * cursors.
   */
  readDefinition(name: string): string | null;
  /** Makes the topic if absent; atomic: after a crash the old or the new definition is there. */
  writeDefinition(name: string, json: string): Promise<void>;
  /** Opens the topic's queue, making it if absent; recovers it first. */
  open(name: string, kind: 'disk' | 'memory'): Promise<Queue>;
  /** Deletes the topic's definition and records; its queue must be closed. */
  remove(name: string): Promise<void>;
  close(): Promise<void>;
}
