/**
 * WebSocket: one frame a message. Used by node-transport.ts and page-transport.ts, which know how
 * to open one where they run; nothing here needs more than a browser has.
 */
import { Buffer } from 'node:buffer';
import { FramingError } from '../errors.js';
import { Decoder } from '../protocol/codec.js';
import { encodeRequest } from '../protocol/encode.js';
import type { Message } from '../protocol/message.js';
import { protocolsWith } from '../protocol/websocket-token.js';
import { CONGESTED_BYTES, type Link, type LinkEvents, REPLY_LIMITS } from './transport.js';

/** What is used of a WebSocket (WHATWG WebSockets, 3). */
export interface WebSocketLike {
  binaryType: string;
  readonly bufferedAmount: number;
  onopen: (() => void) | null;
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  onerror: ((event: { readonly message?: string }) => void) | null;
  onclose: ((event: { readonly code: number; readonly reason: string }) => void) | null;
  send(data: Uint8Array): void;
  close(): void;
  /** Of `ws` alone. */
  terminate?: () => void;
}

const NORMAL_CLOSURE = 1000;
/** A WebSocket does not tell when its buffer has drained: it is looked at this often. */
const LOOK_MS = 5;

/**
 * Resolves once the WebSocket that `open` begins is open. The handshake brings the token, so that
 * the broker takes large messages from the first on.
 */
export async function connectWebSocket(
  open: (protocols: string[]) => WebSocketLike,
  token: string | undefined,
  events: LinkEvents,
  signal: AbortSignal,
): Promise<Link> {
  signal.throwIfAborted();
  const socket = open(protocolsWith(token));
  return new Promise((resolve, reject) => {
    const link = new WebSocketLink(socket, events, reject);
    const onAbort = (): void => {
      link.destroy();
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    socket.onopen = () => {
      signal.removeEventListener('abort', onAbort);
      if (link.opened()) resolve(link);
    };
  });
}

class WebSocketLink implements Link {
  activity = 0;
  readonly #socket: WebSocketLike;
  readonly #events: LinkEvents;
  readonly #decoder: Decoder;
  /** Told when it closes before it was open; null from then on. */
  #reject: ((error: Error) => void) | null;
  #cause: Error | null = null;
  #closed = false;
  #lookTimer: ReturnType<typeof setInterval> | null = null;

  constructor(socket: WebSocketLike, events: LinkEvents, reject: (error: Error) => void) {
    this.#socket = socket;
    this.#events = events;
    this.#reject = reject;
    const continued = (): void => undefined;
    this.#decoder = new Decoder(
      REPLY_LIMITS,
      { onMessage: (reply) => events.onMessage(reply), onContinue: continued },
      'reply',
    );
    socket.binaryType = 'arraybuffer';
    socket.onmessage = ({ data }) => {
      this.#read(data);
    };
    socket.onerror = ({ message }) => {
      this.#cause ??= new Error(message ?? 'the WebSocket failed');
    };
    socket.onclose = ({ code, reason }) => {
      const why = `the WebSocket was closed with ${code}${reason === '' ? '' : ` ${reason}`}`;
      this.#end(this.#cause ?? (code === NORMAL_CLOSURE ? null : new Error(why)));
    };
  }

  /** It is open; false when it was closed already. */
  opened(): boolean {
    this.#reject = null;
    return !this.#closed;
  }

  get congested(): boolean {
    if (this.#socket.bufferedAmount <= CONGESTED_BYTES) return false;
    this.#lookTimer ??= setInterval(this.#look, LOOK_MS);
    return true;
  }

  send(request: Message): void {
    this.#socket.send(encodeRequest(request));
  }

  flush(): void {
    // Every message is sent as it comes.
  }

  end(): void {
    this.#socket.close();
  }

  destroy(): void {
    if (this.#socket.terminate === undefined) this.#socket.close();
    else this.#socket.terminate();
    // A peer that is gone never ends the closing handshake.
    this.#end(this.#cause);
  }

  readonly #look = (): void => {
    if (this.#socket.bufferedAmount > CONGESTED_BYTES / 2) return;
    this.#stopLooking();
    this.#events.onDrain();
  };

  #stopLooking(): void {
    if (this.#lookTimer !== null) clearInterval(this.#lookTimer);
    this.#lookTimer = null;
  }

  #read(data: unknown): void {
    if (this.#closed) return;
    this.activity++;
    try {
      if (!(data instanceof ArrayBuffer)) throw new FramingError(400, 'A text frame');
      this.#decoder.push(Buffer.from(data));
      if (this.#decoder.state !== 'idle') throw new FramingError(400, 'A part of a message');
    } catch (error) {
      this.#cause ??= error as Error;
      this.destroy();
    }
  }

  #end(cause: Error | null): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stopLooking();
    if (this.#reject === null) this.#events.onClose(cause);
    else this.#reject(cause ?? new Error('the WebSocket was closed'));
  }
}
