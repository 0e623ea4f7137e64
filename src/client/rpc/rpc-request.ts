/** A call as a raw handler sees it, and the answer that it may give. Made by RpcProcessor. */
import type { Clock } from '../../clock.js';
import { Header } from '../../protocol/headers.js';
import type { Message } from '../../protocol/message.js';
import type { Body } from '../body.js';
import type { HeaderValues } from '../requests.js';
import { startTimer } from '../timer.js';
import { decodeCall, type RpcCallBody } from './convention.js';
import { passedOn } from './rpc-answer.js';

/** One call, as a raw handler gets it. */
export class RpcRequest {
  readonly #message: Message;
  readonly #clock: Clock;
  readonly #endMs: number;
  #call: RpcCallBody | null = null;
  #aborter: AbortController | null = null;
  #stopTimer: (() => void) | null = null;
  #ended: { readonly reason: Error | null } | null = null;

  constructor(message: Message, clock: Clock) {
    this.#message = message;
    this.#clock = clock;
    this.#endMs = clock.nowMs() + Number(message.headers.get(Header.timeout) ?? Infinity);
  }

  /** Whether the body is `{"method", "params", "module"}`. */
  get isCall(): boolean {
    try {
      return this.#decoded.method !== '';
    } catch {
      return false;
    }
  }

  /** Throws RpcError when the body is not `{"method", "params", "module"}`. */
  get method(): string {
    return this.#decoded.method;
  }

  /** Throws RpcError, as `method` does. */
  get params(): readonly unknown[] {
    return this.#decoded.params;
  }

  /** '' when the call names none. Throws RpcError, as `method` does. */
  get module(): string {
    return this.#decoded.module;
  }

  /** The caller's own, under lower-case names; `traceparent` among them. */
  get headers(): Readonly<Record<string, string>> {
    return passedOn(this.#message.headers);
  }

  /** Path and query by which it was called; `/` for calls of clients. */
  get url(): string {
    return this.#message.headers.get(Header.originUrl) ?? '/';
  }

  /** As `application/json`; '' when there is none. */
  get contentType(): string {
    return this.#message.headers.get(Header.contentType) ?? '';
  }

  /** The body; a view: do not write into it. */
  get bytes(): Uint8Array {
    return this.#message.body;
  }

  /** The body as UTF-8. */
  text(): string {
    return this.#message.body.toString();
  }

  /** The body as JSON. Throws SyntaxError. */
  json(): unknown {
    return JSON.parse(this.text());
  }

  /**
   * Aborted when nobody waits for the answer any more, as far as the service can know: the call's
   * deadline has passed, the connection to the broker is lost, or the service was closed and did
   * not wait.
   */
  get signal(): AbortSignal {
    if (this.#aborter === null) {
      this.#aborter = new AbortController();
      if (this.#ended !== null) {
        if (this.#ended.reason !== null) this.#aborter.abort(this.#ended.reason);
      } else if (this.#endMs !== Infinity) {
        this.#stopTimer = startTimer(this.#clock, this.#endMs - this.#clock.nowMs(), () => {
          this.#aborter?.abort(new DOMException('The deadline has passed', 'TimeoutError'));
        });
      }
    }
    return this.#aborter.signal;
  }

  // ---- for RpcProcessor ------------------------------------------------------------------------

  /** It was answered (null), or its answer is of no use any more. */
  end(reason: Error | null): void {
    if (this.#ended !== null) return;
    this.#ended = { reason };
    this.#stopTimer?.();
    if (reason !== null) this.#aborter?.abort(reason);
  }

  get #decoded(): RpcCallBody {
    this.#call ??= decodeCall(this.text());
    return this.#call;
  }
}

/** An answer with a status or headers of its own; a handler may also return the body alone. */
export class RpcReply {
  /** 200 to 599; default 200. */
  readonly status: number;
  /** Handed to the caller, under lower-case names. */
  readonly headers: HeaderValues;
  readonly body: Body;

  constructor(reply: {
    readonly status?: number;
    readonly headers?: HeaderValues;
    readonly body?: Body;
  }) {
    this.status = reply.status ?? 200;
    this.headers = reply.headers ?? {};
    this.body = reply.body;
  }
}
