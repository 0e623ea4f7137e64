/**
 * The servers of several brokers that are one: follows trackers, keeps the routes, and one
 * connection to each server that counts. What picks a server stands on top, in BrokerClient.
 * Browser-safe: how a server is connected to is said by broker.ts, or by whoever makes it for
 * another place.
 */
import { BadRequestError, ClosedError, NotFoundError } from '../../errors.js';
import { parseServerAddress, serverAddressText } from '../../protocol/server-address.js';
import type { ServerAddress } from '../../protocol/server-address.js';
import type { Clock } from '../../clock.js';
import { watchAbort } from '../abort-watch.js';
import { Bus } from '../bus.js';
import { Connection } from '../connection.js';
import { Emitter, type Listener } from '../emitter.js';
import { TimeoutError } from '../errors.js';
import { IdSource } from '../id-source.js';
import type { TrackerInfo } from '../info.js';
import { MqClient } from '../mq-client.js';
import { type ConnectionOptions, type ConnectOptions, withDefaults } from '../options.js';
import { Circuit } from './circuit.js';
import { type Route, type RouteChange, type RoutedServer, RouteTable } from './route-table.js';
import { type ChooseServer, chooserOf, type ServerRule } from './server-choice.js';
import { startTimer } from '../timer.js';
import { TrackerSubscription } from './tracker-subscription.js';
import type { Transport } from '../transport.js';

export interface BrokerOptions extends Omit<ConnectOptions, 'waitForBroker' | 'signal'> {
  /**
   * Brokers whose tables of servers are followed: `host:port`, with `[SSL]` before those that speak
   * TLS.
   */
  readonly trackers?: readonly string[];
  /** Servers that are there whatever trackers say, written likewise. */
  readonly servers?: readonly string[];
  /** Which server gets a message or a call, unless a producer or caller says otherwise. */
  readonly rules?: Partial<Rules>;
}

export interface Rules {
  /** Default `mostConsumers`. */
  readonly produce: ServerRule;
  /** Of the servers at which a service of the topic lives. Default `leastBusy`. */
  readonly rpc: ServerRule;
}

/** What a server does well at one kind it may do badly at the other. */
export type CallKind = keyof Rules;

/** What the application may listen to. */
export interface BrokerEvents {
  serverJoined: RoutedServer;
  serverLeft: RoutedServer;
  /** Servers, topics, groups or consumers have changed. */
  routes: RouteTable;
  /**
   * A tracker, or a server that was named, does not tell what it knows, or a server lets nobody
   * consume or serve: a matter of tokens.
   */
  refused: { readonly address: string; readonly error: Error };
  /** The client is being closed. */
  closing: null;
}

/** Connects to the address that tables have for a server. */
export type TransportOf = (address: ServerAddress, options: BrokerOptions) => Transport;

/** As `MqClient` waits for a broker: quick to notice that one is gone, and quick to come back. */
const QUICK = {
  connectTimeoutMs: 2000,
  heartbeatMs: 800,
  reconnect: { minMs: 100, maxMs: 1000 },
} as const;
const READY_TIMEOUT_MS = 10_000;

/** A server that counts. */
interface Member {
  readonly bus: Bus;
  readonly circuits: Readonly<Record<CallKind, Circuit>>;
}

interface Source {
  readonly connection: Connection;
  readonly subscription: TrackerSubscription;
}

export class ServerSet implements AsyncDisposable {
  readonly routes = new RouteTable();
  /** For the classes beside it: what holds for all servers. */
  readonly connectionOptions: ConnectionOptions;
  readonly rules: Readonly<Record<CallKind, ChooseServer>>;
  readonly ids = new IdSource();
  readonly #options: BrokerOptions;
  readonly #transportOf: TransportOf;
  readonly #events = new Emitter<BrokerEvents>();
  readonly #trackers = new Map<string, Source>();
  /** By the key of the server. */
  readonly #members = new Map<string, Member>();
  /** Addresses of servers and trackers of which it is not known yet whether they answer. */
  readonly #untried = new Set<string>();
  /** Of servers that the application named. */
  readonly #subscriptions = new Map<string, TrackerSubscription>();
  /** Of servers that have left and end in good order. */
  readonly #leaving = new Set<Promise<void>>();
  #closing: Promise<void> | null = null;

