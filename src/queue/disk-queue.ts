/**
 * A topic's log on disk: the Queue interface over the native engine. Made by DiskStore. Appends are
 * staged as they come, written once at the end of the turn, and acknowledged when they have reached
 * the level they were sent with.
 */
import type { Buffer } from 'node:buffer';
import { ClosedError, StorageFailedError, type ZbusError } from '../errors.js';
import { folderName, nameKey } from '../protocol/names.js';
import { Phase, type Turn, type TurnTask } from '../turn.js';
import { addressedId, TableBatch } from './batch.js';
import { DiskReader } from './disk-reader.js';
import {
  type Addon,
  type CursorHandle,
  type NativeError,
  NativeLevel,
  type QueueHandle,
  STATE_WIDTH,
  StateField,
  storageError,
} from './native.js';
import { PendingAppends } from './pending-appends.js';
import type {
  AckLevel,
  AppendDone,
  AppendRecord,
  Cursor,
  Queue,
  QueueReader,
  QueueState,
  ReadDone,
} from './queue.js';

/** Bytes accepted and not yet at their level, above which producers should pause. */
const BEHIND_BYTES = 32 * 1024 * 1024;

export class DiskQueue implements Queue, TurnTask {
  scheduled = false;
  onReadable: (() => void) | null = null;
  onCaughtUp: (() => void) | null = null;
  /** Set by DiskStore: called once the engine is done with the queue, well or not. */
  onClosed: (() => void) | null = null;
  readonly #addon: Addon;
  readonly #handle: QueueHandle;
  readonly #turn: Turn;
  readonly #name: string;
  readonly #state = new Float64Array(STATE_WIDTH);
  /** Waiting for pwritev, and for fdatasync. */
  readonly #toWrite = new PendingAppends();
  readonly #toSync = new PendingAppends();
  #nextOffset: number;
  #writtenEnd: number;
  #durableEnd: number;
  #readableEnd: number;
  /** First offset whose sync failed: it never reached its level, so nobody is to see it. */
  #failedFrom = Infinity;
  #behind = false;
  #closed = false;

  constructor(addon: Addon, handle: QueueHandle, turn: Turn, name: string) {
    this.#addon = addon;
    this.#handle = handle;
    this.#turn = turn;
    this.#name = name;
    addon.queue_state(handle, this.#state);
    this.#nextOffset = this.#field('nextOffset');
    this.#writtenEnd = this.#nextOffset;
    this.#durableEnd = this.#field('durableEnd');
    this.#readableEnd = this.#nextOffset;
  }

  get firstOffset(): number {
    return this.state().firstOffset;
  }

  get nextOffset(): number {
    return this.#nextOffset;
  }

  get readableEnd(): number {
    return this.#readableEnd;
  }

  get behind(): boolean {
    return this.#behind;
  }

  append(record: AppendRecord, level: Exclude<AckLevel, 'memory'>, done: AppendDone): void {
    if (this.#closed) {
      done(new ClosedError(`Topic(${this.#name}) is closed`), -1, 'none');
      return;
    }
    const { tag, head, body } = record;
    let offset: number;
    try {
      offset = this.#addon.queue_append(
        this.#handle,
        addressedId(record),
        tag,
        head,
        body,
        0,
        body.length,
        Date.now(),
        NativeLevel[level],
      );
    } catch (error) {
      done(storageError(error), -1, 'none');
      return;
    }
    this.#nextOffset = offset + 1;
    const bytes = head.length + body.length;
    if (level === 'disk') this.#toSync.push(offset, bytes, done);
    else this.#toWrite.push(offset, bytes, level === 'none' ? null : done);
    this.#behind ||= this.#toWrite.bytes + this.#toSync.bytes > BEHIND_BYTES;
    this.#turn.schedule(Phase.write, this);
    if (level === 'none') done(null, offset, 'none');
  }

  /** Writes what this turn staged. */
  endTurn(): void {
    if (this.#closed) return;
    let writtenEnd: number;
    try {
      writtenEnd = this.#addon.queue_commit(this.#handle);
    } catch (error) {
      this.#dropStaged(storageError(error));
      return;
    }
    this.#advance(writtenEnd, this.#durableEnd);
  }

  /** For DiskStore: what the flusher thread reached. */
  progress(writtenEnd: number, durableEnd: number, failed: boolean): void {
    if (failed) {
      this.#dropStaged(
        new StorageFailedError(
          `Topic(${this.#name}) is read-only: its disk failed; check it, then restart the broker`,
        ),
        durableEnd,
      );
      return;
    }
    this.#advance(writtenEnd, durableEnd);
  }

  openReader(offset: number, filter: string | null, group: string | null): QueueReader {
    const handle = this.#addon.reader_open(this.#handle, offset, filter, group);
    return new DiskReader(this.#addon, handle, offset, () => this.#readableEnd);
  }

  readOne(offset: number, done: ReadDone): void {
    const end = Math.min(offset + 1, this.#readableEnd);
    const reader = new DiskReader(
      this.#addon,
      this.#addon.reader_open(this.#handle, offset, null, null),
      offset,
      () => end,
    );
    reader.read(1, (error, batch) => {
      reader.close();
      const found = batch.count === 1 && batch.offset(0) === offset;
      done(error, found ? batch : TableBatch.empty(batch.nextOffset));
    });
  }

  findTime(timeMs: number, done: (error: ZbusError | null, offset: number) => void): void {
    this.#addon.queue_find_time(this.#handle, timeMs, (error, offset) => {
      if (error !== null) done(storageError(error), -1);
      else done(null, offset);
    });
  }

