/**
 * One request on a TCP connection and the place of its reply: the Exchange the broker answers. Made
 * by the connection for each request; turns status, headers and body into reply bytes and hands
 * itself back.
 */
import { randomUUID } from 'node:crypto';
import type { Buffer } from 'node:buffer';
import type { Grant } from '../auth/grant.js';
import type { Delivery, Exchange } from '../broker/exchange.js';
import type { Session } from '../broker/session.js';
import type { Message } from '../protocol/message.js';
import type { PeerAccess } from './peer-access.js';
import {
  CLOSE,
  KEEP_ALIVE,
  SANDBOX,
  TEXT,
  isBodyless,
  lengthLine,
  statusLine,
} from './reply-head.js';
import { ReplySlot } from './reply-order.js';
import type { Verdict } from './request-rules.js';
import { type StreamOwner, StreamReply } from './stream-reply.js';

/** What an exchange needs of its connection. */
export interface ExchangeOwner {
  readonly session: Session;
  /** Told to begin whenever a reply was made, for it is to be the last. */
  stream: StreamReply | null;
  readonly access: PeerAccess;
  /** True while replies can still be sent. */
  readonly takesReplies: boolean;
  readonly congested: boolean;
  /** Header lines of replies of plain HTTP; null where messages travel otherwise. */
  readonly plainLines: string | null;
  /** True when no reply will follow this exchange's. */
  endsWith(exchange: TcpExchange): boolean;
  /** The exchange is over; its slot holds the reply. */
  complete(exchange: TcpExchange): void;
  /** Sends a reply behind which the exchange goes on. */
  sendPart(slot: ReplySlot): void;
  /** The exchange begins to wait; false when too many do. */
  wait(exchange: TcpExchange): boolean;
}

/**
 * Up to this a body is copied into the text of its turn: one write of one string beats a gathered
 * one.
 */
const INLINE_BYTES_MAX = 8 * 1024;

export class TcpExchange extends ReplySlot implements Exchange, StreamOwner {
  readonly request: Message;
  readonly grant: Grant | null;
  /** True when the request came with an id, so that its reply may go out in any order. */
  readonly named: boolean;
  /** Body bytes of the request as it was read, whatever becomes of `request.body`. */
  readonly bodyBytes: number;
  readonly stream: StreamReply | null;
  readonly #owner: ExchangeOwner;
  /** Of each reply. */
  readonly #headerLines: string;
  /** True for curl, browsers and their like, which need to be told what a body is. */
  readonly #plain: boolean;
  #id: string;
  #done = false;

  constructor(owner: ExchangeOwner, request: Message, verdict: Verdict) {
    super();
    this.#owner = owner;
    this.request = request;
    this.grant = owner.access.grant;
    this.#id = request.headers.get('id') ?? '';
    this.named = this.#id !== '';
    this.bodyBytes = request.body.length;
    const { plainLines } = owner;
    const format = plainLines === null ? null : verdict.streamFormat;
    this.closes = verdict.closes || format !== null;
    this.stream = format === null ? null : new StreamReply(this, format);
    const lines = format !== null || !this.named ? plainLines : null;
    this.#plain = lines !== null;
    this.#headerLines = (lines ?? '') + verdict.headerLines;
  }

  get session(): Session {
    return this.#owner.session;
  }

  get id(): string {
    if (this.#id === '') this.#id = randomUUID();
    return this.#id;
  }

  get alive(): boolean {
    if (this.#done || !this.#owner.takesReplies) return false;
    return !this.waits || !this.#owner.session.ended;
  }

  get congested(): boolean {
    return this.#owner.congested;
  }

  answer(status: number, headerLines: string, body: string | Buffer): void {
    if (!this.alive) return;
    this.#reply(status, `id: ${this.id}\r\n${headerLines}`, body);
  }

  answerPlain(status: number, headerLines: string, body: string | Buffer): void {
    if (this.named) this.answer(status, headerLines, body);
    else if (this.alive) this.#reply(status, headerLines, body);
  }

  deliver(
    headerLines: string,
    bytes: Buffer,
    start: number,
    end: number,
    delivery: Delivery | null,
    more = false,
  ): void {
    if (!this.alive) {
      delivery?.undelivered();
      return;
    }
    const slot = more ? new ReplySlot() : this;
    const last = this.request.method === 'HEAD' ? headEnd(bytes, start, end) : end;
    const lines = this.#plain ? SANDBOX + headerLines : headerLines;
    const head = `${statusLine(200)}id: ${this.id}\r\n${this.#commonLines(more)}${lines}`;
    if (last - start <= INLINE_BYTES_MAX) {
      slot.text = head + bytes.toString('latin1', start, last);
    } else {
      slot.text = head;
      slot.bytes = bytes.subarray(start, last);
    }
    slot.delivery = delivery;
    if (more) this.#owner.sendPart(slot);
    else this.#complete();
  }

  silence(): void {
    if (this.alive) this.#complete();
  }

  wait(): boolean {
    if (this.#done || this.waits || !this.#owner.takesReplies) return true;
    if (this.session.ended) {
      this.#complete();
      return true;
    }
    this.waits = this.#owner.wait(this);
    return this.waits;
  }

  // ---- for StreamReply -------------------------------------------------------------------------

  get headLines(): string {
    return this.named ? `id: ${this.#id}\r\n${this.#headerLines}` : this.#headerLines;
  }

  get takesReplies(): boolean {
    return this.#owner.takesReplies;
  }

  get isLast(): boolean {
    return this.alive && this.#owner.endsWith(this);
  }

  queued(stream: StreamReply): void {
    this.#owner.stream = stream;
  }

  begun(): void {
    this.#done = true;
    this.session.writable();
  }

  send(slot: ReplySlot): void {
    this.#owner.sendPart(slot);
  }

  ended(): void {
    this.#complete();
  }

  #reply(status: number, lines: string, body: string | Buffer): void {
    const plainLines = this.#plain ? plainLinesOf(lines, body) : '';
    const head = statusLine(status) + lines + plainLines + this.#commonLines(false);
    if (isBodyless(status)) {
      this.text = `${head}\r\n`;
    } else if (this.request.method === 'HEAD') {
      this.text = head + lengthLine(body.length);
    } else if (typeof body === 'string') {
      this.text = head + lengthLine(body.length) + body;
    } else if (body.length <= INLINE_BYTES_MAX) {
      this.text = head + lengthLine(body.length) + body.toString('latin1');
    } else {
      this.text = head + lengthLine(body.length);
      this.bytes = body;
    }
    this.#complete();
  }

  #commonLines(more: boolean): string {
    const ends = !more && (this.closes || this.#owner.endsWith(this));
    return (ends ? CLOSE : KEEP_ALIVE) + this.#headerLines;
  }

  #complete(): void {
    this.#done = true;
    this.#owner.complete(this);
  }
}

/**
 * What a browser must be told of a body. One whose type its maker named may be a page of a service;
 * only pages of the broker come with a policy of their own.
 */
function plainLinesOf(lines: string, body: string | Buffer): string {
  if (lines.includes('content-type:')) {
    return lines.includes('content-security-policy:') ? '' : SANDBOX;
  }
  return typeof body === 'string' && body !== '' ? TEXT : '';
}

/** Where the header lines of a stored record end: behind its blank line. */
function headEnd(bytes: Buffer, start: number, end: number): number {
  const blank = bytes.indexOf('\r\n\r\n', start, 'latin1');
  return blank < 0 || blank + 4 > end ? end : blank + 4;
}
