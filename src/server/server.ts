/**
 * The running broker: data folder, topics and the one port, put together from a configuration. Made
 * by the cli and by programs that embed a broker.
 */
import { TokenStore } from '../auth/token-store.js';
import { Broker } from '../broker/broker.js';
import { type Clock, systemClock } from '../clock.js';
import { type Config, retentionText } from '../config/config.js';
import type { Log } from '../log.js';
import { ClosedError } from '../errors.js';
import { LimitReports } from '../limit-reports.js';
import { Monitor } from '../monitor/monitor.js';
import { DiskStore } from '../queue/disk-store.js';
import { MemoryStore } from '../queue/memory-store.js';
import type { QueueStore } from '../queue/queue.js';
import { checkAdvertised, Tracking } from '../tracker/tracking.js';
import { Turn } from '../turn.js';
import { version } from '../version.js';
import { type HostPort, hostPortText, parseHostPort } from './address.js';
import { addressToOpen } from './exposure.js';
import { InProcessConnection, type InProcessPeer } from './in-process.js';
import { Listener } from './listener.js';
import { Metrics } from './metrics.js';
import { pages } from './pages.js';
import { RefusalLog } from './refusal-log.js';
import { outOfDate, readTlsFiles, tlsFilesOf, type TlsMaterial } from './tls-files.js';

/** Within this, `close` ends connections that do not end by themselves. */
const CLOSE_GRACE_MS = 3000;

/** Where messages live: in `mqDir`, or in memory alone, where `mqDir` is not touched. */
export type Storage = 'disk' | 'memory';

/** A broker with its port: `new Server(loadConfig({ flags }), createLog(options)).start()`. */
export class Server {
  readonly #config: Config;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #limits: LimitReports;
  readonly #refusals: RefusalLog;
  #tokens: TokenStore | null = null;
  readonly #storage: Storage;
  readonly #turn = new Turn();
  readonly #inProcess = new Set<InProcessConnection>();
  #broker: Broker | null = null;
  #tracking: Tracking | null = null;
  readonly #monitor: Monitor;
  #metrics: Metrics | null = null;
  #listener: Listener | null = null;
  #onLastInProcess: (() => void) | null = null;

