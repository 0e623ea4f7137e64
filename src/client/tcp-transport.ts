/**
 * TCP and TLS: one socket a link, all requests of a turn of the event loop in one write. Loaded by
 * address.ts when an address asks for it, so that a browser need not have `node:net`.
 */
import type { Buffer } from 'node:buffer';
import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { Decoder } from '../protocol/codec.js';
import { requestHead } from '../protocol/encode.js';
import type { Message } from '../protocol/message.js';
import type { TlsOptions } from './options.js';
import { CONGESTED_BYTES, type Link, type LinkEvents, REPLY_LIMITS } from './transport.js';

export interface TcpTarget {
  readonly host: string;
  readonly port: number;
  /** null: plain TCP. */
  readonly tls: TlsOptions | null;
}

/** Up to this a body is joined with the heads around it: one string beats a gathered write. */
const INLINE_BYTES_MAX = 8 * 1024;
/** So much is written before the turn ends: the broker works while more is made. */
const WRITE_AT_BYTES = 32 * 1024;
/** One write hands over this much at most, so that progress shows between writes. */
const WRITE_BYTES_MAX = 256 * 1024;
/** Probes that find a peer whose machine is gone, also while nothing is asked of it. */
const KEEP_ALIVE_MS = 60_000;

/** Resolves once the socket is connected, with TLS once the peer is verified. */
export function connectTcp(
  target: TcpTarget,
  events: LinkEvents,
  signal: AbortSignal,
): Promise<Link> {
  return new Promise((resolve, reject) => {
    const { socket, upEvent } = openSocket(target);
    const onAbort = (): void => void socket.destroy();
    const fail = (error: Error): void => {
      signal.removeEventListener('abort', onAbort);
      reject(signal.aborted ? (signal.reason as Error) : error);
    };
    const onClose = (): void => {
      fail(new Error('it closed the connection'));
    };
    socket.on('error', fail).on('close', onClose);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    socket.once(upEvent, () => {
      signal.removeEventListener('abort', onAbort);
      socket.off('error', fail).off('close', onClose);
      resolve(new TcpLink(socket, events));
    });
  });
}

function openSocket({ host, port, tls }: TcpTarget): { socket: Socket; upEvent: string } {
  if (tls === null) {
    const socket = connect({
      host,
      port,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_MS,
    });
    return { socket, upEvent: 'connect' };
  }
  // RFC 6066: an address is no server name; certificates are checked against it all the same.
  const name = isIP(host) === 0 ? { servername: host } : {};
  const socket = connectTls({ ...name, ...(tls === true ? {} : tls), host, port });
  socket.setNoDelay(true).setKeepAlive(true, KEEP_ALIVE_MS);
  return { socket, upEvent: 'secureConnect' };
}

class TcpLink implements Link {
  readonly #socket: Socket;
  readonly #events: LinkEvents;
  readonly #decoder: Decoder;
  /** Waiting to be written: what was joined, then `#text`. */
  #parts: (string | Buffer)[] = [];
  #text = '';
  #unsentBytes = 0;
  #flushArmed = false;
  /** What a write holds that waits for the peer; null when none does. */
  #writing: readonly (string | Buffer)[] | null = null;
  /** Writes that had to wait and have ended: the peer takes bytes. */
  #waitsEnded = 0;
  #toldCongested = false;
  #ending = false;
  #cause: Error | null = null;
  readonly #flush = (): void => {
    this.#flushArmed = false;
    this.#write();
  };

  constructor(socket: Socket, events: LinkEvents) {
    this.#socket = socket;
    this.#events = events;
    const continued = (): void => undefined;
    this.#decoder = new Decoder(
      REPLY_LIMITS,
      { onMessage: (reply) => events.onMessage(reply), onContinue: continued },
      'reply',
    );
    socket.on('data', (chunk: Buffer) => {
      this.#read(chunk);
    });
    socket.on('error', (error) => {
      this.#cause ??= error;
    });
    socket.on('close', () => {
      events.onClose(this.#cause);
    });
  }

  get congested(): boolean {
    if (this.#unsentBytes <= CONGESTED_BYTES) return false;
    this.#toldCongested = true;
    return true;
  }

  get activity(): number {
    return this.#socket.bytesRead + this.#waitsEnded;
  }

  send(request: Message): void {
    const { body } = request;
    const head = requestHead(request);
    this.#unsentBytes += head.length + body.length;
    if (body.length <= INLINE_BYTES_MAX) {
      this.#text += head + body.toString('latin1');
      if (this.#text.length >= WRITE_AT_BYTES) this.#closeText();
    } else {
      this.#text += head;
      this.#closeText();
      this.#parts.push(body);
    }
    if (this.#writing !== null) return;
    if (this.#unsentBytes >= WRITE_AT_BYTES) {
      this.#write();
      return;
    }
    if (this.#flushArmed) return;
    this.#flushArmed = true;
    setImmediate(this.#flush);
  }

  flush(): void {
    if (this.#writing === null) this.#write();
  }

  end(): void {
    this.#ending = true;
    if (this.#writing === null) this.#write();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    try {
      this.#decoder.push(chunk);
    } catch (error) {
      this.#cause ??= error as Error;
      this.#socket.destroy();
    }
  }

  #closeText(): void {
    if (this.#text === '') return;
    this.#parts.push(this.#text);
    this.#text = '';
  }

  /** Hands over what the kernel takes now; the rest when it takes more. */
  #write(): void {
    const socket = this.#socket;
    if (socket.destroyed) return;
    this.#closeText();
    while (this.#writing === null && this.#parts.length > 0) this.#writeSome();
    if (this.#writing !== null) return;
    if (this.#toldCongested && this.#unsentBytes <= CONGESTED_BYTES / 2) {
      this.#toldCongested = false;
      this.#events.onDrain();
    }
    if (this.#ending) socket.end();
  }

  #writeSome(): void {
    const socket = this.#socket;
    const pieces = this.#takePieces();
    const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
    const onEnded = (): void => {
      if (this.#writing !== pieces) return;
      this.#writing = null;
      this.#waitsEnded++;
      this.#unsentBytes -= bytes;
      this.#write();
    };
    socket.cork();
    for (const [i, piece] of pieces.entries()) {
      socket.write(piece, 'latin1', i === pieces.length - 1 ? onEnded : undefined);
    }
    socket.uncork();
    if (socket.writableLength > 0) this.#writing = pieces;
    else this.#unsentBytes -= bytes;
  }

  /** The next bytes to write, at most WRITE_BYTES_MAX and what a text holds beyond. */
  #takePieces(): (string | Buffer)[] {
    const parts = this.#parts;
    const pieces: (string | Buffer)[] = [];
    let room = WRITE_BYTES_MAX;
    let count = 0;
    for (let part = parts[count]; part !== undefined && room > 0; part = parts[count]) {
      if (typeof part === 'string' || part.length <= room) {
        pieces.push(part);
        count++;
      } else {
        pieces.push(part.subarray(0, room));
        parts[count] = part.subarray(room);
      }
      room -= part.length;
    }
    this.#parts = count === parts.length ? [] : parts.slice(count);
    return pieces;
  }
}
