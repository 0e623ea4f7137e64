/**
 * One call on its way: from the request of the caller to its answer. Made by the commands, kept by
 * RpcDesk (its topic's) and RpcCalls (the broker's). It is queued, then in the hands of a service,
 * then ended, and has exactly one end.
 */
import { Buffer } from 'node:buffer';
import type { Delivery, Exchange } from '../exchange.js';
import type { Due } from './deadlines.js';
import type { RpcDesk } from './rpc-desk.js';
import type { RpcPeer } from './rpc-peer.js';

/** How a request wants to be treated. */
export interface CallOptions {
  readonly timeoutMs: number;
  /** How long the call waits for a service where there is none. */
  readonly waitMs: number;
  /** May be handed out again when a service went away with it. */
  readonly idempotent: boolean;
}

/** Up to this a body is kept as text, which is how a small reply is sent. */
export const TEXT_BODY_BYTES_MAX = 8 * 1024;
const NO_BYTES = Buffer.alloc(0);
const NO_HEADERS: ReadonlyMap<string, string> = new Map<string, string>();

export const CallState = { queued: 0, inHand: 1, ended: 2 } as const;
export type CallState = (typeof CallState)[keyof typeof CallState];

export class RpcCall implements Delivery, Due {
  readonly exchange: Exchange;
  readonly caller: RpcPeer;
  readonly desk: RpcDesk;
  /** Finds the call when it is answered: by its caller and its id. */
  readonly key: string;
  readonly options: CallOptions;
  /** Not answered by then, it is answered 504. */
  readonly deadlineMs: number;
  /** Until then it waits though there is no service. */
  readonly waitEndMs: number;
  dueMs: number;
  place = -1;
  state: CallState = CallState.queued;
  /** Who has it in hand. */
  holder: RpcPeer | null = null;
  /** The holder's connection has taken all of its bytes. */
  sent = false;
  /** Services whose connections have taken it. */
  attempts = 0;
  /** Neighbours in the queue. */
  next: RpcCall | null = null;
  previous: RpcCall | null = null;
  /** Header lines as the service gets them, with content-length and the blank line; latin1. */
  #head: string;
  #body: string | Buffer;

  /** `body` is latin1 text, or a view that is ours for this turn alone. */
  constructor(
    key: string,
    exchange: Exchange,
    caller: RpcPeer,
    desk: RpcDesk,
    head: string,
    body: string | Buffer,
    options: CallOptions,
    nowMs: number,
  ) {
    this.exchange = exchange;
    this.caller = caller;
    this.desk = desk;
    this.key = key;
    this.options = options;
    this.deadlineMs = nowMs + options.timeoutMs;
    this.waitEndMs = options.waitMs > 0 ? nowMs + options.waitMs : -Infinity;
    this.dueMs = options.waitMs > 0 ? Math.min(this.waitEndMs, this.deadlineMs) : this.deadlineMs;
    this.#head = head;
    this.#body = keptBody(body);
    // What was made of them is kept; they would keep the bytes alive that they were read from.
    exchange.request.body = NO_BYTES;
    exchange.request.headers = NO_HEADERS;
  }

  /** Of the request, as long as it is kept. */
  get bytes(): number {
    return this.#head.length + this.#body.length;
  }

  /** Hands the request to a service whose consume is `exchange`. */
  handTo(exchange: Exchange, headerLines: string, more: boolean): void {
    const withBody = exchange.request.method !== 'HEAD';
    const body = withBody ? this.#body : NO_BYTES;
    if (typeof body === 'string') {
      const lines = headerLines + this.#head + body;
      exchange.deliver(lines, NO_BYTES, 0, 0, this, more);
    } else {
      exchange.deliver(headerLines + this.#head, body, 0, body.length, this, more);
    }
  }

  /** It will not be handed out again. */
  forgetRequest(): void {
    this.#head = '';
    this.#body = '';
  }

  delivered(): void {
    this.desk.delivered(this);
  }

  undelivered(): void {
    this.desk.undelivered(this);
  }
}

export function callKey(callerId: string, id: string): string {
  return `${callerId} ${id}`;
}

function keptBody(body: string | Buffer): string | Buffer {
  if (typeof body === 'string') return body;
  return body.length <= TEXT_BODY_BYTES_MAX ? body.toString('latin1') : Buffer.from(body);
}
