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
import { streamFormat } from '../protocol/stream-format.js';
import { Phase, type TurnTask } from '../turn.js';
import { peerAddress } from './address.js';
import type { ConnectionContext } from './connection-context.js';
import { closesAfter } from './keep-alive.js';
import { OpenRequests } from './open-requests.js';
import { Outbox, type ReplyOutbox } from './outbox.js';
import { PeerAccess } from './peer-access.js';
import { ReadDeadline } from './read-deadline.js';
import { CLOSE, CONTINUE, lengthLine, statusLine } from './reply-head.js';
import { ReplyOrder, ReplySlot } from './reply-order.js';
import { TcpExchange, type ExchangeOwner } from './tcp-exchange.js';
import type { StreamReply } from './stream-reply.js';
import type { Swept } from './timeout-sweep.js';
import { isUpgrade, WebSocketPeer } from './websocket-peer.js';

/**
 * reading: requests are taken. finishing: no more are; what was taken is answered, what still comes
 * is discarded. ended: our side is shut down, waiting for the peer's. closed: the socket is gone.
 */
const State = { reading: 0, finishing: 1, ended: 2, closed: 3 } as const;
type State = (typeof State)[keyof typeof State];

export class Connection implements ExchangeOwner, DecoderEvents, TurnTask, Swept {
  readonly session: Session;
  /** The last reply of the connection, when it is a stream. */
  stream: StreamReply | null = null;
  readonly access: PeerAccess;
  /** Kept by Turn. */
  scheduled = false;
  readonly #socket: Socket;
  readonly #context: ConnectionContext;
  readonly #decoder: Decoder;
  #outbox: ReplyOutbox;
  /** Set once the connection has become a WebSocket. */
  #webSocket: WebSocketPeer | null = null;
  readonly #order = new ReplyOrder();
  readonly #readDeadline = new ReadDeadline();
  #state: State = State.reading;
  readonly #requests = new OpenRequests();
  #messageCount = 0;
  /** Of the last request; the decoder gives the next the same when its head is the same. */
  #admitted: Message['headers'] | null = null;
  #readingPaused = false;
  /** Someone may have been told that the peer is congested, and waits for `Session.writable`. */
  #toldCongested = false;
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
    this.#decoder = new Decoder(context.limits, this, 'request');
    this.#outbox = new Outbox(socket, this.#sent);
    socket.on('data', this.#onData);
    socket.on('end', this.#onPeerEnd);
    socket.on('error', (error) => {
      context.log.debug({ peer: this.session.remoteAddress, error }, 'connection failed');
    });
    socket.on('close', () => {
      this.#onClose();
    });
  }

  // ---- for the listener ------------------------------------------------------------------------

  /** Answers one status and closes. */
  refuse(status: number, reason: string): void {
    if (this.#state !== State.reading) return;
    this.#state = State.finishing;
    this.#endSession();
    const slot = new ReplySlot();
    slot.closes = true;
    slot.text = statusLine(status) + CLOSE + lengthLine(reason.length) + reason;
    this.#order.push(slot);
    this.#order.hold(slot);
    this.#sendReady();
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
    const { timeouts } = this.#context;
    if (this.#state === State.ended) {
      if (nowMs - this.#activeMs > timeouts.lingerMs) this.destroy();
    } else if (this.#outbox.writing) {
      if (nowMs - this.#outbox.writingSinceMs > timeouts.stalledWriteMs) this.destroy();
    } else if (this.#webSocket !== null) {
      if (!this.#webSocket.isAlive(nowMs)) this.destroy();
    } else if (this.stream !== null) {
      this.stream.checkIdle(nowMs);
    } else if (this.#state === State.reading && !this.#readingPaused) {
      this.#checkReading(nowMs);
    }
  }

  // ---- for TcpExchange -------------------------------------------------------------------------

  get takesReplies(): boolean {
    return this.#state < State.ended;
  }

  get congested(): boolean {
    if (this.#outbox.unsentBytes <= this.#context.limits.unsentBytesMax) return false;
    this.#toldCongested = true;
    return true;
  }

  endsWith(exchange: TcpExchange): boolean {
    if (this.#state === State.reading || this.#requests.count > 1) return false;
    return exchange.named || this.#order.length === 1;
  }

  wait(exchange: TcpExchange): boolean {
    if (this.#requests.waiting >= this.#context.limits.waitingMax) return false;
    this.#requests.wait(exchange);
    return true;
  }

  complete(exchange: TcpExchange): void {
    this.#requests.end(exchange);
    if (exchange.named) {
      this.#send(exchange);
    } else {
      this.#order.hold(exchange);
      this.#sendReady();
    }
    this.stream?.beginIfLast();
    this.#context.turn.schedule(Phase.send, this);
  }

  sendPart(slot: ReplySlot): void {
    this.#send(slot);
    this.#context.turn.schedule(Phase.send, this);
  }

  // ---- for Decoder -----------------------------------------------------------------------------

  onMessage(message: Message): void {
    if (this.#state !== State.reading) return;
    this.#messageCount++;
    const known = message.headers === this.#admitted;
    if (!known && this.#webSocket === null && isUpgrade(message)) {
      this.#upgrade(message);
      return;
    }
    const format = this.#webSocket === null ? streamFormat(message.headers.get('accept')) : null;
    const exchange = new TcpExchange(this, message, closesAfter(message), format);
    this.#requests.begin(exchange);
    if (exchange.closes) this.#state = State.finishing;
    if (!exchange.named) this.#order.push(exchange);
    const refusal = known ? null : this.#context.origins.check(message);
    if (refusal === null) {
      this.#admitted = message.headers;
      this.#context.handle(exchange);
    } else {
      this.#context.log.warn({ peer: this.session.remoteAddress, ...refusal }, 'request refused');
      exchange.answer(refusal.status, '', refusal.reason);
    }
  }

  onContinue(): void {
    if (this.#state !== State.reading) return;
    const slot = new ReplySlot();
    slot.text = CONTINUE;
    this.#order.push(slot);
    this.#order.hold(slot);
    this.#sendReady();
  }

  // ---- for Turn --------------------------------------------------------------------------------

  endTurn(): void {
    if (this.#state === State.closed) return;
    const { nowMs } = this.#context.sweep;
    if (this.#state === State.reading) this.#activeMs = nowMs;
    this.#outbox.flush(nowMs);
    this.#afterSend();
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

  /** From here on each message is a frame of a WebSocket, in both directions. */
  #upgrade(message: Message): void {
    const owes = this.#requests.count + this.#order.length + this.#outbox.unsentBytes > 0;
    const reason = 'An upgrade must have no body, and be sent when all is answered';
    const early = owes || message.body.length > 0 ? { status: 400, reason } : null;
    const refusal = this.#context.origins.check(message) ?? early;
    if (refusal !== null) {
      this.refuse(refusal.status, refusal.reason);
      return;
    }
    const rest = this.#decoder.stop();
    this.#socket.off('data', this.#onData).off('end', this.#onPeerEnd);
    const { sweep, limits } = this.#context;
    const server = this.access.upgrade(this.#context);
    const peer = WebSocketPeer.accept(server, message, this.#socket, rest, {
      nowMs: sweep.nowMs,
      unsentBytesMax: limits.unsentBytesMax,
      onFrame: (bytes) => {
        this.#onFrame(bytes);
      },
      onFailed: (error) => {
        this.#context.log.debug({ peer: this.session.remoteAddress, error }, 'connection failed');
        this.#end();
      },
      onSent: this.#sent,
    });
    if (peer === null) {
      this.#socket.on('data', this.#onData).on('end', this.#onPeerEnd);
      this.refuse(400, 'Bad WebSocket handshake: needs version 13 and a Sec-WebSocket-Key');
      return;
    }
    this.#webSocket = peer;
    this.#outbox = peer.outbox;
  }

  #onFrame(bytes: Buffer): void {
    const count = this.#messageCount;
    this.#onData(bytes);
    if (this.#state !== State.reading) return;
    const whole = this.#decoder.state === 'idle' && this.#messageCount === count + 1;
    if (!whole) this.refuse(400, 'A WebSocket message must hold one whole zbus message');
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
      this.refuse(error.status, error.message);
      return;
    }
    // One request must not take the broker down for all: its connection ends, the log has the
    // stack.
    this.#context.log.error({ peer: this.session.remoteAddress, error }, 'request failed');
    this.destroy();
  }

  #checkReading(nowMs: number): void {
    const slow = this.#readDeadline.check(nowMs, this.#context.timeouts);
    if (slow !== null) {
      this.refuse(408, `The ${slow} of the request took too long`);
      return;
    }
    const owes = this.#requests.count + this.#order.length > 0;
    if (owes || this.#decoder.state !== 'idle') return;
    if (nowMs - this.#activeMs > this.#context.timeouts.idleMs) this.finish();
  }

  /** Stops reading at a limit and goes on below half of it, so that it does not flutter. */
  #updateReading(): void {
    const paused = this.#mustPause();
    if (paused === this.#readingPaused) return;
    this.#readingPaused = paused;
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

  #mustPause(): boolean {
    // What comes is discarded then, and the peer's end must be seen.
    if (this.#state !== State.reading) return false;
    const { limits } = this.#context;
    const share = this.#readingPaused ? 0.5 : 1;
    return (
      this.session.readingPaused ||
      this.#requests.exceed(limits, share) ||
      this.#order.length > limits.inFlightMax * share ||
      this.#outbox.unsentBytes + this.#order.heldBytes > limits.unsentBytesMax * share
    );
  }

  // ---- sending ---------------------------------------------------------------------------------

  /** Sends the ordered replies whose turn has come. */
  #sendReady(): void {
    for (let slot = this.#order.shift(); slot !== null; slot = this.#order.shift()) {
      this.#send(slot);
    }
    this.#context.turn.schedule(Phase.send, this);
  }

  #send(slot: ReplySlot): void {
    if (slot.text !== '') this.#outbox.push(slot.text, slot.bytes, slot.delivery);
    if (slot.closes) this.#endSession();
  }

  /** A write that had to wait for the peer has ended. */
  readonly #sent = (): void => {
    this.#outbox.flush(this.#context.sweep.nowMs);
    this.#afterSend();
  };

  #afterSend(): void {
    if (
      this.#toldCongested &&
      this.#outbox.unsentBytes <= this.#context.limits.unsentBytesMax / 2
    ) {
      this.#toldCongested = false;
      this.session.writable();
    }
    this.#updateReading();
    this.#endIfDone();
  }

  // ---- ending ----------------------------------------------------------------------------------

  #endSession(): void {
    if (this.session.ended) return;
    this.session.end();
    this.#requests.dropWaiting();
    this.#order.dropWaiting();
    this.#sendReady();
  }

  #endIfDone(): void {
    if (this.#state !== State.finishing) return;
    if (this.#requests.count > 0 || this.#order.length > 0) return;
    if (this.#outbox.unsentBytes > 0) return;
    this.#end();
    (this.#webSocket ?? this.#socket).end();
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
    this.#outbox.abandon();
    this.#order.abandon();
    this.access.close();
    this.#context.onClose(this);
  }
}
