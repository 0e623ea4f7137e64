/**
 * The JSON that query, declare, server and the pages show, in the shapes of the recorded servers. A
 * damaged or failed topic says so in fields that a healthy one does not have. Lists and counts hold
 * only what the token of whoever asks is for.
 */
import type { Grant } from '../auth/grant.js';
import type { ServerAddress } from '../protocol/server-address.js';
import type { QueueState } from '../queue/queue.js';
import type { ConsumeGroup } from './group.js';
import type { RetentionRule } from './retention.js';
import type { RpcDesk } from './rpc/rpc-desk.js';
import type { RpcFigures } from './rpc/rpc-figures.js';
import type { Topic } from './topic.js';

/** Messages that the answer about a group lists at most. */
const UNSETTLED_SHOWN_MAX = 100;

export type { ServerAddress };

export interface ServerIdentity {
  readonly address: string;
  readonly version: string;
  /** In PEM, with those that lead to its root; null when the port speaks no TLS. */
  readonly certificatePem: string | null;
  /** The trackers that it joins. */
  readonly trackerList: readonly ServerAddress[];
}

export interface GroupInfo {
  error: null;
  topicName: string;
  groupName: string;
  mask: number;
  filter: string;
  /** Not handed to a consumer yet; a filter is not looked at. */
  messageCount: number;
  consumerCount: number;
  /** `address:port` of each; null when there is none, as clients of the family know it. */
  consumerList: string[] | null;
  creator: string;
  createdTime: number;
  lastUpdatedTime: number;
  /** Messages deleted before the group was done with them; absent when none were. */
  lostCount?: number;
}

/** What groups with explicit acks show besides. */
export interface AckInfo {
  ackWindow: number;
  ackTimeoutMs: number;
  /** 0: without end. */
  maxAttempts: number;
  deadTopic: string;
  /** Everything below is settled. */
  settledOffset: number;
  /** The next new message. */
  nextOffset: number;
  /** In the hands of consumers. */
  inFlightCount: number;
  /** Came back, to be handed out again. */
  returnedCount: number;
  /** Since the broker started: deliveries of what was delivered before, and messages that died. */
  redeliveredCount: number;
  deadCount: number;
}

/** Only in the answer about one group: its messages that are not settled, 100 of each at most. */
export interface UnsettledInfo {
  /** In the order in which their ack timeouts end. */
  inFlight: { offset: number; retry: number; consumer: string; timeoutInMs: number }[];
  /** In the order in which they are handed out again. */
  returned: { offset: number; retry: number; dueInMs: number }[];
}

/** The calls of a topic. */
export interface RpcInfo extends RpcFigures {
  /** No service has them yet. */
  queuedCount: number;
  /** A service has them, and has not answered. */
  inHandCount: number;
  /** Of the requests that are kept. */
  requestBytes: number;
}

export interface TopicInfo {
  error: null;
  serverAddress: ServerAddress;
  serverVersion: string;
  topicName: string;
  mask: number;
  /** Messages kept. */
  messageDepth: number;
  consumerCount: number;
  consumeGroupList: GroupInfo[];
  creator: string;
  createdTime: number;
  lastUpdatedTime: number;
  /** Of a topic with the rpc mask; absent otherwise. */
  rpc?: RpcInfo;
  /** In effect, the topic's and the server's together; absent while all is kept. */
  retention?: RetentionRule;
  /** Of the first message kept; absent with the rpc mask. */
  firstOffset?: number;
  /** On disk, or in memory; absent with the rpc mask. */
  storedBytes?: number;
  /** Messages known lost to damaged blocks; absent when none are. */
  lostCount?: number;
  /** The disk failed under this topic; absent otherwise. */
  readOnly?: true;
}

export interface ServerInfo {
  error: null;
  serverAddress: ServerAddress;
  serverVersion: string;
  infoVersion: number;
  trackerList: readonly ServerAddress[];
  topicTable: Record<string, TopicInfo>;
  /** Answers to RPCs by sessions that were never given one; absent when there were none. */
  strayAnswerCount?: number;
  /** How often each limit was reached since the broker started; absent when none was. */
  limits?: Readonly<Record<string, number>>;
}

export function groupInfo(topic: Topic, group: ConsumeGroup): GroupInfo {
  const { groupName, mask, filter, creator, createdTime, lastUpdatedTime } = group.definition;
  const consumers = group.consumers;
  return {
    error: null,
    topicName: topic.name,
    groupName,
    mask,
    filter,
    messageCount: group.messageCount,
    consumerCount: consumers.length,
    consumerList: consumers.length === 0 ? null : consumers,
    creator,
    createdTime,
    lastUpdatedTime,
    ...(group.positions.lostCount > 0 ? { lostCount: group.positions.lostCount } : {}),
    ...ackInfo(topic, group),
  };
}

