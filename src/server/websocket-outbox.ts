/**
 * Replies on their way to a WebSocket peer, each in a binary frame of its own. Owned by a
 * connection; keeps the promises of outbox.ts: exactly one of `delivered` and `undelivered` of each
 * delivery, and `delivered` only once the kernel has the frame.
 */
import { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import type { Delivery } from '../broker/exchange.js';
import type { ReplyOutbox } from './outbox.js';

interface Frame {
  readonly payload: Buffer;
  readonly delivery: Delivery | null;
}

/** Handed over at once at most, so that a slow peer's progress shows between writes. */
const WRITE_BYTES_MAX = 256 * 1024;

export class WebSocketOutbox implements ReplyOutbox {
  unsentBytes = 0;
  writingSinceMs = 0;
  readonly #webSocket: WebSocket;
  readonly #socket: Socket;
  /** Called when frames that had to wait for the peer have been taken. */
  readonly #onProgress: () => void;
  #waiting: Frame[] = [];
  /** Handed over and not known to be taken, oldest first. */
  #writing: Frame[] = [];
  /** Frames whose end was seen at once, and whose callbacks still come. */
  #callbacksDue = 0;

  constructor(webSocket: WebSocket, socket: Socket, onProgress: () => void) {
    this.#webSocket = webSocket;
    this.#socket = socket;
    this.#onProgress = onProgress;
  }

  get writing(): boolean {
    return this.#writing.length > 0;
  }

  push(text: string, bytes: Buffer | null, delivery: Delivery | null): void {
    const size = text.length + (bytes?.length ?? 0);
    const payload = Buffer.allocUnsafe(size);
    payload.write(text, 'latin1');
    bytes?.copy(payload, text.length);
    this.#waiting.push({ payload, delivery });
    this.unsentBytes += size;
  }

  flush(nowMs: number): void {
    while (this.#writing.length === 0 && this.#waiting.length > 0) {
      this.writingSinceMs = nowMs;
      this.#write();
      // Without waiting for the callbacks, so that positions are stored in the turn that sent.
      if (this.#socket.writableLength > 0 || this.#failed) return;
      this.#callbacksDue += this.#writing.length;
      this.#settle(this.#writing.length);
    }
  }

  abandon(): void {
    const frames = [...this.#writing, ...this.#waiting];
    this.#writing = [];
    this.#waiting = [];
    this.unsentBytes = 0;
    for (const { delivery } of frames) delivery?.undelivered();
  }

  get #failed(): boolean {
    return this.#socket.errored !== null || this.#socket.destroyed;
  }

  #write(): void {
    let bytes = 0;
    let count = 0;
    this.#socket.cork();
    for (const { payload } of this.#waiting) {
      if (bytes >= WRITE_BYTES_MAX) break;
      bytes += payload.length;
      count++;
      this.#webSocket.send(payload, { binary: true }, this.#onWritten);
    }
    this.#socket.uncork();
    this.#writing = this.#waiting.splice(0, count);
  }

  readonly #onWritten = (error?: Error | null): void => {
    if (this.#callbacksDue > 0) {
      this.#callbacksDue--;
      return;
    }
    if (this.#failed || (error !== undefined && error !== null)) return;
    this.#settle(1);
    if (this.#writing.length === 0) this.#onProgress();
  };

  #settle(count: number): void {
    for (const { payload, delivery } of this.#writing.splice(0, count)) {
      this.unsentBytes -= payload.length;
      delivery?.delivered();
    }
  }
}
