/**
 * The data folder: opens the native engine on it and the topics in it. Used by the server; hands
 * out DiskQueue and MemoryQueue. Holds the lock on the folder until closed.
 */
import { StorageFailedError } from '../errors.js';
import { folderName, isFolderName, nameKey, nameOfFolder } from '../protocol/names.js';
import type { Turn } from '../turn.js';
import { DiskQueue, settle } from './disk-queue.js';
import { MemoryQueue } from './memory-queue.js';
import {
  type Addon,
  type EngineHandle,
  type EngineOptions,
  type NativeError,
  PROGRESS_WIDTH,
  type QueueHandle,
  loadAddon,
  storageError,
} from './native.js';
import type { Queue, QueueStore } from './queue.js';

export interface DiskStoreOptions extends EngineOptions {
  /** The data folder; made if absent. */
  readonly dir: string;
  /** Bytes a memory topic holds at most. */
  readonly memoryTopicBytesMax: number;
}

export class DiskStore implements QueueStore {
  readonly #addon: Addon;
  readonly #engine: EngineHandle;
  readonly #turn: Turn;
  readonly #options: DiskStoreOptions;
  readonly #queues = new Map<number, DiskQueue>();

  /** Throws StorageFailedError when the folder cannot be made, written or locked. */
  constructor(options: DiskStoreOptions, turn: Turn) {
    this.#addon = loadAddon();
    this.#turn = turn;
    this.#options = options;
    const { blockBytes, syncIntervalMs, openFilesMax, minFreeBytes } = options;
    try {
      this.#engine = this.#addon.engine_open(
        options.dir,
        { blockBytes, syncIntervalMs, openFilesMax, minFreeBytes },
        (rows) => {
          this.#progress(rows);
        },
      );
    } catch (error) {
      throw openError(options.dir, error as NativeError);
    }
  }

  /** Disk queues that are open. */
  get openQueueCount(): number {
    return this.#queues.size;
  }

  names(): string[] {
    return this.#addon.engine_list(this.#engine).filter(isFolderName).map(nameOfFolder);
  }

  readDefinition(name: string): string | null {
    return this.#addon.definition_read(this.#engine, folderOf(name));
  }

  writeDefinition(name: string, json: string): Promise<void> {
    return settle((done) => {
      this.#addon.definition_write(this.#engine, folderOf(name), json, done);
    });
  }

  async open(name: string, kind: 'disk' | 'memory'): Promise<Queue> {
    if (kind === 'memory') {
      return new MemoryQueue(this.#turn, name, this.#options.memoryTopicBytesMax);
    }
    const handle = await new Promise<QueueHandle>((resolve, reject) => {
      this.#addon.queue_open(this.#engine, folderOf(name), (error, queue) => {
        if (error !== null) reject(storageError(error));
        else resolve(queue);
      });
    });
    const queue = new DiskQueue(this.#addon, handle, this.#turn, name);
    const id = this.#addon.queue_id(handle);
    this.#queues.set(id, queue);
    queue.onClosed = () => this.#queues.delete(id);
    return queue;
  }

  remove(name: string): Promise<void> {
    return settle((done) => {
      this.#addon.topic_remove(this.#engine, folderOf(name), done);
    });
  }

  close(): Promise<void> {
    return settle((done) => {
      this.#addon.engine_close(this.#engine, done);
    });
  }

  #progress(rows: Float64Array): void {
    for (let row = 0; row + PROGRESS_WIDTH <= rows.length; row += PROGRESS_WIDTH) {
      const [id = 0, writtenEnd = 0, durableEnd = 0, failed = 0] = rows.subarray(
        row,
        row + PROGRESS_WIDTH,
      );
      this.#queues.get(id)?.progress(writtenEnd, durableEnd, failed !== 0);
    }
  }
}

function folderOf(name: string): string {
  return folderName(nameKey(name));
}

function openError(dir: string, cause: NativeError): StorageFailedError {
  const advice =
    cause.code === 'LOCKED'
      ? 'another broker is running on it: stop that one, or choose another folder with --mq-dir'
      : `${cause.message}; choose a folder this user can write with --mq-dir`;
  return new StorageFailedError(`Cannot open data folder ${dir}: ${advice}`, { cause });
}