/** As groupInfo, with the messages of a group with explicit acks that are not settled. */
export function groupDetail(topic: Topic, group: ConsumeGroup): GroupInfo {
  const info = groupInfo(topic, group);
  return group.explicit ? Object.assign(info, unsettledInfo(group)) : info;
}

function unsettledInfo({ positions, nowMs, definition }: ConsumeGroup): UnsettledInfo {
  const inFlight: UnsettledInfo['inFlight'] = [];
  for (const { offset, attempts, holder, atMs } of positions.held) {
    if (inFlight.length === UNSETTLED_SHOWN_MAX) break;
    const timeoutInMs = Math.max(0, Math.round(atMs + definition.ackTimeoutMs - nowMs));
    const consumer = holder?.remoteAddress ?? '';
    inFlight.push({ offset, retry: attempts - 1, consumer, timeoutInMs });
  }
  const returned = positions.returned
    .slice(0, UNSETTLED_SHOWN_MAX)
    .map(({ offset, attempts, atMs }) => {
      return { offset, retry: attempts, dueInMs: Math.max(0, Math.round(atMs - nowMs)) };
    });
  return { inFlight, returned };
}

function ackInfo(topic: Topic, group: ConsumeGroup): AckInfo | object {
  if (!group.explicit) return {};
  const { ackWindow, ackTimeoutMs, maxAttempts, deadTopic } = group.definition;
  const { floor, next, heldCount, returnedCount } = group.positions;
  return {
    ackWindow,
    ackTimeoutMs,
    maxAttempts,
    deadTopic: deadTopic === '' ? `${topic.name}.dead` : deadTopic,
    settledOffset: floor,
    nextOffset: next,
    inFlightCount: heldCount,
    returnedCount,
    redeliveredCount: group.redeliveredCount,
    deadCount: group.deadCount,
  };
}

export function topicInfo(topic: Topic, server: ServerIdentity, grant: Grant): TopicInfo {
  const { topicName, mask, creator, createdTime, lastUpdatedTime } = topic.definition;
  const state = topic.queue.state();
  const groups = Array.from(topic.groups)
    .filter(({ name }) => grant.hasGroup(name))
    .map((group) => groupInfo(topic, group));
  return {
    error: null,
    serverAddress: serverAddress(server),
    serverVersion: server.version,
    topicName,
    mask,
    messageDepth: state.nextOffset - state.firstOffset,
    consumerCount: groups.reduce((sum, { consumerCount }) => sum + consumerCount, 0),
    consumeGroupList: groups,
    creator,
    createdTime,
    lastUpdatedTime,
    ...(topic.desk === null ? logInfo(topic, state) : { rpc: rpcInfo(topic.desk) }),
    ...(state.lostCount > 0 ? { lostCount: state.lostCount } : {}),
    ...(state.readOnly ? { readOnly: true as const } : {}),
  };
}

function rpcInfo({ queuedCount, inHandCount, bytes, figures }: RpcDesk): RpcInfo {
  return { queuedCount, inHandCount, requestBytes: bytes, ...figures };
}

export function serverAddress({ address, certificatePem }: ServerIdentity): ServerAddress {
  return { address, sslEnabled: certificatePem !== null };
}

function logInfo(topic: Topic, { firstOffset, storedBytes }: QueueState): Partial<TopicInfo> {
  const { keepsAll, rule } = topic.retention;
  return { ...(keepsAll ? {} : { retention: rule }), firstOffset, storedBytes };
}

export function serverInfo(
  topics: Iterable<Topic>,
  server: ServerIdentity,
  infoVersion: number,
  strayAnswerCount: number,
  limits: Readonly<Record<string, number>>,
  grant: Grant,
): ServerInfo {
  const entries = Array.from(topics)
    .filter(({ name }) => grant.hasTopic(name))
    .map((topic): [string, TopicInfo] => [topic.name, topicInfo(topic, server, grant)]);
  return {
    error: null,
    serverAddress: serverAddress(server),
    serverVersion: server.version,
    infoVersion,
    trackerList: server.trackerList,
    topicTable: Object.fromEntries(entries),
    ...(strayAnswerCount > 0 ? { strayAnswerCount } : {}),
    ...(Object.keys(limits).length > 0 ? { limits } : {}),
  };
}
