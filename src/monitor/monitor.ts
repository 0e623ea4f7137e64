/**
 * Looks at the broker once a second: rates, backlogs, alarms, history; and tells those who watch
 * what has changed. Made by Server, and handed to the broker's table of commands. Costs next to
 * nothing while topics rest: each is one comparison a second.
 */
import { statfs } from 'node:fs/promises';
import { ANYONE, type Grant } from '../auth/grant.js';
import { type Call, JSON_LINES } from '../broker/call.js';
import type { MonitorCommands } from '../broker/commands.js';
import type { ServerIdentity } from '../broker/info.js';
import type { Topic } from '../broker/topic.js';
import type { TopicTable } from '../broker/topic-table.js';
import type { TrafficCounts } from '../broker/traffic-counts.js';
import type { Clock } from '../clock.js';
import { ForbiddenError } from '../errors.js';
import { diskAlarm } from './alarms.js';
import { browse } from './browse.js';
import { FINE_STEP_MS, fineRing, RateHistory, type Sample } from './rate-history.js';
import type {
  Access,
  Alarm,
  History,
  MonitorState,
  Rates,
  ServerState,
  TopicState,
} from './shapes.js';
import { NO_RATES, RateMeter } from './rate-meter.js';
import { backlogOf, WatchedTopic } from './watched-topic.js';
import { Watchers } from './watchers.js';

/** What is watched of the broker. */
export interface WatchedBroker {
  readonly topics: TopicTable;
  readonly traffic: TrafficCounts;
  readonly identity: ServerIdentity;
}

export interface MonitorOptions {
  readonly clock: Clock;
  /** Of the data folder; null: messages live in memory. */
  readonly dataDir: string | null;
  readonly minFreeBytes: number;
  /** What is deleted without being asked, in words; null: nothing. */
  readonly retention: string | null;
  readonly connectionCount: () => number;
}

/** Topics whose last minutes are kept. */
const TOPIC_RINGS_MAX = 200;
/** After this long without traffic a topic gives up its place among them. */
const RING_REST_MS = 300_000;
const DISK_STEPS = 10;
const ALARMS_MAX = 100;
const EMPTY_HISTORY: History = { fine: fineRing().series(0), coarse: null };

export class Monitor implements MonitorCommands {
  readonly #options: MonitorOptions;
  readonly #watched = new Map<string, WatchedTopic>();
  readonly #rings = new Set<WatchedTopic>();
  readonly #history = new RateHistory();
  readonly #watchers: Watchers;
  readonly #startedAtMs = Date.now();
  #broker: WatchedBroker | null = null;
  #stop: (() => void) | null = null;
  #looks = 0;
  #lookedMs: number;
  #utilization = performance.eventLoopUtilization();
  #loopBusy = 0;
  #meter: RateMeter | null = null;
  #rates = NO_RATES;
  #backlogCount = 0;
  #inFlightCount = 0;
  #storedBytes = 0;
  #disk: ServerState['disk'] = null;
  #looksAtDisk = false;

  constructor(options: MonitorOptions) {
    this.#options = options;
    this.#lookedMs = options.clock.nowMs();
    this.#watchers = new Watchers((grant, names) => this.#encode(grant, names));
  }

