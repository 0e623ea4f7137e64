/**
 * A request on its way to its answer. Made by Connection for every request that has one; ends
 * exactly once, with the answer, an error, its deadline, or its caller's signal.
 */
import { errorOf } from './errors.js';
import type { Message } from '../protocol/message.js';

export interface CallOptions {
  /** Milliseconds until the answer must be there, waiting for a connection included. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /**
   * What a lost connection means: sent again on the next one under the same id, or failed because a
   * second time would not be the same.
   */
  readonly onLost: 'resend' | 'fail';
}

export class Call {
  readonly request: Message;
  readonly id: string;
  readonly options: CallOptions;
  /** When it must be answered, on the connection's clock. */
  readonly deadlineMs: number;
  /** How often it was sent. */
  attempts = 0;
  /** Sent on the connection that is up, and not answered yet. */
  sent = false;
  readonly #answer: (reply: Message, call: Call) => void;
  readonly #fail: (error: unknown) => void;
  #onAbort: (() => void) | null = null;

  constructor(
    request: Message,
    options: CallOptions,
    nowMs: number,
    answer: (reply: Message, call: Call) => void,
    fail: (error: unknown) => void,
  ) {
    this.request = request;
    this.id = request.headers.get('id') ?? '';
    this.options = options;
    this.deadlineMs = nowMs + options.timeoutMs;
    this.#answer = answer;
    this.#fail = fail;
  }

  /** Calls `onAbort` when the caller's signal says so. */
  listen(onAbort: () => void): void {
    this.#onAbort = onAbort;
    this.options.signal?.addEventListener('abort', onAbort, { once: true });
  }

  /** The answer is here, good or bad. */
  settle(reply: Message): void {
    this.#unlisten();
    if (reply.status >= 400) {
      this.#fail(errorOf(reply));
      return;
    }
    try {
      this.#answer(reply, this);
    } catch (error) {
      this.#fail(error);
    }
  }

  fail(error: unknown): void {
    this.#unlisten();
    this.#fail(error);
  }

  #unlisten(): void {
    if (this.#onAbort === null) return;
    this.options.signal?.removeEventListener('abort', this.#onAbort);
    this.#onAbort = null;
  }
}