  constructor(config: Config, log: Log, clock = systemClock, storage: Storage = 'disk') {
    this.#config = config;
    this.#log = log;
    this.#clock = clock;
    this.#limits = new LimitReports(clock, log);
    this.#refusals = new RefusalLog(clock, log);
    this.#storage = config.trackerOnly ? 'memory' : storage;
    this.#monitor = new Monitor({
      clock,
      dataDir: this.#storage === 'disk' ? config.mqDir : null,
      minFreeBytes: config.minFreeBytes,
      retention: retentionText(config),
      connectionCount: () => (this.#listener?.connectionCount ?? 0) + this.#inProcess.size,
    });
  }

  /**
   * Opens the data folder, recovers the topics, listens. Throws ConfigError, TlsFilesError,
   * StorageFailedError or ListenError.
   */
  async start(): Promise<HostPort> {
    const config = this.#config;
    const tls = this.#readTls();
    const wanted = await addressToOpen(parseHostPort(config.serverAddress), config);
    checkAdvertised(config.trackerList, config.serverName ?? hostPortText(wanted));
    const tracking = new Tracking(config, this.#clock, this.#log, tls);
    this.#tracking = tracking;
    if (config.tokenFile !== null) {
      this.#tokens = new TokenStore(config.tokenFile, this.#clock, this.#log);
    }
    const broker = this.#newBroker(tracking);
    this.#broker = broker;
    try {
      await broker.open();
      const bound = await this.#listen(wanted, broker, tls);
      this.#monitor.start(broker);
      tracking.start(broker);
      return bound;
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /**
   * Reads again what may change while the broker runs: tokens, and for connections from here on
   * certificate, key and client CA. Files that cannot be used change nothing and are logged.
   */
  reload(): void {
    this.#tokens?.reload();
    const listener = this.#listener;
    const broker = this.#broker;
    if (listener === null || broker === null) return;
    try {
      const tls = this.#readTls();
      if (tls === null) return;
      listener.replaceCertificate(tls);
      broker.identity = { ...broker.identity, certificatePem: tls.certificatePem };
      const { subject, validTo, fingerprint256 } = tls.certificate;
      this.#log.info({ subject, validTo, fingerprint256 }, 'certificate reloaded');
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#log.error({ reason }, 'certificate not reloaded, the one before stays');
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
    const tracking = this.#tracking;
    this.#tracking = null;
    this.#tokens?.close();
    this.#monitor.close();
    const connectionsClosed = listener?.close(CLOSE_GRACE_MS, {
      timeoutMs: this.#config.drainTimeoutMs,
      holdsMessages: (session) => broker?.holdsMessages(session) ?? false,
    });
    broker?.endCalls();
    broker?.drain();
    await Promise.all([connectionsClosed, this.#closeInProcess(), tracking?.close()]);
    await broker?.close();
    this.#limits.close();
  }

  #readTls(): TlsMaterial | null {
    const files = tlsFilesOf(this.#config);
    if (files === null) return null;
    const tls = readTlsFiles(files);
    const warning = outOfDate(tls.certificate, Date.now());
    if (warning !== null) this.#log.warn({ file: files.serverCertFile }, warning);
    return tls;
  }

  /** Connects `peer` without a socket. Throws ClosedError when the broker does not run. */
  connect(peer: InProcessPeer): InProcessConnection {
    const broker = this.#broker;
    if (broker === null) throw new ClosedError('The broker is closed');
    const connection = new InProcessConnection(peer, {
      turn: this.#turn,
      handle: (exchange) => {
        broker.handle(exchange);
      },
      onClose: (closed) => {
        this.#inProcess.delete(closed);
        if (this.#inProcess.size === 0) this.#onLastInProcess?.();
      },
    });
    this.#inProcess.add(connection);
    return connection;
  }

  async #closeInProcess(): Promise<void> {
    if (this.#inProcess.size === 0) return;
    await new Promise<void>((resolve) => {
      const stopGrace = this.#clock.after(CLOSE_GRACE_MS, () => {
        for (const connection of this.#inProcess) connection.destroy();
      });
      this.#onLastInProcess = () => {
        stopGrace();
        resolve();
      };
      for (const connection of this.#inProcess) connection.end();
    });
  }

  async #listen(wanted: HostPort, broker: Broker, tls: TlsMaterial | null): Promise<HostPort> {
    const config = this.#config;
    const listener = new Listener({
      ...wanted,
      turn: this.#turn,
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
      tls,
      limits: {
        headerBytesMax: config.headerBytesMax,
        headersMax: config.headersMax,
        bodyBytesMax: config.bodyBytesMax,
        unauthenticatedBodyBytesMax: config.unauthenticatedBodyBytesMax,
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
      ...(this.#tokens === null ? {} : { tokens: this.#tokens }),
    });
    const { address, port } = await listener.listen();
    this.#listener = listener;
    const bound = { host: address, port };
    const certificatePem = tls?.certificatePem ?? null;
    const told = config.serverName ?? hostPortText(bound);
    const trackerList = this.#tracking?.trackers ?? [];
    broker.identity = { version, address: told, certificatePem, trackerList };
    return bound;
  }

  #newStore(): QueueStore {
    const config = this.#config;
    if (this.#storage === 'memory') return new MemoryStore(config.memoryTopicBytesMax, this.#turn);
    return new DiskStore(
      {
        dir: config.mqDir,
        blockBytes: config.blockBytes,
        syncIntervalMs: config.syncIntervalMs,
        openFilesMax: config.openFilesMax,
        minFreeBytes: config.minFreeBytes,
        memoryTopicBytesMax: config.memoryTopicBytesMax,
      },
      this.#turn,
    );
  }

  /** Made when it is first asked for, since measuring the process has a price. */
  #metricsOf(broker: Broker): Metrics {
    this.#metrics ??= new Metrics(() => ({
      version,
      traffic: broker.traffic,
      rpc: broker.calls.figures,
      topics: broker.topics,
      state: this.#monitor.state,
      limits: this.#limits.counts,
    }));
    return this.#metrics;
  }

  #newBroker(tracking: Tracking): Broker {
    const config = this.#config;
    const broker: Broker = new Broker({
      store: this.#newStore(),
      turn: this.#turn,
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
      tracker: tracking.tracker,
      monitor: this.#monitor,
      changed: () => {
        tracking.changed();
      },
      trackerOnly: config.trackerOnly,
      pages: pages({
        tokens: this.#tokens,
        secure: config.sslEnabled,
        homeInfo: () => {
          const { address } = broker.identity;
          const { sslEnabled } = config;
          return { version, address, sslEnabled, retention: retentionText(config) };
        },
        metrics: () => this.#metricsOf(broker),
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