  /** The broker has opened its topics. */
  start(broker: WatchedBroker): void {
    this.#broker = broker;
    this.#meter = new RateMeter(broker.traffic);
    this.#lookAtDisk();
    this.#look();
    this.#stop = this.#options.clock.every(FINE_STEP_MS, () => {
      this.#look();
    });
  }

  close(): void {
    this.#stop?.();
    this.#broker = null;
    this.#watchers.clear();
  }

  // ---- commands --------------------------------------------------------------------------------

  readonly monitor = (call: Call): void => {
    this.#lookForNew();
    if (call.subscribe()) this.#watchers.add(call.exchange, call.grant);
    else call.ok(JSON_LINES, this.#encode(call.grant, null));
  };

  readonly history = (call: Call): void => {
    if (!call.namesTopic) {
      call.json(this.#history.series(Date.now()));
      return;
    }
    const name = call.topic;
    if (!call.grant.hasTopic(name)) {
      throw new ForbiddenError(`Not allowed to token ${call.grant.name}: history of topic ${name}`);
    }
    const topic = this.#broker?.topics.get(name);
    const ring = this.#watched.get(topic?.name ?? name)?.ring ?? null;
    call.json(ring === null ? EMPTY_HISTORY : { fine: ring.series(Date.now()), coarse: null });
  };

  readonly browse = (call: Call): Promise<void> => {
    const topics = this.#broker?.topics;
    return topics === undefined ? Promise.resolve() : browse(call, topics.get(call.topic));
  };

  // ---- looking ---------------------------------------------------------------------------------

  #look(): void {
    const broker = this.#broker;
    if (broker === null) return;
    const nowMs = this.#options.clock.nowMs();
    const elapsedMs = Math.max(1, nowMs - this.#lookedMs);
    this.#lookedMs = nowMs;
    this.#looks++;
    const utilization = performance.eventLoopUtilization();
    this.#loopBusy = performance.eventLoopUtilization(utilization, this.#utilization).utilization;
    this.#utilization = utilization;
    this.#rates = this.#meter?.measure(elapsedMs) ?? NO_RATES;
    for (const name of this.#lookAtTopics(broker.topics, elapsedMs, nowMs)) {
      this.#watchers.changed(name);
    }
    this.#pushHistory(elapsedMs);
    if (this.#looks % DISK_STEPS === 0) this.#lookAtDisk();
    this.#watchers.push();
  }

  /** Names of those that are new, changed or gone. */
  #lookAtTopics(topics: TopicTable, elapsedMs: number, nowMs: number): string[] {
    const changed: string[] = [];
    for (const topic of topics) {
      const watched = this.#watchedAs(topic, nowMs);
      watched.seenAt = this.#looks;
      const before = watched.state;
      if (!watched.look(elapsedMs, nowMs)) continue;
      changed.push(topic.name);
      this.#count(before, -1);
      this.#count(watched.state, 1);
      if (watched.movedAtMs === nowMs && watched.ring === null) this.#giveRing(watched, nowMs);
    }
    if (this.#watched.size !== topics.size) {
      for (const [name, watched] of this.#watched) {
        if (watched.seenAt === this.#looks) continue;
        changed.push(name);
        this.#forget(name, watched);
      }
    }
    return changed;
  }

  /** A topic that was made since the last look is not missing from a whole state. */
  #lookForNew(): void {
    const { topics } = this.#broker ?? {};
    if (topics === undefined || topics.size === this.#watched.size) return;
    for (const topic of topics) this.#watchedAs(topic, this.#lookedMs);
  }

  #watchedAs(topic: Topic, nowMs: number): WatchedTopic {
    const { name } = topic;
    const before = this.#watched.get(name);
    if (before?.topic === topic) return before;
    if (before !== undefined) this.#forget(name, before);
    const watched = new WatchedTopic(topic, nowMs);
    watched.seenAt = this.#looks;
    this.#watched.set(name, watched);
    this.#count(watched.state, 1);
    return watched;
  }

  #forget(name: string, watched: WatchedTopic): void {
    this.#watched.delete(name);
    this.#rings.delete(watched);
    this.#count(watched.state, -1);
  }

  #count(state: TopicState, sign: 1 | -1): void {
    this.#backlogCount += sign * backlogOf(state);
    for (const { inFlightCount } of state.groups) this.#inFlightCount += sign * inFlightCount;
    this.#storedBytes += sign * state.storedBytes;
  }

  #giveRing(watched: WatchedTopic, nowMs: number): void {
    if (this.#rings.size >= TOPIC_RINGS_MAX) {
      const rests = [...this.#rings].find(({ movedAtMs }) => nowMs - movedAtMs >= RING_REST_MS);
      if (rests === undefined) return;
      rests.ring = null;
      this.#rings.delete(rests);
    }
    watched.ring = fineRing();
    this.#rings.add(watched);
  }

  #pushHistory(elapsedMs: number): void {
    const missed = Math.max(0, Math.round(elapsedMs / FINE_STEP_MS) - 1);
    this.#history.push(sampleOf(this.#rates, this.#backlogCount), missed, Date.now());
    for (const { ring, state } of this.#rings) {
      ring?.push(sampleOf(state.rates, backlogOf(state)));
    }
  }

  #lookAtDisk(): void {
    const { dataDir } = this.#options;
    if (dataDir === null || this.#looksAtDisk) return;
    this.#looksAtDisk = true;
    statfs(dataDir).then(
      ({ bavail, blocks, bsize }) => {
        this.#looksAtDisk = false;
        this.#disk = { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
      },
      () => {
        this.#looksAtDisk = false;
        this.#disk = null;
      },
    );
  }

  // ---- telling ---------------------------------------------------------------------------------

  /** `names` null: the whole state. */
  #encode(grant: Grant, names: ReadonlySet<string> | null): Buffer {
    const removed: string[] = [];
    const topics: string[] = [];
    for (const name of names ?? this.#watched.keys()) {
      if (!grant.hasTopic(name)) continue;
      const watched = this.#watched.get(name);
      if (watched === undefined) removed.push(name);
      else topics.push(shownTo(grant, watched));
    }
    const head: Omit<MonitorState, 'topics'> = {
      whole: names === null,
      atMs: Date.now(),
      server: this.state,
      alarms: this.#alarms(grant),
      removed,
      ...(names === null ? { access: accessOf(grant) } : {}),
    };
    const json = JSON.stringify(head);
    return Buffer.from(`${json.slice(0, -1)},"topics":[${topics.join()}]}`);
  }

  /** As it was when it was looked at last. */
  get state(): ServerState {
    const { address, certificatePem, version } = this.#broker?.identity ?? NOT_RUNNING;
    return {
      address,
      sslEnabled: certificatePem !== null,
      version,
      startedAtMs: this.#startedAtMs,
      rates: this.#rates,
      topicCount: this.#watched.size,
      connectionCount: this.#options.connectionCount(),
      backlogCount: this.#backlogCount,
      inFlightCount: this.#inFlightCount,
      storedBytes: this.#storedBytes,
      disk: this.#disk,
      memoryBytes: process.memoryUsage.rss(),
      loopBusy: Math.round(this.#loopBusy * 1000) / 1000,
      retention: this.#options.retention,
    };
  }

  #alarms(grant: Grant): Alarm[] {
    const disk = diskAlarm(this.#disk, this.#options.minFreeBytes);
    const alarms = disk === null ? [] : [disk];
    for (const [name, watched] of this.#watched) {
      if (watched.alarms.length === 0 || !grant.hasTopic(name)) continue;
      const seen = watched.alarms.filter(({ group }) => group === null || grant.hasGroup(group));
      alarms.push(...seen);
      if (alarms.length >= ALARMS_MAX) break;
    }
    return alarms.slice(0, ALARMS_MAX);
  }
}

const NOT_RUNNING: ServerIdentity = {
  address: '',
  version: '',
  certificatePem: null,
  trackerList: [],
};

function sampleOf({ produced, delivered, rpc }: Rates, backlogCount: number): Sample {
  return { produced, delivered, rpc, backlogCount };
}

function shownTo(grant: Grant, { state, json }: WatchedTopic): string {
  if (grant.everyGroup) return json;
  const groups = state.groups.filter(({ name }) => grant.hasGroup(name));
  return JSON.stringify({ ...state, groups });
}

function accessOf(grant: Grant): Access {
  const tokenName = grant === ANYONE ? null : grant.name;
  return { tokenName, operations: grant.operationNames };
}
