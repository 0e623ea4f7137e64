/**
 * The broker: takes the exchanges of all connections, finds the handler of each and answers what it
 * throws. Keeps the order in which the requests of one session take effect. Made by the server,
 * closed by it.
 */
import { Buffer } from 'node:buffer';
import { ANYONE } from '../auth/grant.js';
import { type Operation, ruleOf, Scope } from '../auth/operations.js';
import type { Clock } from '../clock.js';
import {
  ForbiddenError,
  StoppingError,
  StorageFailedError,
  UnauthorizedError,
  ZbusError,
} from '../errors.js';
import type { LimitReports } from '../limit-reports.js';
import { CommandName } from '../protocol/commands.js';
import { parseCommand } from '../protocol/url.js';
import { Header } from '../protocol/headers.js';
import { checkId, latin1Of } from '../protocol/names.js';
import type { QueueStore } from '../queue/queue.js';
import type { Tracker } from '../tracker/tracker.js';
import type { Turn } from '../turn.js';
import { authorize } from './authorize.js';
import { BatchBudget } from './batch-budget.js';
import { Call } from './call.js';
import { type CommandContext, handlerOf, type MonitorCommands, type Pages } from './commands.js';
import type { Exchange } from './exchange.js';
import {
  type ServerAddress,
  serverAddress,
  serverInfo,
  type ServerIdentity,
  type ServerInfo,
} from './info.js';
import type { AskedLevel } from './produce.js';
import { type RetentionOptions, sweepRetention } from './retention.js';
import { RpcCalls, type RpcOptions } from './rpc/rpc-calls.js';
import type { Session } from './session.js';
import { TopicTable } from './topic-table.js';
import { TrafficCounts } from './traffic-counts.js';
import { noTopics } from './track-commands.js';

/** Commands that end what was begun, taken until the connections are closed. */
const ENDING: ReadonlySet<string> = new Set([
  CommandName.ack,
  CommandName.nack,
  CommandName.renew,
  CommandName.unconsume,
  CommandName.route,
  CommandName.heartbeat,
  // It lives while it drains; `ready` says that it takes no more.
  CommandName.health,
]);

export interface BrokerOptions {
  readonly store: QueueStore;
  readonly turn: Turn;
  readonly clock: Clock;
  readonly version: string;
  readonly ackLevel: AskedLevel;
  readonly autoCreateTopics: boolean;
  readonly topicsMax: number;
  readonly groupsPerTopicMax: number;
  readonly retention: RetentionOptions;
  readonly rpc: RpcOptions;
  readonly limits: LimitReports;
  readonly tracker: Tracker;
  readonly monitor: MonitorCommands;
  /** Topics, groups or consumers have changed. */
  readonly changed: () => void;
  /** It keeps the table of servers and no topics. */
  readonly trackerOnly: boolean;
  readonly pages: Pages;
  /** A request was beyond its token, or had none; `operation` is null for no known command. */
  readonly refused: (exchange: Exchange, operation: Operation | null, error: ZbusError) => void;
  /** Something failed that no request can be told of. */
  readonly failed: (where: string, error: Error) => void;
}

export class Broker implements CommandContext {
  readonly topics: TopicTable;
  readonly calls: RpcCalls;
  /** Of all topics since the start. */
  readonly traffic = new TrafficCounts(null);
  readonly ackLevel: AskedLevel;
  readonly autoCreateTopics: boolean;
  readonly limits: LimitReports;
  readonly tracker: Tracker;
  readonly monitor: MonitorCommands;
  readonly pages: Pages;
  /** Told to clients; the server sets the address once it listens. */
  identity: ServerIdentity;
  readonly #store: QueueStore;
  readonly #trackerOnly: boolean;
  readonly #refused: BrokerOptions['refused'];
  readonly #failed: (where: string, error: Error) => void;
  /** Requests that wait until an earlier one of their session has taken effect. */
  readonly #held = new Map<Session, Exchange[]>();
  #infoVersion = Date.now();
  readonly #clock: Clock;
  #endSweeps: (() => void) | null = null;
  #draining = false;
  #closing = false;
  /** While draining: sessions with messages in hand; null when a request may have changed it. */
  #holders: ReadonlySet<Session> | null = null;

  constructor(options: BrokerOptions) {
    this.ackLevel = options.ackLevel;
    this.autoCreateTopics = options.autoCreateTopics;
    this.pages = options.pages;
    this.limits = options.limits;
    this.identity = {
      address: '',
      version: options.version,
      certificatePem: null,
      trackerList: [],
    };
    this.tracker = options.tracker;
    this.monitor = options.monitor;
    this.#trackerOnly = options.trackerOnly;
    this.#store = options.store;
    this.#refused = options.refused;
    this.#failed = options.failed;
    this.#clock = options.clock;
    this.calls = new RpcCalls(options.clock, options.rpc);
    this.topics = new TopicTable({
      store: options.store,
      turn: options.turn,
      clock: options.clock,
      budget: new BatchBudget(),
      calls: this.calls,
      traffic: this.traffic,
      topicsMax: options.topicsMax,
      groupsPerTopicMax: options.groupsPerTopicMax,
      retention: options.retention,
      changed: () => {
        // Above that of any run before, so that a restart is never taken for old news.
        this.#infoVersion = Math.max(this.#infoVersion + 1, Date.now());
        options.changed();
      },
      failed: options.failed,
    });
  }

