/**
 * The running broker: data folder, topics and the one port, put together from a configuration. Made
 * by the cli and by programs that embed a broker.
 */
import { TokenStore } from '../auth/token-store.js';
import { Broker } from '../broker/broker.js';
import { type Clock, systemClock } from '../clock.js';
import { type Config, retentionText } from '../config/config.js';
import type { Log } from '../log.js';
import { DiskStore } from '../queue/disk-store.js';
import { Turn } from '../turn.js';
import { version } from '../version.js';
import { type HostPort, hostPortText, parseHostPort } from './address.js';
import { addressToOpen } from './exposure.js';
import { Listener } from './listener.js';
import { pages } from './pages.js';
import { RefusalLog } from './refusal-log.js';

/** Within this, `close` ends connections that do not end by themselves. */
const CLOSE_GRACE_MS = 3000;

export class Server {
  readonly #config: Config;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #refusals: RefusalLog;
  #tokens: TokenStore | null = null;
  #broker: Broker | null = null;
  #listener: Listener | null = null;

  constructor(config: Config, log: Log, clock = systemClock) {
    this.#config = config;
    this.#log = log;
    this.#clock = clock;
    this.#refusals = new RefusalLog(clock, log);
  }

  /**
   * Opens the data folder, recovers the topics, listens. Throws ConfigError, StorageFailedError or
   * ListenError.
   */
  async start(): Promise<HostPort> {
    const config = this.#config;
    const wanted = await addressToOpen(parseHostPort(config.serverAddress), config);
    if (config.tokenFile !== null) {
      this.#tokens = new TokenStore(config.tokenFile, this.#clock, this.#log);
    }
    const turn = new Turn();
    const broker = this.#newBroker(turn);
    this.#broker = broker;
    try {
      await broker.open();
      return await this.#listen(wanted, broker, turn);
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** Reads again what may change while the broker runs. */
  reload(): void {
    this.#tokens?.reload();
  }

  /** Stops accepting, answers what was read, writes and syncs everything. Twice is once. */
  async close(): Promise<void> {
    const listener = this.#listener;
    const broker = this.#broker;
    this.#listener = null;
    this.#broker = null;
    this.#tokens?.close();
    broker?.endCalls();
    await listener?.close(CLOSE_GRACE_MS);
    await broker?.close();
  }

  async #listen(wanted: HostPort, broker: Broker, turn: Turn): Promise<HostPort> {
    const config = this.#config;
    const listener = new Listener({
      ...wanted,
      turn,
      handle: (exchange) => {
        broker.handle(exchange);
      },
      log: this.#log,
      clock: this.#clock,
      origins: {
        serverName: config.serverName,
        allowedHosts: config.allowedHosts,
        allowedOrigins: config.allowedOrigins,
      },
      limits: {
        headerBytesMax: config.headerBytesMax,
        headersMax: config.headersMax,
        bodyBytesMax: config.bodyBytesMax,
        unauthenticatedBodyBytesMax: config.unauthenticatedBodyBytesMax,
        connectionsMax: config.connectionsMax,
        inFlightMax: config.inFlightMax,
        unsentBytesMax: config.unsentBytesMax,
      },
      timeouts: {
        headerMs: config.headerTimeoutMs,
        bodyMs: config.bodyTimeoutMs,
        idleMs: config.idleTimeout,
        stalledWriteMs: config.writeTimeoutMs,
      },
      reservedFiles: config.openFilesMax,
      ...(this.#tokens === null ? {} : { tokens: this.#tokens }),
    });
    const { address, port } = await listener.listen();
    this.#listener = listener;
    const bound = { host: address, port };
    broker.identity = { version, address: config.serverName ?? hostPortText(bound) };
    return bound;
  }

  #newBroker(turn: Turn): Broker {
    const config = this.#config;
    const store = new DiskStore(
      {
        dir: config.mqDir,
        blockBytes: config.blockBytes,
        syncIntervalMs: config.syncIntervalMs,
        openFilesMax: config.openFilesMax,
        minFreeBytes: config.minFreeBytes,
        memoryTopicBytesMax: config.memoryTopicBytesMax,
      },
      turn,
    );
    const broker: Broker = new Broker({
      store,
      turn,
      clock: this.#clock,
      version,
      ackLevel: config.ackLevel,
      autoCreateTopics: config.autoCreateTopics,
      topicsMax: config.topicsMax,
      groupsPerTopicMax: config.groupsPerTopicMax,
      retention: {
        serverRule: {
          bytes: config.retentionBytes,
          ageMs: config.retentionAgeMs,
          consumed: config.retentionConsumed,
        },
        blockBytes: config.blockBytes,
      },
      rpc: {
        timeoutMs: config.rpcTimeoutMs,
        callsMax: config.rpcCallsMax,
        bytesMax: config.rpcBytesMax,
      },
      pages: pages({
        tokens: this.#tokens,
        secure: false,
        homeInfo: () => {
          const { address } = broker.identity;
          return { version, address, retention: retentionText(config) };
        },
        refused: (exchange, error) => {
          this.#refusals.note(exchange, 'login', error);
        },
      }),
      refused: (exchange, operation, error) => {
        this.#refusals.note(exchange, operation, error);
      },
      failed: (where, error) => {
        this.#log.error({ where, error }, 'failed');
      },
    });
    return broker;
  }
}
