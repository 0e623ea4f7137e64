/**
 * An engine that counts offsets, and is slow or fails when it is told to: what a real disk does not
 * do on demand. For the tests of what DiskQueue and Topic make of it.
 */
import {
  type Addon,
  type NativeCode,
  type NativeError,
  StateField,
  loadAddon,
} from '../../../src/queue/native.js';

export class ScriptedEngine {
  readonly addon: Addon;
  nextOffset = 0;
  writtenEnd = 0;
  durableEnd = 0;
  readOnly = false;
  /** What the next append, or the next write, throws. */
  appendFails: NativeCode | null = null;
  commitFails: NativeCode | null = null;

  constructor() {
    this.addon = {
      ...loadAddon(),
      queue_state: (_queue, out) => {
        this.#fillState(out);
      },
      queue_append: () => {
        throwIf(this.appendFails);
        return this.nextOffset++;
      },
      queue_commit: () => this.#commit(),
      queue_close: (_queue, done) => {
        setImmediate(() => {
          done(this.readOnly ? nativeError('IO') : null, undefined);
        });
      },
    };
  }

  #fillState(out: Float64Array): void {
    out[StateField.nextOffset] = this.nextOffset;
    out[StateField.writtenEnd] = this.writtenEnd;
    out[StateField.durableEnd] = this.durableEnd;
    out[StateField.readOnly] = Number(this.readOnly);
  }

  /** As the real one: what was staged is dropped, and its offsets are given out again. */
  #commit(): number {
    const failure = this.commitFails;
    this.commitFails = null;
    if (failure !== null) this.nextOffset = this.writtenEnd;
    throwIf(failure);
    this.writtenEnd = this.nextOffset;
    return this.writtenEnd;
  }
}

function nativeError(code: NativeCode): NativeError {
  return Object.assign(new Error(`scripted ${code}`), { code });
}

function throwIf(code: NativeCode | null): void {
  if (code !== null) throw nativeError(code);
}
