/**
 * How long a peer may take to send one request. Owned by a connection, told after each read where
 * the decoder stands; says when a head or a body has been too slow. Holds no timer: the timeout
 * sweep asks.
 */
import { BODY_BYTES_A_WINDOW_MIN, type ServerTimeouts } from './limits.js';

/** What a peer is told that has overrun a timeout. */
export const SLOW = {
  headerTimeoutMs: 'The head of the request took too long',
  bodyTimeoutMs: 'The body of the request took too long',
} as const;

export function isSlow(timeout: string): timeout is keyof typeof SLOW {
  return Object.hasOwn(SLOW, timeout);
}

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

  /** The timeout that was overrun, or null. */
  check(nowMs: number, timeouts: ServerTimeouts): keyof typeof SLOW | null {
    const elapsedMs = nowMs - this.#sinceMs;
    if (this.#state === 'head') return elapsedMs > timeouts.headerMs ? 'headerTimeoutMs' : null;
    if (this.#state === 'idle' || elapsedMs <= timeouts.bodyMs) return null;
    if (this.#windowBytes < BODY_BYTES_A_WINDOW_MIN) return 'bodyTimeoutMs';
    this.restart(nowMs);
    return null;
  }
}
