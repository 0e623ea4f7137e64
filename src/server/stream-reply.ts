/**
 * A reply that goes on until one side ends it: head, then pieces as they come, chunked for HTTP/1.1
 * (RFC 9112, 7.1), to the end of the connection for HTTP/1.0. Made by TcpExchange for a request
 * that asks for a stream; begun by the connection, of which it is the last reply.
 */
import type { Delivery, ReplyStream } from '../broker/exchange.js';
import type { Message } from '../protocol/message.js';
import type { StreamFormat } from '../protocol/stream-format.js';
import { CLOSE, statusLine } from './reply-head.js';
import { ReplySlot } from './reply-order.js';

/** What a stream needs of its exchange. */
export interface StreamOwner {
  readonly request: Message;
  /** Lines of the head that any reply to the request has. */
  readonly headLines: string;
  /** False once the connection sends nothing any more. */
  readonly takesReplies: boolean;
  /** Everything else that was asked of the connection is answered. */
  readonly isLast: boolean;
  /** The stream is to be told whenever a reply was made. */
  queued(stream: StreamReply): void;
  /** The head leaves now: no other answer may follow. */
  begun(): void;
  send(slot: ReplySlot): void;
  /** The reply is whole. */
  ended(): void;
}

const HEAD_LINES = 'cache-control: no-store\r\n' + 'x-accel-buffering: no\r\n';
const CHUNKED = 'transfer-encoding: chunked\r\n';
const LAST_CHUNK = '0\r\n\r\n';
/** Without a message for this long a sign of life is sent; proxies cut after 60 s as a rule. */
const IDLE_MS = 15_000;

export class StreamReply implements ReplyStream {
  readonly format: StreamFormat;
  begun = false;
  readonly #owner: StreamOwner;
  #ended = false;
  /** Something was sent since the last look of the sweep. */
  #wrote = false;
  #quietSinceMs = 0;

  constructor(owner: StreamOwner, format: StreamFormat) {
    this.#owner = owner;
    this.format = format;
  }

  get open(): boolean {
    return this.begun && !this.#ended && this.#owner.takesReplies;
  }

  queue(): void {
    this.#owner.queued(this);
    this.beginIfLast();
  }

  write(text: string, delivery: Delivery | null = null): void {
    if (!this.open) {
      delivery?.undelivered();
      return;
    }
    this.#wrote = true;
    this.#send(this.#chunked ? `${text.length.toString(16)}\r\n${text}\r\n` : text, delivery);
  }

  end(): void {
    if (!this.open) return;
    this.#ended = true;
    if (this.#chunked && this.#owner.request.method !== 'HEAD') this.#send(LAST_CHUNK, null);
    this.#owner.ended();
  }

  /** For the connection: a reply was made, perhaps the last before this one. */
  beginIfLast(): void {
    if (!this.begun && this.#owner.isLast) this.#begin();
  }

  /** A reply to HEAD is its head. */
  #begin(): void {
    const { request, headLines } = this.#owner;
    this.begun = true;
    this.#owner.begun();
    const head =
      `${statusLine(200)}${headLines}content-type: ${this.format.contentType}\r\n${HEAD_LINES}` +
      `${this.#chunked ? CHUNKED : ''}${CLOSE}\r\n`;
    this.#send(head, null);
    if (request.method === 'HEAD') this.end();
    else if (this.format.opening !== '') this.write(this.format.opening);
  }

  /** For the connection's sweep. */
  checkIdle(nowMs: number): void {
    if (!this.open) return;
    if (this.#wrote) {
      this.#wrote = false;
      this.#quietSinceMs = nowMs;
    } else if (nowMs - this.#quietSinceMs >= IDLE_MS) {
      this.write(this.format.idle);
    }
  }

  get #chunked(): boolean {
    return this.#owner.request.httpMinor === 1;
  }

  #send(text: string, delivery: Delivery | null): void {
    const slot = new ReplySlot();
    slot.text = text;
    slot.delivery = delivery;
    this.#owner.send(slot);
  }
}
