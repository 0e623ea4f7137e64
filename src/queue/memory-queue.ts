/**
 * A topic's log in memory, for topics with the memory mask: the Queue interface with the behaviour
 * of the disk queue, but for what a restart leaves. Records are kept in the layout that readers
 * hand out, so a read copies nothing. Bounded by bytes: StorageFullError when full.
 */
import { Buffer } from 'node:buffer';
import { ClosedError, StorageFailedError, StorageFullError, type ZbusError } from '../errors.js';
import { compileFilter } from '../protocol/filter.js';
import { nameKey } from '../protocol/names.js';
import { Phase, type Turn, type TurnTask } from '../turn.js';
import { TableBatch } from './batch.js';
import { MemoryLog, type MemoryRecord, recordCost } from './memory-log.js';
import { READ_ROWS, READ_WIDTH } from './native.js';
import {
  type AckLevel,
  type AppendDone,
  type AppendRecord,
  type Cursor,
  CURSOR_DETAIL_BYTES_MAX,
  type Queue,
  type QueueReader,
  type QueueState,
  type ReadDone,
} from './queue.js';

interface Appended {
  readonly offset: number;
  readonly done: AppendDone;
}

const NO_DETAIL = Buffer.alloc(0);

export class MemoryQueue implements Queue, TurnTask {
  scheduled = false;
  onReadable: (() => void) | null = null;
  onCaughtUp: (() => void) | null = null;
  readonly behind = false;
  readonly #turn: Turn;
  readonly #name: string;
  readonly #bytesMax: number;
  readonly #cursors = new Map<string, MemoryCursor>();
  readonly #log = new MemoryLog();
  #readableEnd = 0;
  #lastTimestampMs = 0;
  #appended: Appended[] = [];
  #closed = false;

  constructor(turn: Turn, name: string, bytesMax: number) {
    this.#turn = turn;
    this.#name = name;
    this.#bytesMax = bytesMax;
  }

  get firstOffset(): number {
    return this.#log.firstOffset;
  }

  get nextOffset(): number {
    return this.#log.nextOffset;
  }

  get readableEnd(): number {
    return this.#readableEnd;
  }

  append(
    { id, tag, head, body, group }: AppendRecord,
    _level: Exclude<AckLevel, 'memory'>,
    done: AppendDone,
  ): void {
    if (this.#closed) {
      done(new ClosedError(`Topic(${this.#name}) is closed`), -1, 'none');
      return;
    }
    const tagStart = id.length;
    const wireStart = tagStart + tag.length;
    const bodyStart = wireStart + head.length;
    if (this.#log.bytes + recordCost(bodyStart + body.length) > this.#bytesMax) {
      done(
        new StorageFullError(
          `Topic(${this.#name}) is full: memoryTopicBytesMax is ${this.#bytesMax}`,
          { limit: 'memoryTopicBytesMax' },
        ),
        -1,
        'none',
      );
      return;
    }
    const bytes = Buffer.allocUnsafe(bodyStart + body.length);
    bytes.write(id, 0, 'latin1');
    bytes.write(tag, tagStart, 'latin1');
    bytes.write(head, wireStart, 'latin1');
    body.copy(bytes, bodyStart);
    this.#lastTimestampMs = Math.max(this.#lastTimestampMs, Date.now());
    const offset = this.nextOffset;
    const timestampMs = this.#lastTimestampMs;
    this.#log.push({ timestampMs, tag, group, bytes, tagStart, wireStart });
    this.#appended.push({ offset, done });
    this.#turn.schedule(Phase.write, this);
  }

