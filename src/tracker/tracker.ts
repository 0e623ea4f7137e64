/**
 * The table of servers that have joined this broker, and of this broker itself. Asked by the
 * commands track_pub, track_sub and tracker. Promises: no server is listed that could not be
 * reached, none is dropped unless its connection broke, it said that it goes, or it was silent for
 * three intervals; and subscribers are told of every change, many at once.
 */
import { Buffer } from 'node:buffer';
import { BadRequestError, ConflictError, LimitError } from '../errors.js';
import type { Log } from '../log.js';
import {
  hostOfAddress,
  type ServerAddress,
  serverAddressText,
} from '../protocol/server-address.js';
import { isLoopbackHost, isLoopbackPeer, isWildcardHost } from './hosts.js';
import { PacedTask } from './paced-task.js';
import type { PeerOptions } from './peer-connection.js';
import { parsePublished, type PublishedInfo } from './published-info.js';
import { RepeatFilter } from './repeat-filter.js';
import { type Subscriber, Subscriptions } from './subscriptions.js';
import { type ListedServer, tableJson, type Visibility } from './table-json.js';
import { TrackedServer, type TrackedServerOwner } from './tracked-server.js';

/** How often a server tells of itself when nothing changes. */
export const PUBLISH_INTERVAL_MS = 30_000;
/** One that was silent for so many intervals is dropped. */
const SILENT_INTERVALS_MAX = 3;

/** The broker that the tracker is part of. */
export interface OwnServer {
  readonly address: ServerAddress;
  readonly version: string;
  readonly infoVersion: number;
  /** Its ServerInfo, for JSON. */
  info(): object;
}

export interface TrackerOptions {
  readonly peers: PeerOptions;
  readonly log: Log;
  /** False: this broker has no topics, and is not listed itself. */
  readonly listsItself: boolean;
  readonly serversMax: number;
  readonly publishedBytesMax: number;
}

export class Tracker implements TrackedServerOwner {
  readonly peers: PeerOptions;
  readonly #options: TrackerOptions;
  readonly #servers = new Map<string, TrackedServer>();
  /** For each server that cannot be reached: when that was last told. */
  readonly #failures = new Map<string, RepeatFilter>();
  readonly #subscriptions: Subscriptions;
  readonly #pushing: PacedTask;
  #stopSweeps: (() => void) | null = null;
  #own: OwnServer | null = null;
  #infoVersion = Date.now();