  /** Connects at once, and goes on for ever. Throws BadRequestError. */
  constructor(options: BrokerOptions, transportOf: TransportOf) {
    const { trackers = [], servers = [] } = options;
    if (trackers.length + servers.length === 0) {
      throw new BadRequestError('No address: name trackers, servers, or both');
    }
    this.#options = options;
    this.connectionOptions = withDefaults({ ...QUICK, ...options, waitForBroker: true });
    const { produce = 'mostConsumers', rpc = 'leastBusy' } = options.rules ?? {};
    this.rules = { produce: chooserOf(produce, this.random), rpc: chooserOf(rpc, this.random) };
    this.#transportOf = transportOf;
    // All are looked at before any is connected to.
    const [trackerList, serverList] = [trackers.map(keyOf), servers.map(keyOf)];
    for (const server of serverList) this.addServer(server);
    for (const tracker of trackerList) this.addTracker(tracker);
  }

  /** Calls `listener` at each `name`, until the returned function is called. */
  on<Name extends keyof BrokerEvents>(
    name: Name,
    listener: Listener<BrokerEvents[Name]>,
  ): () => void {
    return this.#events.on(name, listener);
  }

  /** The servers that count, connected or not. */
  get servers(): RoutedServer[] {
    return [...this.routes.servers.values()];
  }

