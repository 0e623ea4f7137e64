/**
 * The other side of a connection that became a WebSocket: the handshake, whole messages in, pings,
 * the close. Owned by a connection, which goes on with it as with a socket. Framing is done by ws.
 */
import { Buffer } from 'node:buffer';
import { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Session } from '../broker/session.js';
import type { DecoderLimits } from '../protocol/codec.js';
import type { Message } from '../protocol/message.js';
import { chosenOf } from '../protocol/websocket-token.js';
import type { ConnectionContext } from './connection-context.js';
import { FrameTracker } from './frame-tracker.js';
import type { ServerTimeouts } from './limits.js';
import type { PeerAccess } from './peer-access.js';
import { ReadDeadline, type SLOW } from './read-deadline.js';
import { WebSocketOutbox } from './websocket-outbox.js';

/** What a peer tells its connection. */
export interface WebSocketOwner {
  readonly session: Session;
  readonly access: PeerAccess;
  /** One frame, or fragments put together: to be one whole message. */
  readonly onFrame: (bytes: Buffer) => void;
  /** The peer broke the framing: it was sent a close frame with the reason. */
  readonly onFailed: () => void;
  /** Replies that had to wait were taken. */
  readonly onSent: () => void;
}

/** A peer that leaves this many pings unanswered is gone. */
const UNANSWERED_MAX = 2;
/** By the code of ws's error. */
const LIMIT_OF_FAILURE: ReadonlyMap<string, string> = new Map([
  ['WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', 'bodyBytesMax'],
  ['WS_ERR_TOO_MANY_BUFFERED_PARTS', 'fragmentsMax'],
]);
/** Codes of a close frame (RFC 6455, 7.4.1). */
const NORMAL_CLOSURE = 1000;
const GOING_AWAY = 1001;

/**
 * What makes the WebSockets of a listener. A message that is too large ends with 1009, one of too
 * many fragments with 1008.
 */
export function webSocketServer(
  { headerBytesMax, bodyBytesMax }: DecoderLimits,
  fragmentsMax: number,
): WebSocketServer {
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    autoPong: false,
    maxPayload: headerBytesMax + bodyBytesMax,
    maxFragments: fragmentsMax,
    handleProtocols: chosenOf,
  });
  // With a listener ws leaves the answer to a bad handshake to the connection.
  return server.on('wsClientError', () => undefined);
}

/** True when the request asks to make the connection a WebSocket. */
export function isUpgrade({ method, headers }: Message): boolean {
  if (method !== 'GET' || headers.get('upgrade')?.toLowerCase() !== 'websocket') return false;
  return /(^|,)\s*upgrade\s*(,|$)/i.test(headers.get('connection') ?? '');
}

export class WebSocketPeer {
  readonly outbox: WebSocketOutbox;
  readonly #webSocket: WebSocket;
  readonly #context: ConnectionContext;
  readonly #frames = new FrameTracker();
  readonly #readDeadline = new ReadDeadline();
  #pingedMs: number;
  #unanswered = 0;

  constructor(
    webSocket: WebSocket,
    socket: Socket,
    context: ConnectionContext,
    owner: WebSocketOwner,
  ) {
    const { limits, sweep } = context;
    this.#context = context;
    this.#webSocket = webSocket;
    this.#pingedMs = sweep.nowMs;
    socket.on('data', (chunk: Buffer) => {
      this.#track(chunk);
    });
    this.outbox = new WebSocketOutbox(webSocket, socket, owner.onSent);
    webSocket.on('message', (data) => {
      this.#unanswered = 0;
      // `nodebuffer` is the binary type, so that a message is one Buffer.
      if (Buffer.isBuffer(data)) owner.onFrame(data);
    });
    webSocket.on('ping', (data) => {
      // A peer that does not read must not pile up answers.
      if (socket.writableLength <= limits.unsentBytesMax) webSocket.pong(data);
    });
    webSocket.on('pong', () => {
      this.#unanswered = 0;
    });
    webSocket.on('error', (error: Error & { code?: string }) => {
      const peer = owner.session.remoteAddress;
      const limit = LIMIT_OF_FAILURE.get(error.code ?? '');
      if (limit !== undefined) context.reports.reached(limit, { peer });
      context.log.debug({ peer, error }, 'connection failed');
      owner.onFailed();
    });
  }

  /**
   * Answers the handshake on `socket`, whose further bytes are the WebSocket's; `rest` came behind
   * the request already. null when the handshake is bad: nothing was answered.
   */
  static accept(
    context: ConnectionContext,
    { method, url, headers }: Message,
    socket: Socket,
    rest: Buffer,
    owner: WebSocketOwner,
  ): WebSocketPeer | null {
    let peer: WebSocketPeer | null = null;
    const request = Object.create(IncomingMessage.prototype, {
      method: { value: method },
      url: { value: url },
      headers: { value: Object.fromEntries(headers) },
    }) as IncomingMessage;
    owner.access.upgrade(context).handleUpgrade(request, socket, rest, (webSocket) => {
      peer = new WebSocketPeer(webSocket, socket, context, owner);
    });
    return peer;
  }

  pause(): void {
    this.#webSocket.pause();
  }

  resume(): void {
    this.#readDeadline.restart(this.#context.sweep.nowMs);
    this.#webSocket.resume();
  }

  /** Says that nothing follows; the peer is to close. `stopping`: as the whole server does. */
  end(stopping: boolean): void {
    this.#webSocket.close(stopping ? GOING_AWAY : NORMAL_CLOSURE);
  }

  /** The timeout that a message being read has overrun, or null: fragments need not end. */
  check(nowMs: number, timeouts: ServerTimeouts): keyof typeof SLOW | null {
    return this.#readDeadline.check(nowMs, timeouts);
  }

  /** Sends a ping when it is time; false when the peer has not answered the last ones. */
  isAlive(nowMs: number): boolean {
    if (nowMs - this.#pingedMs < this.#context.timeouts.pingMs) return true;
    if (this.#unanswered >= UNANSWERED_MAX) return false;
    this.#pingedMs = nowMs;
    this.#unanswered++;
    this.#webSocket.ping();
    return true;
  }

  #track(chunk: Buffer): void {
    const frames = this.#frames;
    const { messages } = frames;
    frames.push(chunk);
    const state = frames.open ? 'body' : 'idle';
    const began = frames.messages !== messages;
    this.#readDeadline.onRead(state, began, chunk.length, this.#context.sweep.nowMs);
  }
}
