/**
 * The one port: accepts connections up to the limit, closes them in good order. Made by the cli and
 * by whoever embeds the broker. Promises of `close`: everything read before it is answered, unless
 * the grace runs out.
 */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { TokenStore } from '../auth/token-store.js';
import type { Exchange } from '../broker/exchange.js';
import type { Session } from '../broker/session.js';
import { LimitReports } from '../limit-reports.js';
import type { Turn } from '../turn.js';
import { systemClock, type Clock } from '../clock.js';
import { peerAddress } from './address.js';
import type { ConnectionContext, ServerLog } from './connection-context.js';
import { Connection } from './connection.js';
import {
  DEFAULT_LIMITS,
  DEFAULT_TIMEOUTS,
  type ServerLimits,
  type ServerTimeouts,
} from './limits.js';
import { accessRules } from './peer-access.js';
import { OriginRules, type OriginRulesOptions } from './origin-rules.js';
import { connectionsThatFit, openFilesMax } from './open-files.js';
import { PlainLines, RETRY_AFTER } from './reply-head.js';
import { RequestRules } from './request-rules.js';
import { type Swept, TimeoutSweep } from './timeout-sweep.js';
import type { TlsMaterial } from './tls-files.js';
import { type Refusal, TlsHandshakes } from './tls-handshakes.js';
import { webSocketServer } from './websocket-peer.js';

export interface ListenerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly turn: Turn;
  /** Takes each request; must not throw. */
  readonly handle: (exchange: Exchange) => void;
  readonly log: ServerLog;
  readonly limits?: Partial<ServerLimits>;
  readonly timeouts?: Partial<ServerTimeouts>;
  /** Which requests may come from browsers; absent: those of pages of this server. */
  readonly origins?: OriginRulesOptions;
  /** With it the port speaks TLS, and only TLS. */
  readonly tls?: TlsMaterial | null;
  /** Absent: everyone may do everything. */
  readonly tokens?: TokenStore;
  /** Open files that are not for connections: those of the queue, and a few more. */
  readonly reservedFiles?: number;
  readonly clock?: Clock;
  /** Told of each limit that is reached; absent: the listener makes its own. */
  readonly reports?: LimitReports;
}

/** How `close` treats consumers that hold messages. */
export interface Drain {
  /** How long they may still acknowledge them. */
  readonly timeoutMs: number;
  readonly holdsMessages: (session: Session) => boolean;
}

const NO_DRAIN: Drain = { timeoutMs: 0, holdsMessages: () => false };

/** The port could not be opened; `cause` is the system's error. */
export class ListenError extends Error {
  override readonly name = 'ListenError';
}

/** Refused connections that may linger for their 503; more are dropped without one. */
const REFUSED_MAX = 64;
const RESERVED_FILES = 64;
/** Connections the kernel completes while the loop is busy. */
const BACKLOG = 1024;

const LISTEN_ADVICE: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is in use: stop the other process or choose another port',
  EACCES: 'not allowed: choose a port above 1023',
  EADDRNOTAVAIL: 'this machine does not have that address',
  ENOTFOUND: 'the host name is unknown',
};

/** What an accepted socket is: a connection, or the TLS handshake before it. */
interface OpenSocket extends Swept {
  drain(holdsMessages: (session: Session) => boolean, ends: boolean): void;
  finish(): void;
  destroy(): void;
}

export class Listener {
  readonly #options: ListenerOptions;
  readonly #connectionsMax: number;
  readonly #clock: Clock;
  readonly #server: Server;
  readonly #connections = new Set<OpenSocket>();
  readonly #context: ConnectionContext;
  readonly #handshakes: TlsHandshakes | null;
  #acceptFailed = false;
  #onLastClose: (() => void) | null = null;

