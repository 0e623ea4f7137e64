/**
 * A request on its way to its answer. Made by Connection for every request that has one; ends
 * exactly once, with the answer, an error, its deadline, or its caller's signal.
 */
import type { Message } from '../protocol/message.js';
import { watchAbort } from './abort-watch.js';
import { errorOf, TimeoutError } from './errors.js';
import type { Request } from './requests.js';

export interface CallOptions {
  /** Milliseconds until the answer must be there, waiting for a connection included. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /**
   * What a lost connection means: sent again on the next one under the same id; failed when it was
   * sent, because a second time would not be the same; or failed, sent or not, because its caller
   * knows another server.
   */
  readonly onLost: 'resend' | 'fail' | 'elsewhere';
  /**
   * For calls of services, which the broker ends itself: writes into the request how much time is
   * left, whenever it is sent. `read` then gets replies of any status.
   */
  readonly tellTimeLeft?: (headers: Map<string, string>, leftMs: number) => void;
}

/** So much later than the broker the client gives a call of a service up, if it hears nothing. */
const RPC_GRACE_MS = 1000;

export class Call {
  readonly request: Request;
  readonly id: string;
  readonly options: CallOptions;
  /** When its caller's time is over, on the connection's clock. */
  readonly endMs: number;
  /** How often it was sent. */
  attempts = 0;
  /** Sent on the connection that is up, and not answered yet. */
  sent = false;
  readonly #answer: (reply: Message, call: Call) => void;
  readonly #fail: (error: unknown) => void;
  #unwatch: (() => void) | null = null;

  constructor(
    request: Request,
    options: CallOptions,
    nowMs: number,
    answer: (reply: Message, call: Call) => void,
    fail: (error: unknown) => void,
  ) {
    this.request = request;
    this.id = request.headers.get('id') ?? '';
    this.options = options;
    this.endMs = nowMs + options.timeoutMs;
    this.#answer = answer;
    this.#fail = fail;
  }

  /** When it must be answered: later than its end while the broker may still say what became. */
  get deadlineMs(): number {
    return this.isRpc && this.sent ? this.endMs + RPC_GRACE_MS : this.endMs;
  }

  /** A service answers it, when it can. */
  get isRpc(): boolean {
    return this.options.tellTimeLeft !== undefined;
  }

  /** Calls `onAbort` when the caller's signal says so. */
  listen(onAbort: () => void): void {
    const { signal } = this.options;
    if (signal !== undefined) this.#unwatch = watchAbort(signal, onAbort);
  }

  /** It is sent next; false when it is too late for a service to answer it. */
  beginAttempt(nowMs: number): boolean {
    const leftMs = this.endMs - nowMs;
    if (this.options.tellTimeLeft !== undefined) {
      if (leftMs <= 0) return false;
      this.options.tellTimeLeft(this.request.headers, leftMs);
    }
    this.sent = true;
    this.attempts++;
    return true;
  }

  /** The answer is here, good or bad. */
  settle(reply: Message): void {
    this.#unlisten();
    if (reply.status >= 400 && !this.isRpc) {
      this.#fail(errorOf(reply));
      return;
    }
    try {
      this.#answer(reply, this);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Its deadline has passed. */
  expire(): void {
    const within = `within ${this.options.timeoutMs} ms`;
    const text =
      this.attempts === 0
        ? `No connection that takes it ${within}: nothing was sent`
        : `No answer ${within}, sent ${this.attempts} times: it may have been carried out`;
    this.fail(new TimeoutError(text));
  }

  fail(error: unknown): void {
    this.#unlisten();
    this.#fail(error);
  }

  #unlisten(): void {
    this.#unwatch?.();
    this.#unwatch = null;
  }
}
