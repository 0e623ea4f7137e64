/**
 * Refused requests in the log: who asked for what, never with which token. Made by Server. A peer
 * that guesses tokens cannot fill the disk: beyond a few lines a second they are only counted.
 */
import type { Exchange } from '../broker/exchange.js';
import type { Clock } from '../clock.js';
import type { ZbusError } from '../errors.js';
import type { Log } from '../log.js';

const LINES_PER_WINDOW = 10;
const WINDOW_MS = 1000;

export class RefusalLog {
  readonly #clock: Clock;
  readonly #log: Log;
  #windowBeganMs = -Infinity;
  #inWindow = 0;

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  /** `operation` is null for what is no known command. */
  note({ session }: Exchange, operation: string | null, error: ZbusError): void {
    const nowMs = this.#clock.nowMs();
    if (nowMs - this.#windowBeganMs >= WINDOW_MS) this.#begin(nowMs);
    if (++this.#inWindow > LINES_PER_WINDOW) return;
    const { status, message: reason } = error;
    this.#log.warn({ peer: session.remoteAddress, operation, status, reason }, 'request refused');
  }

  #begin(nowMs: number): void {
    const count = this.#inWindow - LINES_PER_WINDOW;
    if (count > 0) this.#log.warn({ count }, 'more requests were refused');
    this.#windowBeganMs = nowMs;
    this.#inWindow = 0;
  }
}
