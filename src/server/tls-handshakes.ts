/**
 * From an accepted socket to one that speaks TLS: looks at the first byte, runs the handshake, asks
 * for the client's certificate. Owned by a listener, which counts handshakes as connections.
 * Promises that each handshake ends once, by its outcome or by the close of its socket, within its
 * time, and that none of them harms the others.
 */
import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { peerAddress } from './address.js';
import type { ServerLog } from './connection-context.js';
import type { Swept } from './timeout-sweep.js';
import { secureContextOptions, type TlsMaterial } from './tls-files.js';

/** The one answer that a connection gets before it is closed. */
export interface Refusal {
  readonly status: number;
  readonly headerLines: string;
  readonly reason: string;
}

/** The socket to go on with; without a refusal it is to be served. */
export interface HandshakeOutcome {
  readonly socket: Socket;
  readonly refusal: Refusal | null;
}

/** `null`: the socket is gone. */
type OnHandshakeEnd = (handshake: TlsHandshake, outcome: HandshakeOutcome | null) => void;

export interface TlsHandshakesOptions {
  readonly material: TlsMaterial;
  /** From the connection to the end of its handshake. */
  readonly timeoutMs: number;
  readonly log: ServerLog;
}

/** First byte of a TLS record that holds handshake messages (RFC 8446, 5.1). */
const HANDSHAKE_RECORD = 0x16;
const PLAIN_HTTP = 'This port speaks TLS: use https, or TLS and then HTTP';
/** Handshakes are timed as everything else is; Node's own timer must not come first. */
const NODE_TIMEOUT_MS = 2 ** 31 - 1;

export class TlsHandshake implements Swept {
  readonly socket: Socket;
  readonly #options: TlsHandshakesOptions;
  readonly #beganMs: number;
  readonly #onEnd: OnHandshakeEnd;
  #ended = false;

  constructor(
    socket: Socket,
    options: TlsHandshakesOptions,
    beganMs: number,
    onEnd: OnHandshakeEnd,
  ) {
    this.socket = socket;
    this.#options = options;
    this.#beganMs = beganMs;
    this.#onEnd = onEnd;
  }

  checkTimeouts(nowMs: number): void {
    if (nowMs - this.#beganMs <= this.#options.timeoutMs) return;
    this.#options.log.debug({ peer: peerAddress(this.socket) }, 'TLS handshake took too long');
    this.destroy();
  }

  /** Nothing was asked yet, so nothing is owed. */
  drain(): void {
    this.destroy();
  }

  finish(): void {
    this.destroy();
  }

  destroy(): void {
    this.socket.destroy();
  }

  end(outcome: HandshakeOutcome | null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#onEnd(this, outcome);
  }
}

export class TlsHandshakes {
  readonly #options: TlsHandshakesOptions;
  /** Never listens: it is handed sockets whose first byte is TLS. */
  readonly #server: Server;
  readonly #asksForCertificate: boolean;
  /** By the addresses of both sides: the server does not tell which socket a handshake was of. */
  readonly #open = new Map<string, TlsHandshake>();

  constructor(options: TlsHandshakesOptions) {
    this.#options = options;
    this.#asksForCertificate = options.material.clientCaPem !== null;
    this.#server = createServer({
      ...secureContextOptions(options.material),
      ALPNProtocols: ['http/1.1'],
      requestCert: this.#asksForCertificate,
      // The client is told why over HTTP; the handshake could only tell it that it failed.
      rejectUnauthorized: false,
      handshakeTimeout: NODE_TIMEOUT_MS,
    });
    this.#server.on('secureConnection', (socket) => {
      this.#onSecure(socket);
    });
    this.#server.on('tlsClientError', (error, socket) => {
      this.#options.log.debug({ peer: peerAddress(socket), error }, 'TLS handshake failed');
      socket.destroy();
    });
  }

  /** Handshakes from here on use this; connections go on with what they began with. */
  replace(material: TlsMaterial): void {
    this.#server.setSecureContext(secureContextOptions(material));
  }

  /** Takes a socket as it was accepted. */
  begin(socket: Socket, nowMs: number, onEnd: OnHandshakeEnd): TlsHandshake {
    const handshake = new TlsHandshake(socket, this.#options, nowMs, onEnd);
    const key = addressesOf(socket);
    this.#open.set(key, handshake);
    socket.on('error', (error) => {
      this.#options.log.debug({ peer: peerAddress(socket), error }, 'connection failed');
    });
    socket.on('close', () => {
      if (this.#open.get(key) === handshake) this.#open.delete(key);
      handshake.end(null);
    });
    socket.once('readable', () => {
      this.#onFirstBytes(handshake);
    });
    return handshake;
  }

  #onFirstBytes(handshake: TlsHandshake): void {
    const { socket } = handshake;
    const bytes = socket.read() as Buffer | null;
    if (bytes === null) {
      socket.destroy();
      return;
    }
    socket.unshift(bytes);
    if (bytes[0] === HANDSHAKE_RECORD) {
      // Nobody reads yet, so half a handshake must end by itself with its peer.
      socket.allowHalfOpen = false;
      this.#server.emit('connection', socket);
    } else {
      handshake.end({ socket, refusal: { status: 400, headerLines: '', reason: PLAIN_HTTP } });
    }
  }

  #onSecure(socket: TLSSocket): void {
    const handshake = this.#open.get(addressesOf(socket));
    if (handshake === undefined) {
      socket.destroy();
      return;
    }
    socket.allowHalfOpen = true;
    const reason = this.#refusalOf(socket);
    if (reason !== null) {
      const fields = { peer: peerAddress(socket), reason };
      this.#options.log.warn(fields, 'connection refused');
    }
    handshake.end({
      socket,
      refusal: reason === null ? null : { status: 403, headerLines: '', reason },
    });
  }

  #refusalOf(socket: TLSSocket): string | null {
    if (!this.#asksForCertificate) return null;
    // A session that was begun without a certificate counts as authorized when it is resumed, so
    // the certificate itself is asked for too.
    const shown = socket.getPeerX509Certificate() !== undefined;
    if (shown && socket.authorized) return null;
    return shown
      ? `The client certificate is not accepted: ${String(socket.authorizationError)}`
      : 'A client certificate is needed';
  }
}

function addressesOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
