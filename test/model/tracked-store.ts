/**
 * The real data folder, with a count of what is under way in it, so that a test knows when the
 * broker has come to rest, and a hook around each write, so that a test can take the folder as a
 * kill at that moment would leave it.
 */
import type { Buffer } from 'node:buffer';
import type { DiskStore } from '../../src/queue/disk-store.js';
import type {
  AckLevel,
  AppendDone,
  AppendRecord,
  Cursor,
  Queue,
  QueueReader,
  QueueState,
  QueueStore,
  ReadDone,
} from '../../src/queue/queue.js';

/** What is under way. */
export class Activity {
  /** Grows with everything that begins or ends. */
  count = 0;
  /** Called before and after each write, of which an append tells when it is done. */
  onWrite: (() => void) | null = null;
  #underWay = 0;
  #waiting: (() => void)[] = [];

  begin(): void {
    this.count++;
    this.#underWay++;
  }

  end(): void {
    this.count++;
    this.#underWay--;
    if (this.#underWay > 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  write(): void {
    this.onWrite?.();
  }

  async track<T>(running: Promise<T>): Promise<T> {
    this.begin();
    try {
      return await running;
    } finally {
      this.end();
    }
  }

  /** Resolves once nothing is under way. */
  idle(): Promise<void> {
    if (this.#underWay === 0) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

export class TrackedStore implements QueueStore {
  readonly #store: DiskStore;
  readonly #activity: Activity;

  constructor(store: DiskStore, activity: Activity) {
    this.#store = store;
    this.#activity = activity;
  }

  names(): string[] {
    return this.#store.names();
  }

  readDefinition(name: string): string | null {
    return this.#store.readDefinition(name);
  }

  async writeDefinition(name: string, json: string): Promise<void> {
    this.#activity.write();
    await this.#activity.track(this.#store.writeDefinition(name, json));
    this.#activity.write();
  }

  async open(name: string, kind: 'disk' | 'memory'): Promise<Queue> {
    const queue = await this.#activity.track(this.#store.open(name, kind));
    return new TrackedQueue(queue, this.#activity);
  }

  remove(name: string): Promise<void> {
    return this.#activity.track(this.#store.remove(name));
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}

class TrackedQueue implements Queue {
  readonly #queue: Queue;
  readonly #activity: Activity;

  constructor(queue: Queue, activity: Activity) {
    this.#queue = queue;
    this.#activity = activity;
  }

  get firstOffset(): number {
    return this.#queue.firstOffset;
  }

  get nextOffset(): number {
    return this.#queue.nextOffset;
  }

  get readableEnd(): number {
    return this.#queue.readableEnd;
  }

  get behind(): boolean {
    return this.#queue.behind;
  }

  get onReadable(): (() => void) | null {
    return this.#queue.onReadable;
  }

  set onReadable(listener: (() => void) | null) {
    this.#queue.onReadable = listener;
  }

  get onCaughtUp(): (() => void) | null {
    return this.#queue.onCaughtUp;
  }

  set onCaughtUp(listener: (() => void) | null) {
    this.#queue.onCaughtUp = listener;
  }

  append(record: AppendRecord, level: Exclude<AckLevel, 'memory'>, done: AppendDone): void {
    this.#activity.begin();
    this.#queue.append(record, level, (error, offset, reached) => {
      this.#activity.write();
      done(error, offset, reached);
      this.#activity.write();
      this.#activity.end();
    });
  }

  openReader(offset: number, filter: string | null, group: string | null): QueueReader {
    return new TrackedReader(this.#queue.openReader(offset, filter, group), this.#activity);
  }

  readOne(offset: number, done: ReadDone): void {
    this.#activity.begin();
    this.#queue.readOne(offset, (error, batch) => {
      done(error, batch);
      this.#activity.end();
    });
  }

  findTime(timeMs: number, done: Parameters<Queue['findTime']>[1]): void {
    this.#activity.begin();
    this.#queue.findTime(timeMs, (error, offset) => {
      done(error, offset);
      this.#activity.end();
    });
  }

  async openCursor(group: string, startOffset: number, create: boolean): Promise<Cursor> {
    const cursor = await this.#activity.track(this.#queue.openCursor(group, startOffset, create));
    return new TrackedCursor(cursor, this.#activity);
  }

  removeCursor(group: string): Promise<void> {
    return this.#activity.track(this.#queue.removeCursor(group));
  }

  cursorNames(): Promise<string[]> {
    return this.#activity.track(this.#queue.cursorNames());
  }

  retainFrom(bytesMax: number | null, beforeMs: number | null): number {
    return this.#queue.retainFrom(bytesMax, beforeMs);
  }

  deleteBefore(offset: number): Promise<void> {
    return this.#activity.track(this.#queue.deleteBefore(offset));
  }

  limitBlocks(bytes: number | null): void {
    this.#queue.limitBlocks(bytes);
  }

  empty(): Promise<void> {
    return this.#activity.track(this.#queue.empty());
  }

  state(): QueueState {
    return this.#queue.state();
  }

  close(): Promise<void> {
    return this.#queue.close();
  }
}

class TrackedReader implements QueueReader {
  readonly #reader: QueueReader;
  readonly #activity: Activity;

  constructor(reader: QueueReader, activity: Activity) {
    this.#reader = reader;
    this.#activity = activity;
  }

  read(maxBytes: number, done: ReadDone): void {
    this.#activity.begin();
    this.#reader.read(maxBytes, (error, batch) => {
      done(error, batch);
      this.#activity.end();
    });
  }

  seek(offset: number): void {
    this.#reader.seek(offset);
  }

  close(): void {
    this.#reader.close();
  }
}

class TrackedCursor implements Cursor {
  readonly #cursor: Cursor;
  readonly #activity: Activity;

  constructor(cursor: Cursor, activity: Activity) {
    this.#cursor = cursor;
    this.#activity = activity;
  }

  get offset(): number {
    return this.#cursor.offset;
  }

  get detail(): Buffer {
    return this.#cursor.detail;
  }

  store(offset: number, detail: Buffer): void {
    this.#activity.write();
    this.#cursor.store(offset, detail);
    this.#activity.write();
  }
}
