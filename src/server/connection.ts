/**
 * One TCP connection, or the WebSocket it became: reads requests, hands each to the broker as an
 * Exchange, sends the replies of a turn with one write, and ends in good order. Made by the
 * listener. Promises: replies to requests without an id keep their order; what was read is answered
 * even when the peer has shut down its side; memory is bounded by the limits plus one read.
 */
import { randomUUID } from 'node:crypto';
import type { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';
import { Session } from '../broker/session.js';
import { FramingError } from '../errors.js';
import { Decoder, type DecoderEvents } from '../protocol/codec.js';
import type { Message } from '../protocol/message.js';
import { Phase, type TurnTask } from '../turn.js';
import { peerAddress } from './address.js';
import type { ConnectionContext } from './connection-context.js';
import { OpenRequests } from './open-requests.js';
import { Outbox } from './outbox.js';
import { PeerAccess } from './peer-access.js';
import { ReadDeadline, SLOW, isSlow } from './read-deadline.js';
import { overrun } from './overrun.js';
import { Replies } from './replies.js';
import { CONTINUE, refusal } from './reply-head.js';
import { ReplySlot } from './reply-order.js';
import { EARLY_UPGRADE, type Verdict, Verdicts } from './request-rules.js';
import { TcpExchange, type ExchangeOwner } from './tcp-exchange.js';
import type { StreamReply } from './stream-reply.js';
import type { Swept } from './timeout-sweep.js';
import { isUpgrade, WebSocketPeer, type WebSocketOwner } from './websocket-peer.js';

/**
 * reading: requests are taken. finishing: no more are; what was taken is answered, what still comes
 * is discarded. ended: our side is shut down, waiting for the peer's. closed: the socket is gone.
 */
const State = { reading: 0, finishing: 1, ended: 2, closed: 3 } as const;
type State = (typeof State)[keyof typeof State];

export class Connection implements ExchangeOwner, DecoderEvents, WebSocketOwner, TurnTask, Swept {
  readonly session: Session;
  /** The last reply of the connection, when it is a stream. */
  stream: StreamReply | null = null;
  readonly access: PeerAccess;
  /** Kept by Turn. */
  scheduled = false;
  readonly #socket: Socket;
  readonly #context: ConnectionContext;
  readonly #decoder: Decoder;
  readonly #replies: Replies;
  /** Set once the connection has become a WebSocket. */
  #webSocket: WebSocketPeer | null = null;
  readonly #readDeadline = new ReadDeadline();
  #state: State = State.reading;
  readonly #requests = new OpenRequests();
  #messageCount = 0;
  readonly #verdicts: Verdicts;
  #readingPaused = false;
  /** Set while draining. */
  #holdsMessages: ((session: Session) => boolean) | null = null;
  #endsWhenIdle = false;
  #activeMs: number;

  constructor(socket: Socket, context: ConnectionContext) {
    this.#socket = socket;
    this.#context = context;
    this.#activeMs = context.sweep.nowMs;
    this.session = new Session(randomUUID(), peerAddress(socket));
    this.session.onReadingChange = () => {
      this.#updateReading();
    };
    this.access = new PeerAccess(context.access, this);
    this.#verdicts = new Verdicts(context.rules);
    this.#decoder = new Decoder(context.limits, this, 'request');
    const outbox = new Outbox(socket, this.onSent);
    this.#replies = new Replies(this.session, outbox, context.limits.unsentBytesMax, () => {
      this.#endSession();
    });
    socket.on('data', this.#onData).on('end', this.#onPeerEnd);
    socket.on('error', (error) => {
      context.log.debug({ peer: this.session.remoteAddress, error }, 'connection failed');
    });
    socket.on('close', () => {
      this.#onClose();
    });
  }

  // ---- for the listener ------------------------------------------------------------------------

  /** Answers one status and closes. */
  refuse(status: number, reason: string, headerLines = ''): void {
    if (this.#state !== State.reading) return;
    this.#state = State.finishing;
    this.#endSession();
    const slot = new ReplySlot();
    slot.closes = true;
    slot.text = refusal(status, headerLines, reason, this.plainLines);
    this.#placeReady(slot);
  }

  /**
   * The server is stopping: replies to requests with an id say so, and so does the last one of
   * plain HTTP. `holdsMessages` tells whether the peer may still acknowledge; when not and nothing
   * is asked, the connection `ends`.
   */
  drain(holdsMessages: (session: Session) => boolean, ends: boolean): void {
    this.#holdsMessages = holdsMessages;
    this.#endsWhenIdle = ends;
    if (ends) this.#endIfDone();
  }

  /** Takes no more requests, drops those that wait, answers the rest, then closes. */
  finish(): void {
    if (this.#state === State.reading) this.#state = State.finishing;
    this.#endSession();
    this.#updateReading();
    this.#endIfDone();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  checkTimeouts(nowMs: number): void {
    const reads = this.#state === State.reading && !this.#readingPaused;
    const watched = {
      lingeringSinceMs: this.#state === State.ended ? this.#activeMs : null,
      writingSinceMs: this.#replies.writingSinceMs,
      webSocket: this.#webSocket,
      stream: this.stream,
      reading: reads ? (this.#webSocket ?? this.#readDeadline) : null,
      idleSinceMs: reads && this.#isIdle ? this.#activeMs : null,
    };
    const timeout = overrun(watched, nowMs, this.#context.timeouts);
    if (timeout === null) return;
    this.#reached(timeout);
    if (isSlow(timeout)) this.refuse(408, SLOW[timeout]);
    else if (timeout === 'idleTimeout') this.finish();
    else this.destroy();
  }

  // ---- for TcpExchange -------------------------------------------------------------------------

  get takesReplies(): boolean {
    return this.#state < State.ended;
  }

  get plainLines(): string | null {
    return this.#webSocket === null ? this.#context.plainLines.text : null;
  }

  get congested(): boolean {
    return this.#replies.congested;
  }

  endsWith(exchange: TcpExchange): boolean {
    const holds = this.#holdsMessages;
    if (holds !== null && exchange.named) return true;
    const reads = this.#state === State.reading && (holds === null || holds(this.session));
    if (reads || this.#requests.count > 1) return false;
    return exchange.named || this.#replies.ordered === 1;
  }

  wait(exchange: TcpExchange): boolean {
    if (this.#requests.waiting >= this.#context.limits.waitingMax) return false;
    this.#requests.wait(exchange);
    return true;
  }

  complete(exchange: TcpExchange): void {
    this.#requests.end(exchange);
    this.#replies.made(exchange, exchange.named);
    this.stream?.beginIfLast();
    this.#context.turn.schedule(Phase.send, this);
  }

  sendPart(slot: ReplySlot): void {
    this.#replies.send(slot);
    this.#context.turn.schedule(Phase.send, this);
  }

  // ---- for Decoder and WebSocketPeer -----------------------------------------------------------

  onMessage(message: Message): void {
    if (this.#state !== State.reading) return;
    this.#messageCount++;
    const known = this.#verdicts.has(message);
    if (!known && this.#webSocket === null && isUpgrade(message)) this.#upgrade(message);
    else this.#begin(message, this.#verdicts.of(message));
  }

  /** A request that is not carried out is answered without its body, which is not waited for. */
  onContinue(message: Message): void {
    if (this.#state !== State.reading) return;
    const verdict = this.#verdicts.of(message);
    if (verdict.answer !== null) {
      this.#begin(message, { ...verdict, closes: true });
      return;
    }
    const slot = new ReplySlot();
    slot.text = CONTINUE;
    this.#placeReady(slot);
  }

  readonly onFrame = (bytes: Buffer): void => {
    const count = this.#messageCount;
    this.#onData(bytes);
    if (this.#state !== State.reading) return;
    const whole = this.#decoder.state === 'idle' && this.#messageCount === count + 1;
    if (!whole) this.refuse(400, 'A WebSocket message must hold one whole zbus message');
  };

  readonly onFailed = (): void => this.#end();

  /** Replies wait to be sent, or a write that had to wait for the peer has ended. */
  readonly onSent = (): void => {
    this.#replies.flush(this.#context.sweep.nowMs);
    this.#afterSend();
  };

  // ---- for Turn --------------------------------------------------------------------------------

  endTurn(): void {
    if (this.#state === State.closed) return;
    if (this.#state === State.reading) this.#activeMs = this.#context.sweep.nowMs;
    this.onSent();
  }

  // ---- reading ---------------------------------------------------------------------------------

  readonly #onData = (chunk: Buffer): void => {
    if (this.#state !== State.reading) return;
    const { nowMs } = this.#context.sweep;
    this.#activeMs = nowMs;
    const count = this.#messageCount;
    try {
      this.#decoder.push(chunk);
    } catch (error) {
      this.#fail(error);
      return;
    }
    const began = this.#messageCount !== count;
    this.#readDeadline.onRead(this.#decoder.state, began, chunk.length, nowMs);
    this.#updateReading();
  };

  #begin(message: Message, verdict: Verdict): void {
    const exchange = new TcpExchange(this, message, verdict);
    this.#requests.begin(exchange);
    if (exchange.closes) this.#state = State.finishing;
    if (!exchange.named) this.#replies.place(exchange);
    const { answer } = verdict;
    if (answer === null) {
      this.#context.handle(exchange);
    } else {
      if (answer.refusedBy !== null) this.#reached(answer.refusedBy);
      exchange.answer(answer.status, answer.headerLines, answer.body);
    }
  }

  /** From here on each message is a frame of a WebSocket, in both directions. */
  #upgrade(message: Message): void {
    const owes = this.#requests.count + this.#replies.ordered + this.#replies.unsentBytes > 0;
    const verdict = this.#verdicts.of(message);
    const early = owes || message.body.length > 0 ? EARLY_UPGRADE : null;
    const answer = verdict.answer ?? early;
    if (answer !== null) {
      this.#begin(message, { ...verdict, answer, closes: true });
      return;
    }
    const rest = this.#decoder.stop();
    this.#socket.off('data', this.#onData).off('end', this.#onPeerEnd);
    const peer = WebSocketPeer.accept(this.#context, message, this.#socket, rest, this);
    if (peer === null) {
      this.#socket.on('data', this.#onData).on('end', this.#onPeerEnd);
      this.refuse(400, 'Bad WebSocket handshake: needs version 13 and a Sec-WebSocket-Key');
      return;
    }
    this.#webSocket = peer;
    this.#replies.sendBy(peer.outbox);
  }

  readonly #onPeerEnd = (): void => {
    if (this.#state === State.reading) {
      try {
        this.#decoder.end();
      } catch (error) {
        this.#fail(error);
      }
    }
    this.finish();
  };

  #fail(error: unknown): void {
    if (error instanceof FramingError) {
      if (error.limit !== null) this.#reached(error.limit);
      this.refuse(error.status, error.message);
      return;
    }
    // One request must not take the broker down for all: its connection ends, the log has the
    // stack.
    this.#context.log.error({ peer: this.session.remoteAddress, error }, 'request failed');
    this.destroy();
  }

  /** Nothing is asked, not even in part, and nothing owed. */
  get #isIdle(): boolean {
    const owes = this.#requests.count + this.#replies.ordered > 0;
    return !owes && this.#decoder.state === 'idle';
  }

  #reached(limit: string): void {
    this.#context.reports.reached(limit, { peer: this.session.remoteAddress });
  }

  /** Stops reading at a limit and goes on below half of it, so that it does not flutter. */
  #updateReading(): void {
    const limit = this.#reasonToPause();
    const paused = limit !== null;
    if (paused === this.#readingPaused) return;
    this.#readingPaused = paused;
    if (limit !== null && limit !== 'queue') this.#reached(limit);
    if (this.#state === State.closed) return;
    const peer = this.#webSocket ?? this.#socket;
    if (paused) {
      peer.pause();
    } else {
      this.#readDeadline.restart(this.#context.sweep.nowMs);
      this.#activeMs = this.#context.sweep.nowMs;
      peer.resume();
    }
  }

  /** The limit that is reached, or that a queue is behind; null to read on. */
  #reasonToPause(): string | null {
    // What comes is discarded then, and the peer's end must be seen.
    if (this.#state !== State.reading) return null;
    if (this.session.readingPaused) return 'queue';
    const share = this.#readingPaused ? 0.5 : 1;
    return this.#requests.exceeded(this.#replies, this.#context.limits, share);
  }

  // ---- sending ---------------------------------------------------------------------------------

  /** Gives a reply that is made the next place in the order. */
  #placeReady(slot: ReplySlot): void {
    this.#replies.place(slot);
    this.#replies.ready(slot);
    this.#context.turn.schedule(Phase.send, this);
  }

  #afterSend(): void {
    this.#updateReading();
    this.#endIfDone();
  }

  // ---- ending ----------------------------------------------------------------------------------

  #endSession(): void {
    if (this.session.ended) return;
    this.session.end();
    this.#requests.dropWaiting();
    this.#replies.dropWaiting();
    this.#context.turn.schedule(Phase.send, this);
  }

  #endIfDone(): void {
    if (this.#endsWhenIdle && this.#isIdle && this.#holdsMessages?.(this.session) === false) {
      if (this.#state === State.reading) this.#state = State.finishing;
    }
    if (this.#state !== State.finishing) return;
    if (this.#requests.count > 0 || this.#replies.ordered > 0) return;
    if (this.#replies.unsentBytes > 0) return;
    this.#end();
    if (this.#webSocket === null) this.#socket.end();
    else this.#webSocket.end(this.#holdsMessages !== null);
    // Reads on and discards: closing with unread bytes would reset the peer before it has read the
    // answer.
    this.#updateReading();
  }

  #end(): void {
    this.#state = State.ended;
    this.#activeMs = this.#context.sweep.nowMs;
    this.#endSession();
  }

  #onClose(): void {
    this.#state = State.closed;
    this.#endSession();
    this.#replies.abandon();
    this.access.close();
    this.#context.onClose(this);
  }
}
