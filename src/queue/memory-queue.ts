/**
 * A topic's log in memory, for topics with the memory mask: the Queue interface with the behaviour
 * of the disk queue, but for what a restart leaves. Records are kept in the layout that readers
 * hand out, so a read copies nothing. Bounded by bytes: StorageFullError when full.
 */
import { Buffer } from 'node:buffer';
import { ClosedError, StorageFullError, type ZbusError } from '../errors.js';
import { compileFilter } from '../protocol/filter.js';
import { nameKey } from '../protocol/names.js';
import { Phase, type Turn, type TurnTask } from '../turn.js';
import { TableBatch } from './batch.js';
import { READ_ROWS, READ_WIDTH } from './native.js';
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

interface MemoryRecord {
  readonly timestampMs: number;
  readonly tag: string;
  /** id, tag and wire bytes, one after the other. */
  readonly bytes: Buffer;
  readonly tagStart: number;
  readonly wireStart: number;
}

interface Appended {
  readonly offset: number;
  readonly done: AppendDone;
}

/** What a record costs beside its bytes. */
const RECORD_OVERHEAD_BYTES = 128;

export class MemoryQueue implements Queue, TurnTask {
  scheduled = false;
  onReadable: (() => void) | null = null;
  onCaughtUp: (() => void) | null = null;
  readonly behind = false;
  readonly #turn: Turn;
  readonly #name: string;
  readonly #bytesMax: number;
  readonly #cursors = new Map<string, MemoryCursor>();
  #records: MemoryRecord[] = [];
  #firstOffset = 0;
  #readableEnd = 0;
  #bytes = 0;
  #lastTimestampMs = 0;
  #appended: Appended[] = [];
  #closed = false;

  constructor(turn: Turn, name: string, bytesMax: number) {
    this.#turn = turn;
    this.#name = name;
    this.#bytesMax = bytesMax;
  }

  get firstOffset(): number {
    return this.#firstOffset;
  }

  get nextOffset(): number {
    return this.#firstOffset + this.#records.length;
  }

  get readableEnd(): number {
    return this.#readableEnd;
  }

  append(
    { id, tag, head, body }: AppendRecord,
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
    const cost = bodyStart + body.length + RECORD_OVERHEAD_BYTES;
    if (this.#bytes + cost > this.#bytesMax) {
      done(
        new StorageFullError(
          `Topic(${this.#name}) is full: memoryTopicBytesMax is ${this.#bytesMax}`,
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
    this.#records.push({ timestampMs: this.#lastTimestampMs, tag, bytes, tagStart, wireStart });
    this.#bytes += cost;
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

  openReader(offset: number, filter: string | null): QueueReader {
    return new MemoryReader(this, offset, filter === null ? null : compileFilter(filter));
  }

  readOne(offset: number, done: ReadDone): void {
    const record = offset < this.#readableEnd ? this.recordAt(offset) : undefined;
    done(null, record === undefined ? TableBatch.empty(offset) : batchOf(record, offset));
  }

  findTime(timeMs: number, done: (error: ZbusError | null, offset: number) => void): void {
    let low = this.#firstOffset;
    let high = this.nextOffset;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if ((this.recordAt(middle)?.timestampMs ?? 0) < timeMs) low = middle + 1;
      else high = middle;
    }
    done(null, low);
  }

  openCursor(group: string, startOffset: number, create: boolean): Promise<Cursor> {
    const key = nameKey(group);
    let cursor = this.#cursors.get(key);
    if (cursor === undefined || create) {
      cursor = new MemoryCursor(group, startOffset);
      this.#cursors.set(key, cursor);
    }
    return Promise.resolve(cursor);
  }

  removeCursor(group: string): Promise<void> {
    this.#cursors.delete(nameKey(group));
    return Promise.resolve();
  }

  cursorNames(): Promise<string[]> {
    return Promise.resolve([...this.#cursors.values()].map((cursor) => cursor.group));
  }

  deleteBefore(offset: number): Promise<void> {
    this.#drop(Math.min(offset, this.#readableEnd));
    return Promise.resolve();
  }

  empty(): Promise<void> {
    this.endTurn();
    this.#drop(this.nextOffset);
    return Promise.resolve();
  }

  state(): QueueState {
    return {
      firstOffset: this.#firstOffset,
      nextOffset: this.nextOffset,
      storedBytes: this.#bytes,
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
    return offset < this.#firstOffset ? undefined : this.#records[offset - this.#firstOffset];
  }

  #drop(end: number): void {
    const dropped = this.#records.splice(0, Math.max(0, end - this.#firstOffset));
    this.#firstOffset += dropped.length;
    for (const { bytes } of dropped) this.#bytes -= bytes.length + RECORD_OVERHEAD_BYTES;
  }
}

class MemoryReader implements QueueReader {
  readonly #queue: MemoryQueue;
  readonly #matches: ((tag: string) => boolean) | null;
  #position: number;

  constructor(queue: MemoryQueue, offset: number, matches: ((tag: string) => boolean) | null) {
    this.#queue = queue;
    this.#position = offset;
    this.#matches = matches;
  }

  read(_maxBytes: number, done: ReadDone): void {
    this.#position = Math.max(this.#position, this.#queue.firstOffset);
    while (this.#position < this.#queue.readableEnd) {
      const offset = this.#position++;
      const record = this.#queue.recordAt(offset);
      if (record === undefined || this.#matches?.(record.tag) === false) continue;
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
}

class MemoryCursor implements Cursor {
  readonly group: string;
  offset: number;

  constructor(group: string, offset: number) {
    this.group = group;
    this.offset = offset;
  }

  store(offset: number): void {
    this.offset = offset;
  }
}

/** Memory records are handed out one at a time: their bytes lie apart. */
function batchOf(record: MemoryRecord, offset: number): TableBatch {
  const table = new Float64Array(READ_ROWS + READ_WIDTH);
  const { timestampMs, bytes, tagStart, wireStart } = record;
  table.set([offset, timestampMs, 0, tagStart, wireStart, bytes.length], READ_ROWS);
  return new TableBatch(bytes, table, 1, offset + 1);
}
