/**
 * Which servers there are and which of them has which topic, as the trackers tell it. Pure: fed by
 * Broker, asked by whoever picks a server. The rules: a tracker votes for the servers that it
 * lists, and goes on doing so while it cannot be reached; a server counts while at least half of
 * the trackers that ever voted list it; of what they tell of it the newest holds. A server that the
 * application named itself counts whatever trackers say.
 */
import { nameKey } from '../../protocol/names.js';
import { parseServerAddress, type ServerAddress } from '../../protocol/server-address.js';
import type { ServerInfo, TopicInfo, TrackerInfo } from '../info.js';

/** A server that counts. */
export interface RoutedServer {
  /** Its address as tables have it: `host:port`, with `[SSL]` before it where it speaks TLS. */
  readonly key: string;
  readonly address: ServerAddress;
  /** What is known of it; null for one that the application named and that has not told yet. */
  readonly info: ServerInfo | null;
}

/** A topic on one server. */
export interface Route {
  readonly server: RoutedServer;
  readonly topic: TopicInfo;
}

export interface RouteChange {
  readonly joined: readonly RoutedServer[];
  readonly left: readonly RoutedServer[];
  /** Of servers that were there before and are still. */
  readonly changed: readonly RoutedServer[];
}

/** What one tracker said last. */
interface View {
  /** False from the begin of a subscription to its first table. */
  begun: boolean;
  infoVersion: number;
  servers: Map<string, ServerInfo>;
}

export class RouteTable {
  /** Only of trackers that have voted. */
  readonly #views = new Map<string, View>();
  /** Named by the application. */
  readonly #named = new Map<string, ServerInfo | null>();
  #servers = new Map<string, RoutedServer>();
  /** By the key of the topic's name, then by server. */
  readonly #topics = new Map<string, Map<string, Route>>();

  get servers(): ReadonlyMap<string, RoutedServer> {
    return this.#servers;
  }

  /** Where the topic is. */
  routesOf(topic: string): Route[] {
    return [...this.at(topic).values()];
  }

  /** Where the topic is, by the key of the server. */
  at(topic: string): ReadonlyMap<string, Route> {
    return this.#topics.get(nameKey(topic)) ?? NOWHERE;
  }

  /** A subscription to this tracker begins: a whole table follows, and its versions start anew. */
  begin(tracker: string): void {
    const view = this.#views.get(tracker);
    if (view !== undefined) view.begun = false;
  }

  /** A tracker tells its table, or a change of it. What is older than what it told is left out. */
  update(tracker: string, table: TrackerInfo): RouteChange {
    const view = this.#views.get(tracker) ?? newView();
    if (view.begun && table.infoVersion <= view.infoVersion) return NO_CHANGE;
    const { removedList } = table;
    if (removedList === undefined) view.servers = new Map();
    else if (!view.begun) return NO_CHANGE;
    view.begun = true;
    view.infoVersion = table.infoVersion;
    for (const [key, info] of Object.entries(table.serverTable)) view.servers.set(key, info);
    for (const key of removedList ?? []) view.servers.delete(key);
    this.#views.set(tracker, view);
    return this.#rebuild();
  }

  /** The tracker is none any more: it has no vote, and never had. */
  removeTracker(tracker: string): RouteChange {
    return this.#views.delete(tracker) ? this.#rebuild() : NO_CHANGE;
  }

  /** The application names a server, or that server tells of itself. */
  nameServer(key: string, info: ServerInfo | null): RouteChange {
    this.#named.set(key, info);
    return this.#rebuild();
  }

  /** The application names it no more; trackers may still list it. */
  unnameServer(key: string): RouteChange {
    return this.#named.delete(key) ? this.#rebuild() : NO_CHANGE;
  }

  #rebuild(): RouteChange {
    const before = this.#servers;
    const after = new Map<string, RoutedServer>();
    const joined: RoutedServer[] = [];
    const changed: RoutedServer[] = [];
    for (const [key, info] of this.#counting()) {
      const known = before.get(key);
      const address = known?.address ?? addressOf(key);
      if (address === null) continue;
      const server = known?.info === info ? known : { key, address, info };
      after.set(key, server);
      if (known === server) continue;
      (known === undefined ? joined : changed).push(server);
      this.#unroute(known);
      this.#route(server);
    }
    const left = [...before.values()].filter(({ key }) => !after.has(key));
    for (const server of left) this.#unroute(server);
    this.#servers = after;
    return { joined, left, changed };
  }

  /** The servers that count, each with the newest that is known of it. */
  #counting(): Map<string, ServerInfo | null> {
    const votes = new Map<string, number>();
    const newest = new Map<string, ServerInfo>();
    for (const { servers } of this.#views.values()) {
      for (const [key, info] of servers) {
        votes.set(key, (votes.get(key) ?? 0) + 1);
        const known = newest.get(key);
        if (known === undefined || info.infoVersion > known.infoVersion) newest.set(key, info);
      }
    }
    const counting = new Map<string, ServerInfo | null>();
    for (const [key, info] of newest) {
      if (2 * (votes.get(key) ?? 0) >= this.#views.size) counting.set(key, info);
    }
    for (const [key, info] of this.#named) counting.set(key, newerOf(info, counting.get(key)));
    return counting;
  }

  #route(server: RoutedServer): void {
    for (const topic of Object.values(server.info?.topicTable ?? {})) {
      const key = nameKey(topic.topicName);
      const routes = this.#topics.get(key) ?? new Map<string, Route>();
      this.#topics.set(key, routes.set(server.key, { server, topic }));
    }
  }

  #unroute(server: RoutedServer | undefined): void {
    for (const { topicName } of Object.values(server?.info?.topicTable ?? {})) {
      const key = nameKey(topicName);
      const routes = this.#topics.get(key);
      routes?.delete(server?.key ?? '');
      if (routes?.size === 0) this.#topics.delete(key);
    }
  }
}

const NOWHERE: ReadonlyMap<string, Route> = new Map();
const NO_CHANGE: RouteChange = { joined: [], left: [], changed: [] };

function newView(): View {
  return { begun: false, infoVersion: -Infinity, servers: new Map() };
}

function newerOf(one: ServerInfo | null, other: ServerInfo | null | undefined): ServerInfo | null {
  if (one === null || other === null || other === undefined) return one ?? other ?? null;
  return other.infoVersion > one.infoVersion ? other : one;
}

/** null for a key that is no address: a tracker's mistake must not end its subscribers. */
function addressOf(key: string): ServerAddress | null {
  try {
    return parseServerAddress(key);
  } catch {
    return null;
  }
}