  get trackers(): string[] {
    return [...this.#trackers.keys()];
  }

  /** The connection to a server, by its key. Throws NotFoundError when it does not count. */
  bus(server: string | RoutedServer): Bus {
    const key = typeof server === 'string' ? keyOf(server) : server.key;
    return this.#member(key).bus;
  }

  /** What calls of this kind have come to there. Throws NotFoundError. */
  circuit({ key }: RoutedServer, kind: CallKind): Circuit {
    return this.#member(key).circuits[kind];
  }

  get clock(): Clock {
    return this.connectionOptions.clock;
  }

  get random(): () => number {
    return this.connectionOptions.random;
  }

  /** A server does not let the application do what it wants. */
  refused(server: string, error: Error): void {
    this.#events.emit('refused', { address: server, error });
  }

  get closing(): boolean {
    return this.#closing !== null;
  }

  /** Where the topic is and can be reached now. */
  routesOf(topic: string): Route[] {
    return this.routes.routesOf(topic).filter(({ server }) => this.isConnected(server));
  }

  isConnected({ key }: RoutedServer): boolean {
    return this.#members.get(key)?.bus.state === 'connected';
  }

  /** True once each tracker has told its table or could not, and each server was tried once. */
  get settled(): boolean {
    return this.#untried.size === 0;
  }

  /**
   * Resolves once a server is connected and all others were tried. Rejects with TimeoutError when
   * there is none in time, with ClosedError.
   */
  ready(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    const { timeoutMs = READY_TIMEOUT_MS } = options;
    if (this.#closing !== null) return Promise.reject(closedError());
    return new Promise((resolve, reject) => {
      const stopTimer = startTimer(this.clock, timeoutMs, () => {
        done();
        reject(new TimeoutError(`No server could be reached within ${timeoutMs} ms`));
      });
      const look = (): void => {
        const isReady = this.settled && this.servers.some((one) => this.isConnected(one));
        if (this.#closing === null && !isReady) return;
        done();
        if (this.#closing === null) resolve();
        else reject(closedError());
      };
      const done = (): void => {
        stopTimer();
        this.#waiting.delete(look);
      };
      this.#waiting.add(look);
      look();
    });
  }

  /**
   * Resolves when a server was reached or the routes have changed, at the latest after `timeoutMs`
   * and when the signal is aborted.
   */
  change(timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        stopTimer();
        unwatch();
        this.#waiting.delete(done);
        resolve();
      };
      const stopTimer = startTimer(this.clock, timeoutMs, done);
      const unwatch = signal === undefined ? (): void => undefined : watchAbort(signal, done);
      this.#waiting.add(done);
    });
  }

  /** Follows a tracker from now on. Throws BadRequestError, ClosedError. */
  addTracker(tracker: string): void {
    const key = this.#open(tracker);
    if (this.#trackers.has(key)) return;
    const connection = this.#connect(key);
    const subscription = new TrackerSubscription(connection, {
      onBegin: () => {
        this.routes.begin(key);
      },
      onTable: (table) => {
        this.#apply(this.routes.update(key, table));
        this.#tried(tracking);
      },
      onRefused: (error) => {
        this.#events.emit('refused', { address: key, error });
        this.#tried(tracking);
      },
    });
    const tracking = `tracker ${key}`;
    this.#untried.add(tracking);
    connection.events.on('retrying', () => {
      this.#tried(tracking);
    });
    this.#trackers.set(key, { connection, subscription });
  }

  /** Follows the tracker no more; servers that it alone listed leave. */
  removeTracker(tracker: string): void {
    const key = keyOf(tracker);
    const source = this.#trackers.get(key);
    if (source === undefined) return;
    this.#trackers.delete(key);
    source.subscription.close();
    void source.connection.close(0);
    this.#tried(`tracker ${key}`);
    this.#apply(this.routes.removeTracker(key));
  }

  /** The server is there, whatever trackers say. Throws BadRequestError, ClosedError. */
  addServer(server: string): void {
    const key = this.#open(server);
    if (this.#subscriptions.has(key)) return;
    this.#apply(this.routes.nameServer(key, null));
    const { connection } = this.bus(key).client;
    const subscription = new TrackerSubscription(connection, {
      onBegin: () => undefined,
      onTable: (table) => {
        this.#named(key, table);
      },
      onRefused: (error) => {
        this.#events.emit('refused', { address: key, error });
      },
    });
    this.#subscriptions.set(key, subscription);
  }

  /** The server is no more named here; it stays while trackers list it. */
  removeServer(server: string): void {
    const key = keyOf(server);
    this.#subscriptions.get(key)?.close();
    if (this.#subscriptions.delete(key)) this.#apply(this.routes.unnameServer(key));
  }

  /**
   * Ends all connections in good order, each as Bus.close does. What takes longer than `timeoutMs`
   * (default 5000) fails with ClosedError. Twice is once.
   */
  close(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    this.#closing ??= Promise.resolve().then(() => this.#close(options));
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  // ----------------------------------------------------------------------------------------------

  readonly #waiting = new Set<() => void>();

  /** It has answered, or has not. */
  #tried(address: string): void {
    if (this.#untried.delete(address)) this.#look();
  }

  #look(): void {
    for (const look of [...this.#waiting]) look();
  }

  #member(key: string): Member {
    const member = this.#members.get(key);
    if (member === undefined) throw new NotFoundError(`Server(${key}) is not there`);
    return member;
  }

  /** The key of an address, while this is open. */
  #open(address: string): string {
    if (this.#closing !== null) throw closedError();
    return keyOf(address);
  }

  /** A connection that is made for ever; its owner ends it. */
  #connect(key: string): Connection {
    const transport = this.#transportOf(parseServerAddress(key), this.#options);
    const connection = new Connection([transport], this.connectionOptions);
    // It rejects only when it is closed before a broker was reached.
    connection.open().catch(() => undefined);
    return connection;
  }

  /** A server that was named tells its own table; of others it is not asked. */
  #named(key: string, { serverAddress, serverTable }: TrackerInfo): void {
    const info = serverTable[serverAddressText(serverAddress)];
    if (info !== undefined) this.#apply(this.routes.nameServer(key, info));
  }

  #apply({ joined, left, changed }: RouteChange): void {
    for (const server of left) this.#leave(server);
    for (const server of joined) this.#join(server);
    if (joined.length + left.length + changed.length === 0) return;
    this.#look();
    this.#events.emit('routes', this.routes);
  }

  #join(server: RoutedServer): void {
    const bus = new Bus(new MqClient(this.#connect(server.key)));
    const circuits = { produce: new Circuit(this), rpc: new Circuit(this) };
    this.#members.set(server.key, { bus, circuits });
    this.#untried.add(server.key);
    bus.on('retrying', () => {
      this.#tried(server.key);
    });
    bus.on('connected', () => {
      // It has answered, so it is worth a call at once.
      circuits.produce.reset();
      circuits.rpc.reset();
      this.#untried.delete(server.key);
      this.#look();
    });
    this.#events.emit('serverJoined', server);
  }

  #leave(server: RoutedServer): void {
    const bus = this.#members.get(server.key)?.bus;
    if (bus === undefined) return;
    this.#members.delete(server.key);
    this.#tried(server.key);
    // Nothing comes of one that is gone; one that is only not listed answers what it was asked.
    const closing = bus.close(bus.state === 'connected' ? {} : { timeoutMs: 0 });
    this.#leaving.add(closing);
    void closing.then(() => this.#leaving.delete(closing));
    this.#events.emit('serverLeft', server);
  }

  async #close(options: { readonly timeoutMs?: number }): Promise<void> {
    this.#events.emit('closing', null);
    for (const look of [...this.#waiting]) queueMicrotask(look);
    for (const subscription of this.#subscriptions.values()) subscription.close();
    for (const { subscription } of this.#trackers.values()) subscription.close();
    const buses = [...this.#members.values()].map(({ bus }) => bus.close(options));
    const trackers = [...this.#trackers.values()].map(({ connection }) => connection.close(0));
    await Promise.all([...buses, ...trackers, ...this.#leaving]);
  }
}

function keyOf(address: string): string {
  return serverAddressText(parseServerAddress(address));
}

function closedError(): ClosedError {
  return new ClosedError('The client is closed: make another');
}
