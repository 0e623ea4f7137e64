/**
 * The running broker: data folder, topics and the one port, put together from a configuration. Made
 * by the cli and by programs that embed a broker.
 */
import { Buffer } from 'node:buffer';
import { Broker } from '../broker/broker.js';
import type { Exchange } from '../broker/exchange.js';
import { type Clock, systemClock } from '../clock.js';
import { type Config, retentionText } from '../config/config.js';
import type { Log } from '../log.js';
import { LimitReports } from '../limit-reports.js';
import { DiskStore } from '../queue/disk-store.js';
import { Turn } from '../turn.js';
import { version } from '../version.js';
import { type HostPort, hostPortText, parseHostPort } from './address.js';
import { type HomeInfo, homePage } from './home.js';
import { Listener } from './listener.js';

/** Within this, `close` ends connections that do not end by themselves. */
const CLOSE_GRACE_MS = 3000;

export class Server {
  readonly #config: Config;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #limits: LimitReports;
  #broker: Broker | null = null;
  #listener: Listener | null = null;

  constructor(config: Config, log: Log, clock = systemClock) {
    this.#config = config;
    this.#log = log;
    this.#clock = clock;
    this.#limits = new LimitReports(clock, log);
  }

  /**
   * Opens the data folder, recovers the topics, listens. Throws StorageFailedError or ListenError.
   */
  async start(): Promise<HostPort> {
    const turn = new Turn();
    const broker = this.#newBroker(turn);
    this.#broker = broker;
    try {
      await broker.open();
      return await this.#listen(broker, turn);
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /**
   * Stops accepting, tells those who wait, answers what was read, lets consumers acknowledge what
   * they hold for `drainTimeoutMs`, writes and syncs everything. Twice is once.
   */
  async close(): Promise<void> {
    const listener = this.#listener;
    const broker = this.#broker;
    this.#listener = null;
    this.#broker = null;
    const connectionsClosed = listener?.close(CLOSE_GRACE_MS, {
      timeoutMs: this.#config.drainTimeoutMs,
      holdsMessages: (session) => broker?.holdsMessages(session) ?? false,
    });
    broker?.endCalls();
    broker?.drain();
    await connectionsClosed;
    await broker?.close();
    this.#limits.close();
  }

  async #listen(broker: Broker, turn: Turn): Promise<HostPort> {
    const config = this.#config;
    const listener = new Listener({
      ...parseHostPort(config.serverAddress),
      turn,
      handle: (exchange) => {
        broker.handle(exchange);
      },
      log: this.#log,
      clock: this.#clock,
      reports: this.#limits,
      origins: {
        serverName: config.serverName,
        allowedHosts: config.allowedHosts,
        allowedOrigins: config.allowedOrigins,
      },
      limits: {
        headerBytesMax: config.headerBytesMax,
        headersMax: config.headersMax,
        bodyBytesMax: config.bodyBytesMax,
        connectionsMax: config.connectionsMax,
        inFlightMax: config.inFlightMax,
        inFlightBytesMax: config.inFlightBytesMax,
        waitingMax: config.waitingMax,
        fragmentsMax: config.fragmentsMax,
        unsentBytesMax: config.unsentBytesMax,
      },
      timeouts: {
        headerMs: config.headerTimeoutMs,
        bodyMs: config.bodyTimeoutMs,
        idleMs: config.idleTimeout,
        stalledWriteMs: config.writeTimeoutMs,
        lingerMs: config.lingerTimeoutMs,
        keepAliveMs: config.keepAliveMs,
        pingMs: config.pingIntervalMs,
      },
      reservedFiles: config.openFilesMax,
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
      limits: this.#limits,
      home: (exchange) => {
        const { address } = broker.identity;
        answerHome(exchange, { version, address, retention: retentionText(config) });
      },
      failed: (where, error) => {
        this.#log.error({ where, error }, 'failed');
      },
    });
    return broker;
  }
}

function answerHome(exchange: Exchange, info: HomeInfo): void {
  const { headerLines, body } = homePage(info);
  exchange.answerPlain(200, headerLines, Buffer.from(body));
}