  async openCursor(group: string, startOffset: number, create: boolean): Promise<Cursor> {
    const file = this.#cursorFile(group);
    const handle = await new Promise<CursorHandle>((resolve, reject) => {
      this.#addon.cursor_open(this.#handle, file, group, startOffset, create, (error, cursor) => {
        if (error !== null) reject(storageError(error));
        else resolve(cursor);
      });
    });
    return new DiskCursor(this.#addon, handle);
  }

  removeCursor(group: string): Promise<void> {
    return settle((done) => {
      this.#addon.cursor_remove(this.#handle, this.#cursorFile(group), done);
    });
  }

  cursorNames(): Promise<string[]> {
    return new Promise((resolve, reject) => {
      this.#addon.cursor_list(this.#handle, (error, names) => {
        if (error !== null) reject(storageError(error));
        else resolve(names);
      });
    });
  }

  retainFrom(bytesMax: number | null, beforeMs: number | null): number {
    return this.#addon.queue_retain_from(
      this.#handle,
      bytesMax ?? Infinity,
      Math.max(0, beforeMs ?? 0),
    );
  }

  limitBlocks(bytes: number | null): void {
    this.#addon.queue_limit_blocks(this.#handle, bytes ?? Infinity);
  }

  deleteBefore(offset: number): Promise<void> {
    return settle((done) => {
      this.#addon.queue_delete_before(this.#handle, offset, done);
    });
  }

  async empty(): Promise<void> {
    this.endTurn();
    await settle((done) => {
      this.#addon.queue_empty(this.#handle, done);
    });
  }

  state(): QueueState {
    if (!this.#closed) this.#addon.queue_state(this.#handle, this.#state);
    return {
      firstOffset: this.#field('firstOffset'),
      nextOffset: this.#nextOffset,
      storedBytes: this.#field('storedBytes'),
      stagedBytes: this.#field('stagedBytes'),
      lostCount: this.#field('lostCount'),
      readOnly: this.#field('readOnly') !== 0,
    };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.endTurn();
    this.#closed = true;
    try {
      await settle((done) => {
        this.#addon.queue_close(this.#handle, done);
      });
    } catch (error) {
      this.#failAll(storageError(error));
      throw error;
    } finally {
      this.onClosed?.();
    }
    this.#advance(this.#nextOffset, this.#nextOffset);
  }

  #advance(writtenEnd: number, durableEnd: number): void {
    this.#writtenEnd = Math.max(this.#writtenEnd, writtenEnd);
    this.#durableEnd = Math.max(this.#durableEnd, durableEnd);
    this.#toWrite.completeBelow(this.#writtenEnd, 'page');
    this.#toSync.completeBelow(this.#durableEnd, 'disk');
    this.#updateBehind();
    const readableEnd = Math.min(this.#writtenEnd, this.#toSync.firstOffset, this.#failedFrom);
    if (readableEnd > this.#readableEnd) {
      this.#readableEnd = readableEnd;
      this.onReadable?.();
    }
  }

  /**
   * The engine dropped what was staged, or failed for good: no one waits in vain, and offsets that
   * the engine gives out again are taken back.
   */
  #dropStaged(error: ZbusError, durableEnd = this.#durableEnd): void {
    this.#addon.queue_state(this.#handle, this.#state);
    this.#nextOffset = this.#field('nextOffset');
    this.#advance(this.#field('writtenEnd'), durableEnd);
    if (this.#field('readOnly') !== 0) this.#failAll(error);
    else {
      this.#toWrite.failFrom(this.#nextOffset, error);
      this.#toSync.failFrom(this.#nextOffset, error);
    }
    this.#updateBehind();
  }

  #failAll(error: ZbusError): void {
    this.#failedFrom = Math.min(this.#failedFrom, this.#toSync.firstOffset);
    this.#toWrite.failFrom(0, error);
    this.#toSync.failFrom(0, error);
  }

  #updateBehind(): void {
    if (!this.#behind || this.#toWrite.bytes + this.#toSync.bytes > BEHIND_BYTES / 2) return;
    this.#behind = false;
    this.onCaughtUp?.();
  }

  #cursorFile(group: string): string {
    return folderName(nameKey(group));
  }

  #field(name: keyof typeof StateField): number {
    return this.#state[StateField[name]] ?? 0;
  }
}

class DiskCursor implements Cursor {
  readonly #addon: Addon;
  readonly #handle: CursorHandle;

  constructor(addon: Addon, handle: CursorHandle) {
    this.#addon = addon;
    this.#handle = handle;
  }

  get offset(): number {
    return this.#addon.cursor_offset(this.#handle);
  }

  get detail(): Buffer {
    return this.#addon.cursor_detail(this.#handle);
  }

  store(offset: number, detail: Buffer): void {
    try {
      this.#addon.cursor_store(this.#handle, offset, detail);
    } catch (error) {
      throw storageError(error);
    }
  }
}

/** A native call that completes by callback, as a promise. */
export function settle(call: (done: (error: NativeError | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    call((error) => {
      if (error !== null) reject(storageError(error));
      else resolve();
    });
  });
}
