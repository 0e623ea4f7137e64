/**
 * What is known of the broker, kept up to date over one WebSocket by the commands `monitor` and
 * `track_sub`; the views read it and are told when it has changed. Survives restarts of the broker:
 * a new connection begins with the whole state.
 */
import { useEffect, useReducer } from 'preact/hooks';
import { type Bus, connect } from '../../src/browser.js';
import type { Stream } from '../../src/client/connection.js';
import { errorOf } from '../../src/client/errors.js';
import type { ServerInfo, TrackerInfo } from '../../src/client/info.js';
import { newRequest } from '../../src/client/requests.js';
import { RouteTable } from '../../src/client/routing/route-table.js';
import { TrackerSubscription } from '../../src/client/routing/tracker-subscription.js';
import { UnauthorizedError } from '../../src/errors.js';
import type {
  Access,
  Alarm,
  MonitorState,
  ServerState,
  TopicState,
} from '../../src/monitor/shapes.js';
import type { Message } from '../../src/protocol/message.js';

/** `lost`: it was there, and is tried again. `refused`: the token does not allow the page. */
export type Connected = 'connecting' | 'live' | 'lost' | 'refused';

/** A broker that this one knows of by a tracker. */
export interface OtherServer {
  readonly key: string;
  readonly info: ServerInfo | null;
}

const RECONNECT = { minMs: 200, maxMs: 3000 };

export class Live {
  connected: Connected = 'connecting';
  /** Why it is refused. */
  refusal = '';
  server: ServerState | null = null;
  alarms: readonly Alarm[] = [];
  access: Access = { tokenName: null, operations: [] };
  /** Server's clock less ours. */
  clockOffsetMs = 0;
  readonly topics = new Map<string, TopicState>();
  others: readonly OtherServer[] = [];
  bus: Bus | null = null;
  readonly #listeners = new Set<() => void>();
  readonly #routes = new RouteTable();

  constructor() {
    void this.#open();
  }

  may(operation: string): boolean {
    const { operations } = this.access;
    return operations.includes('*') || operations.includes(operation);
  }

  /** Calls `listener` after each change, until the returned function is called. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  async #open(): Promise<void> {
    try {
      const bus = await connect(undefined, { waitForBroker: true, reconnect: RECONNECT });
      this.bus = bus;
      bus.on('disconnected', () => {
        this.#become('lost');
      });
      bus.on('closed', ({ error }) => {
        this.#refuse(error ?? new Error('The connection is closed'));
      });
      bus.client.connection.addStream(new MonitorStream(bus, this));
    } catch (error) {
      this.#refuse(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** Brokers that cannot be asked for a table, for want of a token, are shown alone. */
  #follow({ client }: Bus): void {
    new TrackerSubscription(client.connection, {
      onBegin: () => {
        this.#routes.begin('own');
      },
      onTable: (table: TrackerInfo) => {
        this.#routes.update('own', table);
        this.others = [...this.#routes.servers.values()]
          .map(({ key, info }) => ({ key, info }))
          .filter(({ info }) => info?.serverAddress.address !== this.server?.address);
        this.#changed();
      },
      onRefused: () => undefined,
    });
  }

  // ---- for MonitorStream -----------------------------------------------------------------------

  apply(state: MonitorState): void {
    if (state.whole) this.topics.clear();
    for (const name of state.removed) this.topics.delete(name);
    for (const topic of state.topics) this.topics.set(topic.name, topic);
    this.server = state.server;
    this.alarms = state.alarms;
    if (state.access !== undefined) this.access = state.access;
    // Behind the own state, which is what is waited for.
    if (this.connected === 'connecting' && this.bus !== null) this.#follow(this.bus);
    this.clockOffsetMs = state.atMs - Date.now();
    this.#become('live');
  }

  refused(error: Error): void {
    this.#refuse(error);
  }

  #refuse(error: Error): void {
    // A token that is gone: the broker shows the form to log in.
    if (error instanceof UnauthorizedError) location.reload();
    this.refusal = error.message;
    this.#become('refused');
  }

  #become(connected: Connected): void {
    this.connected = connected;
    this.#changed();
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }
}

class MonitorStream implements Stream {
  readonly id: string;
  readonly #bus: Bus;
  readonly #live: Live;

  constructor(bus: Bus, live: Live) {
    this.id = bus.client.connection.ids.next();
    this.#bus = bus;
    this.#live = live;
  }

  onUp(): void {
    this.#bus.client.connection.post(newRequest('monitor', this.id));
  }

  onReply(reply: Message): void {
    // The browser's own decoder: of many topics this is megabytes.
    const text = (): string => new TextDecoder().decode(reply.body);
    if (reply.status === 200) this.#live.apply(JSON.parse(text()) as MonitorState);
    else this.#live.refused(errorOf(reply));
  }

  onDown(): void {
    // The bus says so too.
  }

  drain(): Promise<void> {
    return Promise.resolve();
  }

  onClosed(): void {
    // The bus says so too.
  }
}

/** Renders the component again whenever the broker's state has changed. */
export function useLive(live: Live): Live {
  const [, again] = useReducer((count: number) => count + 1, 0);
  useEffect(() => live.subscribe(() => again(undefined)), [live]);
  return live;
}
