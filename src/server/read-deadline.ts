/**
 * How long a peer may take to send one request. Owned by a connection, told after each read where
 * the decoder stands; says when a head or a body has been too slow. Holds no timer: the timeout
 * sweep asks.
 */
import { BODY_BYTES_A_WINDOW_MIN, type ServerTimeouts } from './limits.js';

export type ReadState = 'idle' | 'head' | 'body';

export class ReadDeadline {
  #state: ReadState = 'idle';
  /** When the head began, or the body's current window did. */
  #sinceMs = 0;
  #windowBytes = 0;

  /**
   * `requestBegan`: a request was completed in this read, so what is being read now is another one.
   */
  onRead(state: ReadState, requestBegan: boolean, bytes: number, nowMs: number): void {
    if (state === this.#state && !requestBegan) {
      this.#windowBytes += bytes;
      return;
    }
    this.#state = state;
    this.#sinceMs = nowMs;
    this.#windowBytes = 0;
  }

  /**
   * The server itself stopped reading for a while, which is not the peer's fault: time starts anew.
   */
  restart(nowMs: number): void {
    this.#sinceMs = nowMs;
    this.#windowBytes = 0;
  }

  /** What was too slow, or null. */
  check(nowMs: number, timeouts: ServerTimeouts): 'head' | 'body' | null {
    const elapsedMs = nowMs - this.#sinceMs;
    if (this.#state === 'head') return elapsedMs > timeouts.headerMs ? 'head' : null;
    if (this.#state === 'idle' || elapsedMs <= timeouts.bodyMs) return null;
    if (this.#windowBytes < BODY_BYTES_A_WINDOW_MIN) return 'body';
    this.restart(nowMs);
    return null;
  }
}
