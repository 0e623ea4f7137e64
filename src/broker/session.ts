/**
 * One connected peer. Made by a connection, which tells it when the peer is gone (`end`) and when
 * it reads again (`writable`); groups and topics hang their clean-up here, and topics stop its
 * reading while their queue is behind. Owns no socket.
 */
import assert from 'node:assert/strict';

export class Session {
  /** What consumers see as `sender`. */
  readonly id: string;
  /** `address:port` of the peer, for consumer lists and the log. */
  readonly remoteAddress: string;
  #ended = false;
  readonly #endListeners = new Set<() => void>();
  #writableListeners = new Set<() => void>();
  #readingPauses = 0;
  /** Set by the connection: called when `readingPaused` has changed. */
  onReadingChange: (() => void) | null = null;

  constructor(id: string, remoteAddress: string) {
    this.id = id;
    this.remoteAddress = remoteAddress;
  }

  /** True once the peer has gone or said that it sends no more. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Calls `listener` once when the session ends; at once if it has. */
  onEnd(listener: () => void): void {
    if (this.#ended) listener();
    else this.#endListeners.add(listener);
  }

  offEnd(listener: () => void): void {
    this.#endListeners.delete(listener);
  }

  /** Calls `listener` once, when the peer takes bytes again. */
  onWritable(listener: () => void): void {
    this.#writableListeners.add(listener);
  }

  /** True while someone wants no more requests of this peer. */
  get readingPaused(): boolean {
    return this.#readingPauses > 0;
  }

  /** Takes no more requests until resumed as often; what was read before still comes. */
  pauseReading(): void {
    this.#readingPauses++;
    if (this.#readingPauses === 1) this.onReadingChange?.();
  }

  resumeReading(): void {
    assert(this.#readingPauses > 0, 'resumed more often than paused');
    this.#readingPauses--;
    if (this.#readingPauses === 0) this.onReadingChange?.();
  }

  /** For the connection: the peer is gone. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const listener of this.#endListeners) listener();
    this.#endListeners.clear();
    this.#writableListeners.clear();
  }

  /** For the connection: unsent bytes fell below the cap. */
  writable(): void {
    const listeners = this.#writableListeners;
    this.#writableListeners = new Set();
    for (const listener of listeners) listener();
  }
}