  constructor(options: ListenerOptions) {
    const { turn, handle, log } = options;
    const limits = { ...DEFAULT_LIMITS, ...options.limits };
    const timeouts = { ...DEFAULT_TIMEOUTS, ...options.timeouts };
    const access = accessRules(options.tokens ?? null, limits);
    const material = options.tls ?? null;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#connectionsMax = connectionsThatFit(
      limits.connectionsMax,
      openFilesMax(),
      options.reservedFiles ?? RESERVED_FILES,
    );
    const plainLines = new PlainLines();
    this.#context = {
      turn,
      handle,
      log,
      limits,
      timeouts,
      reports: options.reports ?? new LimitReports(this.#clock, log),
      sweep: new TimeoutSweep(this.#clock, this.#connections, () => {
        plainLines.renew();
      }),
      plainLines,
      rules: new RequestRules(
        new OriginRules({
          ...(options.origins ?? { serverName: null, allowedHosts: [], allowedOrigins: [] }),
          speaksTls: material !== null,
        }),
      ),
      access,
      webSockets: webSocketServer(access.limits, limits.fragmentsMax),
      strangerWebSockets: webSocketServer(access.strangerLimits, limits.fragmentsMax),
      onClose: (connection) => {
        this.#forget(connection);
      },
    };
    this.#handshakes =
      material === null ? null : new TlsHandshakes({ material, timeoutMs: timeouts.headerMs, log });
    this.#server = createServer({
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      // A consumer that waits is never idle: only probes tell that its machine is gone.
      keepAliveInitialDelay: timeouts.keepAliveMs,
    });
    if (this.#connectionsMax < limits.connectionsMax) {
      const fields = { wanted: limits.connectionsMax, connectionsMax: this.#connectionsMax };
      log.warn(fields, 'fewer connections than configured: the limit of open files is too low');
    }
  }

  /** Connections from here on get this certificate; those that are open go on. */
  replaceCertificate(material: TlsMaterial): void {
    this.#handshakes?.replace(material);
  }

  /** TLS handshakes included. */
  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Opens the port. Rejects with ListenError. */
  listen(): Promise<AddressInfo> {
    const { host, port } = this.#options;
    const server = this.#server;
    return new Promise((resolve, reject) => {
      const onError = (error: NodeJS.ErrnoException): void => {
        const advice = LISTEN_ADVICE[error.code ?? ''] ?? error.message;
        reject(new ListenError(`Cannot listen on ${host}:${port}: ${advice}`, { cause: error }));
      };
      server.once('error', onError);
      server.listen({ host, port, backlog: BACKLOG }, () => {
        server.off('error', onError);
        server.on('error', (error) => {
          this.#onAcceptError(error);
        });
        server.on('connection', (socket) => {
          this.#accept(socket);
        });
        this.#context.sweep.start();
        const address = server.address();
        if (address === null || typeof address === 'string') throw new TypeError('not a TCP port');
        resolve(address);
      });
    });
  }

  /**
   * Stops accepting, answers what was read, ends every connection once its peer holds no message
   * any more, at the latest when the drain is over; what is open after `graceMs` is destroyed.
   */
  async close(graceMs: number, drain = NO_DRAIN): Promise<void> {
    const portClosed = new Promise<void>((resolve) => {
      this.#server.close(() => {
        resolve();
      });
    });
    // The server calls back before its sockets tell their connections, whose sessions must have
    // ended.
    const connectionsClosed = new Promise<void>((resolve) => {
      this.#onLastClose = resolve;
    });
    if (this.#connections.size === 0) this.#onLastClose?.();
    for (const connection of this.#connections) connection.drain(drain.holdsMessages, false);
    const stopDrain = this.#endDrained(drain);
    const stopGrace = this.#clock.after(graceMs, () => {
      for (const connection of this.#connections) connection.destroy();
    });
    await Promise.all([portClosed, connectionsClosed]);
    stopDrain();
    stopGrace();
    this.#context.sweep.stop();
  }

  /** Ends connections as they become idle, and all after `timeoutMs`. */
  #endDrained({ timeoutMs, holdsMessages }: Drain): () => void {
    const finishAll = (): void => {
      for (const connection of this.#connections) connection.finish();
    };
    const lastCall = (): void => {
      if (timeoutMs === 0) finishAll();
      else for (const connection of this.#connections) connection.drain(holdsMessages, true);
    };
    // Two passes of the loop: requests that have reached this machine are still read and answered.
    setImmediate(() => setImmediate(lastCall));
    return timeoutMs === 0 ? () => undefined : this.#clock.after(timeoutMs, finishAll);
  }

  #accept(socket: Socket): void {
    this.#acceptFailed = false;
    const excess = this.#connections.size + 1 - this.#connectionsMax;
    if (excess > 0) this.#reportFull(socket);
    if (excess > REFUSED_MAX) {
      socket.destroy();
      return;
    }
    const refusal = excess > 0 ? this.#tooMany() : null;
    if (this.#handshakes === null) this.#serve(socket, refusal);
    else this.#beginTls(this.#handshakes, socket, refusal);
  }

  #beginTls(handshakes: TlsHandshakes, socket: Socket, refusal: Refusal | null): void {
    const { sweep } = this.#context;
    const begun = handshakes.begin(socket, sweep.nowMs, (handshake, outcome) => {
      if (outcome !== null) this.#serve(outcome.socket, refusal ?? outcome.refusal);
      this.#forget(handshake);
    });
    this.#connections.add(begun);
  }

  #serve(socket: Socket, refusal: Refusal | null): void {
    const connection = new Connection(socket, this.#context);
    this.#connections.add(connection);
    if (refusal !== null) connection.refuse(refusal.status, refusal.reason, refusal.headerLines);
  }

  #tooMany(): Refusal {
    const reason = `Too many connections: connectionsMax is ${this.#connectionsMax}`;
    return { status: 503, headerLines: RETRY_AFTER, reason };
  }

  #reportFull(socket: Socket): void {
    const fields = { peer: peerAddress(socket), connectionsMax: this.#connectionsMax };
    this.#context.reports.reached('connectionsMax', fields);
  }

  #forget(connection: OpenSocket): void {
    this.#connections.delete(connection);
    if (this.#connections.size === 0) this.#onLastClose?.();
  }

  /** Out of files: the kernel keeps or drops what comes, and accepting goes on by itself. */
  #onAcceptError(error: Error): void {
    if (this.#acceptFailed) return;
    this.#acceptFailed = true;
    this.#context.log.error({ error }, 'accepting failed');
  }
}
