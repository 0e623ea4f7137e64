/**
 * `GET /metrics`: what Prometheus reads (docs/metrics.md lists it). Made by Server. Counts nothing
 * itself: every number is read from where the broker keeps it, when it is asked for, and nothing
 * is measured before the first request.
 */
import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';
import type { Topic } from '../broker/topic.js';
import type { TrafficCounts } from '../broker/traffic-counts.js';
import type { RpcFigures } from '../broker/rpc/rpc-figures.js';
import type { ServerState } from '../monitor/shapes.js';

/** Where the numbers are. */
export interface MetricsSource {
  readonly version: string;
  readonly traffic: TrafficCounts;
  readonly rpc: Readonly<RpcFigures>;
  readonly topics: Iterable<Topic>;
  readonly state: ServerState;
  /** By the name of the limit's option. */
  readonly limits: Readonly<Record<string, number>>;
}

/** Topics with series of their own, in the order in which the broker opened or made them. */
const TOPICS_MAX = 100;

export class Metrics {
  readonly #registry = new Registry();
  readonly #source: () => MetricsSource;

  constructor(source: () => MetricsSource) {
    this.#source = source;
    collectDefaultMetrics({ register: this.#registry });
    this.#addTraffic();
    this.#addRpc();
    this.#addState();
    this.#addTopics();
  }

  /** The text, and its type. */
  async text(): Promise<{ readonly contentType: string; readonly body: string }> {
    return { contentType: this.#registry.contentType, body: await this.#registry.metrics() };
  }

  #counter(name: string, help: string, read: () => number): void {
    new Counter({
      name,
      help,
      registers: [this.#registry],
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  }

  #gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name,
      help,
      registers: [this.#registry],
      collect() {
        this.set(read());
      },
    });
  }

  #labelled(
    kind: typeof Counter | typeof Gauge,
    name: string,
    help: string,
    label: string,
    read: () => Iterable<readonly [value: string, number: number]>,
  ): void {
    new kind({
      name,
      help,
      labelNames: [label],
      registers: [this.#registry],
      collect() {
        this.reset();
        for (const [value, number] of read()) this.inc({ [label]: value }, number);
      },
    });
  }

  #addTraffic(): void {
    const counts = (): TrafficCounts => this.#source().traffic;
    this.#counter('zbus_produced_messages_total', 'Messages stored.', () => counts().producedCount);
    this.#counter('zbus_produced_bytes_total', 'Bytes of headers and bodies stored.', () => {
      return counts().producedBytes;
    });
    this.#counter('zbus_delivered_messages_total', 'Messages that consumers were sent.', () => {
      return counts().deliveredCount;
    });
    this.#counter('zbus_acknowledged_messages_total', 'Messages acknowledged.', () => {
      return counts().ackedCount;
    });
    this.#counter('zbus_redelivered_messages_total', 'Messages handed out again.', () => {
      return counts().redeliveredCount;
    });
    this.#counter('zbus_dead_messages_total', 'Messages sent to dead-letter topics.', () => {
      return counts().deadCount;
    });
    this.#counter('zbus_deleted_messages_total', 'Messages deleted by retention or empty.', () => {
      return counts().deletedCount;
    });
  }

  #addRpc(): void {
    const name = 'zbus_rpc_calls_total';
    this.#labelled(Counter, name, 'Calls by how they ended.', 'outcome', () => {
      const { rpc } = this.#source();
      return [
        ['answered', rpc.answeredCount],
        ['timed_out', rpc.timedOutCount],
        ['unserved', rpc.unservedCount],
        ['failed', rpc.failedCount],
        ['abandoned', rpc.abandonedCount],
        ['refused', rpc.refusedCount],
      ];
    });
    this.#counter('zbus_rpc_retries_total', 'Calls handed to another service.', () => {
      return this.#source().rpc.retriedCount;
    });
    this.#counter('zbus_rpc_late_answers_total', 'Answers to calls that had ended.', () => {
      return this.#source().rpc.lateCount;
    });
  }

  #addState(): void {
    const state = (): ServerState => this.#source().state;
    this.#gauge('zbus_topics', 'Topics.', () => state().topicCount);
    this.#gauge('zbus_connections', 'Open connections.', () => state().connectionCount);
    this.#gauge('zbus_backlog_messages', 'Messages groups have not been given.', () => {
      return state().backlogCount;
    });
    this.#gauge('zbus_in_flight_messages', 'Messages in the hands of consumers.', () => {
      return state().inFlightCount;
    });
    this.#gauge('zbus_stored_bytes', 'Bytes of all topics.', () => state().storedBytes);
    this.#gauge('zbus_disk_free_bytes', 'Free bytes of the disk of the data folder.', () => {
      return state().disk?.freeBytes ?? NaN;
    });
    this.#labelled(Gauge, 'zbus_build_info', 'Version that runs; always 1.', 'version', () => {
      return [[this.#source().version, 1]];
    });
    const reached = 'How often a limit of the configuration was reached.';
    this.#labelled(Counter, 'zbus_limit_reached_total', reached, 'limit', () => {
      return Object.entries(this.#source().limits);
    });
  }

  #addTopics(): void {
    const each = (read: (topic: Topic) => number) => (): [string, number][] =>
      Array.from(firstOf(this.#source().topics), (topic) => [topic.name, read(topic)]);
    const add = (kind: typeof Counter | typeof Gauge, name: string, help: string) => ({
      from: (read: (topic: Topic) => number) => {
        this.#labelled(kind, name, help, 'topic', each(read));
      },
    });
    add(Counter, 'zbus_topic_produced_messages_total', 'Messages stored in the topic.').from(
      ({ traffic }) => traffic.producedCount,
    );
    add(Counter, 'zbus_topic_delivered_messages_total', 'Messages of the topic delivered.').from(
      ({ traffic }) => traffic.deliveredCount,
    );
    add(Gauge, 'zbus_topic_backlog_messages', 'Messages its groups have not been given.').from(
      ({ desk, groups }) =>
        desk === null ? Array.from(groups).reduce((sum, group) => sum + group.messageCount, 0) : 0,
    );
    add(Gauge, 'zbus_topic_lost_messages', 'Messages that damaged blocks have lost.').from(
      ({ queue }) => queue.state().lostCount,
    );
    add(Gauge, 'zbus_topic_read_only', '1 when the disk failed under the topic.').from(
      ({ queue }) => Number(queue.state().readOnly),
    );
  }
}

function* firstOf(topics: Iterable<Topic>): Generator<Topic> {
  let count = 0;
  for (const topic of topics) {
    if (count++ === TOPICS_MAX) return;
    yield topic;
  }
}
