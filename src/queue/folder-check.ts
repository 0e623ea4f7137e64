/**
 * A data folder that no broker runs on, as the engine finds it. Used by broker/check.ts. Reads
 * only, unless it is told to repair indexes; keeps a broker from starting until it is closed.
 */
import { StorageFailedError } from '../errors.js';
import {
  type Addon,
  type CheckedEntry,
  type CheckedTopic,
  type CheckHandle,
  loadAddon,
  type NativeError,
  storageError,
} from './native.js';

export type {
  CheckedCursor,
  CheckedEntry,
  CheckedFile,
  CheckedProblem,
  CheckedTopic,
} from './native.js';

export class FolderCheck {
  readonly #addon: Addon;
  readonly #handle: CheckHandle;

  /** Throws StorageFailedError when there is nothing to check, or a broker runs on it. */
  constructor(dir: string, repairIndexes: boolean) {
    this.#addon = loadAddon();
    try {
      this.#handle = this.#addon.check_open(dir, repairIndexes);
    } catch (error) {
      const cause = error as NativeError;
      throw new StorageFailedError(`Cannot check ${dir}: ${reasonOf(cause)}`, { cause });
    }
  }

  /** Throws StorageFailedError. */
  entries(): CheckedEntry[] {
    try {
      return this.#addon.check_list(this.#handle);
    } catch (error) {
      throw storageError(error);
    }
  }

  /** Rejects with StorageFailedError. */
  topic(folder: string): Promise<CheckedTopic> {
    return new Promise((resolve, reject) => {
      this.#addon.check_topic(this.#handle, folder, (error, topic) => {
        if (error !== null) reject(storageError(error));
        else resolve(topic);
      });
    });
  }

  /** So far, also while a topic is being checked. */
  get bytesRead(): number {
    return this.#addon.check_bytes_read(this.#handle);
  }

  close(): void {
    this.#addon.check_close(this.#handle);
  }
}

function reasonOf({ code, message }: NativeError): string {
  switch (code) {
    case 'LOCKED':
      return 'a broker is running on it, or another check repairs it; stop that, or check a copy';
    case 'NOT_FOUND':
      return `${message}; give the folder that --mq-dir names`;
    default:
      return message;
  }
}
