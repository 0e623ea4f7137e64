/**
 * The one port: accepts connections up to the limit, closes them in good order. Made by the cli and
 * by whoever embeds the broker. Promises of `close`: everything read before it is answered, unless
 * the grace runs out.
 */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { TokenStore } from '../auth/token-store.js';
import type { Exchange } from '../broker/exchange.js';
import type { Turn } from '../turn.js';
import { systemClock, type Clock } from '../clock.js';
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
import { TimeoutSweep } from './timeout-sweep.js';
import { messageBytesMax, webSocketServer } from './websocket-peer.js';

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
  /** Absent: everyone may do everything. */
  readonly tokens?: TokenStore;
  /** Open files that are not for connections: those of the queue, and a few more. */
  readonly reservedFiles?: number;
  readonly clock?: Clock;
}

/** The port could not be opened; `cause` is the system's error. */
export class ListenError extends Error {
  override readonly name = 'ListenError';
}

/** Refused connections that may linger for their 503; more are dropped without one. */
const REFUSED_MAX = 64;
const RESERVED_FILES = 64;
/** Connections the kernel completes while the loop is busy. */
const BACKLOG = 1024;
/** A consumer that waits is never idle: only probes tell that its machine is gone. */
const KEEP_ALIVE_PROBE_MS = 60_000;

const LISTEN_ADVICE: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is in use: stop the other process or choose another port',
  EACCES: 'not allowed: choose a port above 1023',
  EADDRNOTAVAIL: 'this machine does not have that address',
  ENOTFOUND: 'the host name is unknown',
};

export class Listener {
  readonly #options: ListenerOptions;
  readonly #connectionsMax: number;
  readonly #clock: Clock;
  readonly #server: Server;
  readonly #connections = new Set<Connection>();
  readonly #context: ConnectionContext;
  /** Set while connections are refused, so that the log says it once. */
  #full = false;
  #acceptFailed = false;
  #onLastClose: (() => void) | null = null;

  constructor(options: ListenerOptions) {
    const { turn, handle, log } = options;
    const limits = { ...DEFAULT_LIMITS, ...options.limits };
    const access = accessRules(options.tokens ?? null, limits);
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#connectionsMax = connectionsThatFit(
      limits.connectionsMax,
      openFilesMax(),
      options.reservedFiles ?? RESERVED_FILES,
    );
    this.#context = {
      turn,
      handle,
      log,
      limits,
      timeouts: { ...DEFAULT_TIMEOUTS, ...options.timeouts },
      sweep: new TimeoutSweep(this.#clock, this.#connections),
      origins: new OriginRules(
        options.origins ?? { serverName: null, allowedHosts: [], allowedOrigins: [] },
      ),
      access,
      webSockets: webSocketServer(messageBytesMax(access.limits)),
      strangerWebSockets: webSocketServer(messageBytesMax(access.strangerLimits)),
      onClose: (connection) => {
        this.#forget(connection);
      },
    };
    this.#server = createServer({
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_PROBE_MS,
    });
    if (this.#connectionsMax < limits.connectionsMax) {
      const fields = { wanted: limits.connectionsMax, connectionsMax: this.#connectionsMax };
      log.warn(fields, 'fewer connections than configured: the limit of open files is too low');
    }
  }

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
   * Stops accepting and reading, answers what was read, ends every connection; what is still open
   * after `graceMs` is destroyed.
   */
  async close(graceMs: number): Promise<void> {
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
    for (const connection of this.#connections) connection.finish();
    const stopGrace = this.#clock.after(graceMs, () => {
      for (const connection of this.#connections) connection.destroy();
    });
    await Promise.all([portClosed, connectionsClosed]);
    stopGrace();
    this.#context.sweep.stop();
  }

  #accept(socket: Socket): void {
    this.#acceptFailed = false;
    const excess = this.#connections.size + 1 - this.#connectionsMax;
    if (excess > REFUSED_MAX) {
      socket.destroy();
      return;
    }
    const connection = new Connection(socket, this.#context);
    this.#connections.add(connection);
    if (excess <= 0) return;
    connection.refuse(503, `Too many connections: connectionsMax is ${this.#connectionsMax}`);
    if (this.#full) return;
    this.#full = true;
    this.#context.log.warn({ connectionsMax: this.#connectionsMax }, 'connections are refused');
  }

  #forget(connection: Connection): void {
    this.#connections.delete(connection);
    if (this.#connections.size < this.#connectionsMax) this.#full = false;
    if (this.#connections.size === 0) this.#onLastClose?.();
  }

  /** Out of files: the kernel keeps or drops what comes, and accepting goes on by itself. */
  #onAcceptError(error: Error): void {
    if (this.#acceptFailed) return;
    this.#acceptFailed = true;
    this.#context.log.error({ error }, 'accepting failed');
  }
}