  /** Acknowledges what this turn appended, as the disk queue does after its write. */
  endTurn(): void {
    const appended = this.#appended;
    this.#appended = [];
    for (const { offset, done } of appended) done(null, offset, 'memory');
    if (this.nextOffset === this.#readableEnd) return;
    this.#readableEnd = this.nextOffset;
    this.onReadable?.();
  }

  openReader(offset: number, filter: string | null, group: string | null): QueueReader {
    return new MemoryReader(this, offset, filter === null ? null : compileFilter(filter), group);
  }

  readOne(offset: number, done: ReadDone): void {
    const record = offset < this.#readableEnd ? this.recordAt(offset) : undefined;
    done(null, record === undefined ? TableBatch.empty(offset) : batchOf(record, offset));
  }

  findTime(timeMs: number, done: (error: ZbusError | null, offset: number) => void): void {
    done(null, this.#log.findTime(timeMs));
  }

  openCursor(group: string, startOffset: number, create: boolean): Promise<Cursor> {
    const key = nameKey(group);
    let cursor = this.#cursors.get(key);
    if (cursor === undefined || create) {
      const start = Math.min(Math.max(startOffset, this.firstOffset), this.nextOffset);
      cursor = new MemoryCursor(group, start);
      this.#cursors.set(key, cursor);
    }
    if (cursor.offset > this.nextOffset) cursor.store(this.nextOffset, NO_DETAIL);
    return Promise.resolve(cursor);
  }

  removeCursor(group: string): Promise<void> {
    this.#cursors.delete(nameKey(group));
    return Promise.resolve();
  }

  cursorNames(): Promise<string[]> {
    return Promise.resolve([...this.#cursors.values()].map((cursor) => cursor.group));
  }

  retainFrom(bytesMax: number | null, beforeMs: number | null): number {
    let offset = this.firstOffset;
    let stored = this.#log.bytes;
    for (; offset < this.#readableEnd; offset++) {
      const record = this.#log.at(offset);
      if (record === undefined) break;
      const tooMuch = bytesMax !== null && stored > bytesMax;
      if (!tooMuch && (beforeMs === null || record.timestampMs >= beforeMs)) break;
      stored -= recordCost(record.bytes.length);
    }
    return offset;
  }

  deleteBefore(offset: number): Promise<void> {
    this.#log.dropBefore(Math.min(offset, this.#readableEnd));
    return Promise.resolve();
  }

  limitBlocks(): void {
    // Each record is a block.
  }

  empty(): Promise<void> {
    this.endTurn();
    this.#log.dropBefore(this.nextOffset);
    return Promise.resolve();
  }

  state(): QueueState {
    return {
      firstOffset: this.firstOffset,
      nextOffset: this.nextOffset,
      storedBytes: this.#log.bytes,
      stagedBytes: 0,
      lostCount: 0,
      readOnly: false,
    };
  }

  close(): Promise<void> {
    this.endTurn();
    this.#closed = true;
    return Promise.resolve();
  }

  /** For MemoryReader; undefined when it is deleted or not there yet. */
  recordAt(offset: number): MemoryRecord | undefined {
    return this.#log.at(offset);
  }
}

class MemoryReader implements QueueReader {
  readonly #queue: MemoryQueue;
  readonly #matches: ((tag: string) => boolean) | null;
  readonly #group: string | null;
  #position: number;

  constructor(
    queue: MemoryQueue,
    offset: number,
    matches: ((tag: string) => boolean) | null,
    group: string | null,
  ) {
    this.#queue = queue;
    this.#position = offset;
    this.#matches = matches;
    this.#group = group;
  }

  read(_maxBytes: number, done: ReadDone): void {
    this.#position = Math.max(this.#position, this.#queue.firstOffset);
    while (this.#position < this.#queue.readableEnd) {
      const offset = this.#position++;
      const record = this.#queue.recordAt(offset);
      if (record === undefined || !this.#takes(record)) continue;
      done(null, batchOf(record, offset));
      return;
    }
    done(null, TableBatch.empty(this.#position));
  }

  seek(offset: number): void {
    this.#position = offset;
  }

  close(): void {
    this.#position = Infinity;
  }

  #takes({ group, tag }: MemoryRecord): boolean {
    const forOther = group !== undefined && this.#group !== null && group !== this.#group;
    return !forOther && this.#matches?.(tag) !== false;
  }
}

class MemoryCursor implements Cursor {
  readonly group: string;
  offset: number;
  detail: Buffer = NO_DETAIL;

  constructor(group: string, offset: number) {
    this.group = group;
    this.offset = offset;
  }

  store(offset: number, detail: Buffer): void {
    if (detail.length > CURSOR_DETAIL_BYTES_MAX) {
      const message = `cursor detail has ${detail.length} bytes, more than `;
      throw new StorageFailedError(message + String(CURSOR_DETAIL_BYTES_MAX));
    }
    this.offset = offset;
    this.detail = Buffer.from(detail);
  }
}

/** Memory records are handed out one at a time: their bytes lie apart. */
function batchOf(record: MemoryRecord, offset: number): TableBatch {
  const table = new Float64Array(READ_ROWS + READ_WIDTH);
  const { timestampMs, bytes, tagStart, wireStart } = record;
  table.set([offset, timestampMs, 0, tagStart, wireStart, bytes.length], READ_ROWS);
  return new TableBatch(bytes, table, 1, offset + 1);
}
