/**
 * The other side of a connection that became a WebSocket: the handshake, whole messages in, pings,
 * the close. Owned by a connection, which goes on with it as with a socket. Framing is done by ws.
 */
import { Buffer } from 'node:buffer';
import { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import type { DecoderLimits } from '../protocol/codec.js';
import type { Message } from '../protocol/message.js';
import { WebSocketOutbox } from './websocket-outbox.js';

/** What a peer is told by its connection, and tells it. */
export interface WebSocketOptions {
  readonly nowMs: number;
  /** Above this many bytes that the peer has not taken its pings are not answered. */
  readonly unsentBytesMax: number;
  /** One frame, or fragments put together: to be one whole message. */
  readonly onFrame: (bytes: Buffer) => void;
  /** The peer broke the framing: it was sent a close frame with the reason. */
  readonly onFailed: (error: Error) => void;
  /** Replies that had to wait were taken. */
  readonly onSent: () => void;
}

/** Pings go out this often; a peer that leaves two of them unanswered is gone. */
const PING_INTERVAL_MS = 30_000;
const UNANSWERED_MAX = 2;
/** RFC 6455, 7.4.1. */
const NORMAL_CLOSURE = 1000;

/** Of one message with its head. */
export function messageBytesMax({ headerBytesMax, bodyBytesMax }: DecoderLimits): number {
  return headerBytesMax + bodyBytesMax;
}

/** What makes the WebSockets of a listener; messages of more than `bytesMax` end with 1009. */
export function webSocketServer(bytesMax: number): WebSocketServer {
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    autoPong: false,
    maxPayload: bytesMax,
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
  #pingedMs: number;
  #unanswered = 0;

  constructor(webSocket: WebSocket, socket: Socket, options: WebSocketOptions) {
    this.#webSocket = webSocket;
    this.#pingedMs = options.nowMs;
    this.outbox = new WebSocketOutbox(webSocket, socket, options.onSent);
    webSocket.on('message', (data) => {
      this.#unanswered = 0;
      // `nodebuffer` is the binary type, so that a message is one Buffer.
      if (Buffer.isBuffer(data)) options.onFrame(data);
    });
    webSocket.on('ping', (data) => {
      if (socket.writableLength <= options.unsentBytesMax) webSocket.pong(data);
    });
    webSocket.on('pong', () => {
      this.#unanswered = 0;
    });
    webSocket.on('error', options.onFailed);
  }

  /**
   * Answers the handshake on `socket`, whose further bytes are the WebSocket's; `rest` came behind
   * the request already. null when the handshake is bad: nothing was answered.
   */
  static accept(
    server: WebSocketServer,
    { method, url, headers }: Message,
    socket: Socket,
    rest: Buffer,
    options: WebSocketOptions,
  ): WebSocketPeer | null {
    let peer: WebSocketPeer | null = null;
    const request = Object.create(IncomingMessage.prototype, {
      method: { value: method },
      url: { value: url },
      headers: { value: Object.fromEntries(headers) },
    }) as IncomingMessage;
    server.handleUpgrade(request, socket, rest, (webSocket) => {
      peer = new WebSocketPeer(webSocket, socket, options);
    });
    return peer;
  }

  pause(): void {
    this.#webSocket.pause();
  }

  resume(): void {
    this.#webSocket.resume();
  }

  /** Says that nothing follows; the peer is to close. */
  end(): void {
    this.#webSocket.close(NORMAL_CLOSURE);
  }

  /** Sends a ping when it is time; false when the peer has not answered the last ones. */
  isAlive(nowMs: number): boolean {
    if (nowMs - this.#pingedMs < PING_INTERVAL_MS) return true;
    if (this.#unanswered >= UNANSWERED_MAX) return false;
    this.#pingedMs = nowMs;
    this.#unanswered++;
    this.#webSocket.ping();
    return true;
  }
}