  /** Grows with every change that lists of topics show. */
  get infoVersion(): number {
    return this.#infoVersion;
  }

  /** As its trackers are told; `version` of the software. */
  get address(): ServerAddress {
    return serverAddress(this.identity);
  }

  get version(): string {
    return this.identity.version;
  }

  /** Everything there is to know of it, as a token without restrictions sees it. */
  info(): ServerInfo {
    const { topics, identity, infoVersion, calls, limits } = this;
    return serverInfo(topics, identity, infoVersion, calls.strayCount, limits.counts, ANYONE);
  }

  /** Opens the stored topics. */
  async open(): Promise<void> {
    await this.topics.open();
    this.#endSweeps = sweepRetention(this.#clock, this.topics);
  }

  /**
   * Answers the waiting consumers that the broker is stopping, and from here on every request that
   * does not end what was begun.
   */
  drain(): void {
    this.#draining = true;
    for (const topic of this.topics) {
      for (const group of topic.groups) group.refuseWaiting(new StoppingError());
    }
  }

  /** While draining: true when the session has messages that it may still acknowledge. */
  holdsMessages(session: Session): boolean {
    this.#holders ??= holdersOf(this.topics);
    return this.#holders.has(session);
  }

  /** Takes a request; the exchange is answered or silenced, now or later. Never throws. */
  handle(exchange: Exchange): void {
    this.#holders = null;
    const held = this.#held.size === 0 ? undefined : this.#held.get(exchange.session);
    if (held === undefined) {
      this.#run(exchange);
      return;
    }
    // The body may be a view on bytes that are only ours for this turn.
    exchange.request.body = Buffer.from(exchange.request.body);
    held.push(exchange);
  }

  /** Answers every RPC that waits, and later ones, 503: for those whose connections end next. */
  endCalls(): void {
    this.calls.close();
  }

  /** Lets waiting consumers go, writes and syncs everything. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#endSweeps?.();
    this.endCalls();
    await this.topics.close();
    await this.#store.close();
  }

  #run(exchange: Exchange): void {
    let call: Call | null = null;
    try {
      const id = exchange.request.headers.get(Header.id);
      if (id !== undefined) checkId(id);
      call = new Call(exchange, parseCommand(exchange.request), this.limits);
      const running = this.#dispatch(call);
      if (running !== undefined) void this.#hold(exchange.session, call, running);
    } catch (error) {
      this.#answerError(exchange, call, error);
    }
  }

  #dispatch(call: Call): void | Promise<void> {
    const { cmd } = call.command;
    if (this.#closing || (this.#draining && !ENDING.has(cmd))) throw new StoppingError();
    this.#authorize(call);
    if (this.#trackerOnly && namesTopic(call)) throw noTopics();
    const handler = handlerOf(this, call);
    if (handler === undefined) {
      const text = `Bad format: command(${cmd}) not support`;
      if (call.quiet) call.exchange.silence();
      else call.exchange.answerPlain(400, '', text);
      return;
    }
    return handler(this, call);
  }

  #authorize(call: Call): void {
    try {
      authorize(call);
    } catch (error) {
      if (error instanceof UnauthorizedError || error instanceof ForbiddenError) {
        this.#refused(call.exchange, ruleOf(call.command.cmd)?.operation ?? null, error);
      }
      throw error;
    }
  }

  /** Runs the session's later requests once `running` has taken effect. */
  async #hold(session: Session, call: Call, running: Promise<void>): Promise<void> {
    const held: Exchange[] = [];
    this.#held.set(session, held);
    session.pauseReading();
    try {
      await running;
    } catch (error) {
      this.#answerError(call.exchange, call, error);
    }
    this.#held.delete(session);
    session.resumeReading();
    for (const exchange of held) this.handle(exchange);
  }

  #answerError(exchange: Exchange, call: Call | null, error: unknown): void {
    const known =
      error instanceof ZbusError
        ? error
        : new StorageFailedError('Internal error; see the log of the broker', { cause: error });
    if (known !== error) this.#failed('request', error as Error);
    if (call === null)
      exchange.answer(known.status, known.replyHeaderLines, latin1Of(known.message));
    else call.fail(known);
  }
}

/** True for commands on topics, and calls by path. */
function namesTopic(call: Call): boolean {
  const { cmd } = call.command;
  if (cmd === CommandName.query) return call.namesTopic;
  const rule = ruleOf(cmd);
  return rule === undefined ? call.command.pathTopic !== undefined : rule.scope !== Scope.none;
}

/** Sessions with messages in hand that they must acknowledge. */
function holdersOf(topics: TopicTable): Set<Session> {
  const holders = new Set<Session>();
  for (const topic of topics) {
    for (const { positions } of topic.groups) {
      for (const { holder } of positions.held) if (holder !== null) holders.add(holder);
    }
  }
  return holders;
}
