/**
 * What the broker needs of a connection: a session it belongs to and, for each request, the place
 * where the answer goes. Implemented by server/connection (TCP); later by WebSocket and in-process
 * transports.
 */
import type { Buffer } from 'node:buffer';
import type { Grant } from '../auth/grant.js';
import type { Message } from '../protocol/message.js';
import type { StreamFormat } from '../protocol/stream-format.js';
import type { Session } from './session.js';

/** A message handed to a peer; the connection calls exactly one of the two, once. */
export interface Delivery {
  /** The kernel has taken the bytes: the group's stored position may move past the message. */
  delivered(): void;
  /** The connection broke with these bytes unsent: give the message to the next consumer. */
  undelivered(): void;
}

/** An answer whose end is not known when it begins; the last one on its connection. */
export interface ReplyStream {
  readonly format: StreamFormat;
  /** The head has left: from here on the exchange itself takes no answer. */
  readonly begun: boolean;
  /** True while it takes pieces: from its begin to its end, and while the peer can be reached. */
  readonly open: boolean;
  /**
   * Asks for the head to be sent as soon as every earlier request of the connection is answered;
   * `Session.onWritable` tells then.
   */
  queue(): void;
  /** Sends a piece, latin1, not empty. When the stream is not open, `delivery` is undelivered. */
  write(text: string, delivery: Delivery | null): void;
  /** Ends the stream in good order, and the exchange with it. */
  end(): void;
}

export interface Exchange {
  readonly session: Session;
  readonly request: Message;
  /** What its sender may do; null without a valid token. */
  readonly grant: Grant | null;
  /** The request's id, or the one made for it. */
  readonly id: string;
  /**
   * False once it was answered or silenced, when the peer is gone, or no reply is wanted any more.
   */
  readonly alive: boolean;
  /**
   * True while the peer's unsent bytes exceed the cap: deliver later (Session.onWritable tells
   * when).
   */
  readonly congested: boolean;
  /** Where the answer may be streamed: absent or null when the request does not ask for it. */
  readonly stream?: ReplyStream | null;

  /**
   * Answers, once; nothing happens when it is not alive. `headerLines` is `name: value\r\n`* in
   * latin1, without id, connection and content-length, which the exchange writes. A string body is
   * latin1, and text unless the lines say what else; a Buffer body belongs to the exchange from
   * here on, and its type, if any, is in the `headerLines`.
   */
  answer(status: number, headerLines: string, body: string | Buffer): void;
  /**
   * As answer, but the reply names an id only when the request did: replies to ping, to an unknown
   * command and the home page, as the servers before this one send them.
   */
  answerPlain(status: number, headerLines: string, body: string | Buffer): void;
  /**
   * Answers with a stored record: `headerLines`, then bytes[start .. end) as stored (header lines
   * with content-length, blank line, body). When the exchange is not alive, `delivery.undelivered`
   * is called before this returns; else one of the two later, `delivered` in phase send of the turn
   * as a rule. With `more` the exchange goes on waiting: only where the request had an id.
   */
  deliver(
    headerLines: string,
    bytes: Buffer,
    start: number,
    end: number,
    delivery: Delivery | null,
    more?: boolean,
  ): void;
  /** Ends the exchange without a reply. */
  silence(): void;
  /**
   * Says that the answer may take for ever (a consume that waits): the exchange no longer counts as
   * in flight, keeps the connection from being idle, and is dropped when the session ends. False:
   * too many wait on this connection already, so refuse it with a LimitError.
   */
  wait(): boolean;
}