  constructor(options: TrackerOptions) {
    this.#options = options;
    this.peers = options.peers;
    this.#subscriptions = new Subscriptions((reader, keys) => this.#json(reader, keys));
    this.#pushing = new PacedTask(options.peers.clock, () => {
      this.#infoVersion = Math.max(this.#infoVersion + 1, Date.now());
      this.#subscriptions.push();
    });
  }

  /** The broker knows its address. */
  start(own: OwnServer): void {
    this.#own = own;
    this.#stopSweeps = this.peers.clock.every(PUBLISH_INTERVAL_MS, () => {
      this.#sweep();
    });
    const unreachable = isWildcardHost(hostOfAddress(own.address));
    if (unreachable && this.#options.listsItself) {
      this.#options.log.info(
        { address: own.address.address },
        'not listed in its own table of servers: --server-name gives others its address',
      );
    }
    this.ownChanged();
  }

  /** Topics, groups or consumers of the broker itself have changed. */
  ownChanged(): void {
    if (this.#listsItself) this.#changed(this.#ownKey);
  }

  /** A server tells of itself. Throws BadRequestError, ConflictError, LimitError. */
  publish(body: Buffer, peer: string): void {
    const { publishedBytesMax } = this.#options;
    if (body.length > publishedBytesMax) {
      throw new LimitError(
        `The server tells of itself in ${body.length} bytes: trackPubBytesMax is ` +
          `${publishedBytesMax}`,
        { limit: 'trackPubBytesMax' },
      );
    }
    const published = parsePublished(body);
    const key = serverAddressText(published.address);
    this.#check(published.address, key, peer);
    const known = this.#servers.get(key);
    if (!published.live) {
      if (known !== undefined) this.#drop(known, 'it said so');
    } else if (known === undefined) {
      this.#add(key, published);
    } else if (known.update(published) && known.listed) {
      this.#changed(key);
    }
  }

  /** The table as it is now, to be sent at once, and every change of it. */
  subscribe(subscriber: Subscriber): void {
    this.#subscriptions.add(subscriber);
  }

  unsubscribe(subscriber: Subscriber): void {
    this.#subscriptions.remove(subscriber);
  }

  /** The table as it is now. */
  json(reader: Visibility): Buffer {
    return this.#json(reader, null);
  }

  async close(): Promise<void> {
    this.#stopSweeps?.();
    this.#pushing.close();
    this.#subscriptions.clear();
    const servers = [...this.#servers.values()];
    this.#servers.clear();
    await Promise.all(servers.map((server) => server.close()));
  }

  // ---- for TrackedServer -----------------------------------------------------------------------

  onReached(server: TrackedServer): void {
    this.#failures.delete(server.key);
    this.#options.log.info({ server: server.key }, 'server joined');
    this.#changed(server.key);
  }

  onLost(server: TrackedServer, error: Error): void {
    if (this.#servers.get(server.key) !== server) return;
    this.#options.log.warn({ server: server.key, reason: error.message }, 'server lost');
    this.#changed(server.key);
  }

  onUnreachable({ key }: TrackedServer, error: Error): void {
    const filter = this.#failures.get(key) ?? new RepeatFilter(this.peers.clock);
    this.#failures.set(key, filter);
    if (!filter.passes(error.message)) return;
    this.#options.log.warn(
      { server: key, reason: error.message },
      'server not listed: it cannot be reached under the address that it tells',
    );
  }

  // ----------------------------------------------------------------------------------------------

  get #listsItself(): boolean {
    const own = this.#own;
    return this.#options.listsItself && own !== null && !isWildcardHost(hostOfAddress(own.address));
  }

  get #ownKey(): string {
    return this.#own === null ? '' : serverAddressText(this.#own.address);
  }

  #check(address: ServerAddress, key: string, peer: string): void {
    const host = hostOfAddress(address);
    if (key === this.#ownKey) {
      throw new ConflictError(`${key} is the address of the tracker itself`);
    }
    if (isWildcardHost(host) || (isLoopbackHost(host) && !isLoopbackPeer(peer))) {
      throw new BadRequestError(
        `Bad track_pub: nobody else can reach the server at ${key}; start it with --server-name ` +
          'and the address under which others do',
      );
    }
  }

  #add(key: string, published: PublishedInfo): void {
    const { serversMax } = this.#options;
    if (this.#servers.size >= serversMax) {
      throw new LimitError(`${serversMax} servers are tracked: trackedServersMax reached`, {
        limit: 'trackedServersMax',
      });
    }
    const server = new TrackedServer(key, published.address, this);
    this.#servers.set(key, server);
    server.update(published);
  }

  #drop(server: TrackedServer, reason: string): void {
    const { key, listed } = server;
    this.#servers.delete(key);
    this.#failures.delete(key);
    this.#options.log.info({ server: key, reason }, 'server left');
    void server.close();
    if (listed) this.#changed(key);
  }

  /** Counts intervals and not time: a tracker that was stopped has heard nobody meanwhile. */
  #sweep(): void {
    for (const server of this.#servers.values()) {
      server.silentIntervals++;
      if (server.silentIntervals > SILENT_INTERVALS_MAX) this.#drop(server, 'it was silent');
    }
  }

  #changed(key: string): void {
    this.#subscriptions.changed(key);
    this.#pushing.request();
  }

  #json(reader: Visibility, keys: readonly string[] | null): Buffer {
    const own = this.#own;
    const head = {
      serverAddress: own?.address ?? { address: '', sslEnabled: false },
      serverVersion: own?.version ?? '',
      infoVersion: this.#infoVersion,
    };
    if (keys === null) return tableJson(head, this.#listed(this.#allKeys()), reader);
    const listed = this.#listed(keys);
    const present = new Set(listed.map(({ key }) => key));
    const removed = keys.filter((key) => !present.has(key));
    return tableJson(head, listed, reader, removed);
  }

  #allKeys(): string[] {
    return [this.#ownKey, ...this.#servers.keys()];
  }

  #listed(keys: readonly string[]): ListedServer[] {
    return keys.flatMap((key): ListedServer[] => {
      if (key === this.#ownKey && this.#listsItself && this.#own !== null) {
        return [{ key, json: Buffer.from(JSON.stringify(this.#own.info())) }];
      }
      const server = this.#servers.get(key);
      return server?.listed === true ? [server] : [];
    });
  }
}
