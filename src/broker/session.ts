/**
 * One connected peer. Made by a connection, which tells it when the peer is gone (`end`) and when it reads again
 * (`writable`); groups and topics hang their clean-up here. Owns no socket.
 */

export class Session {
  /** What consumers see as `sender`. */
  readonly id: string;
  /** `address:port` of the peer, for consumer lists and the log. */
  readonly remoteAddress: string;
  #ended = false;
  readonly #endListeners = new Set<() => void>();
  #writableListeners = new Set<() => void>();

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
