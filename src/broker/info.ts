/**
 * The JSON that query, declare, server and the pages show, in the shapes of the recorded servers. A
 * damaged or failed topic says so in fields that a healthy one does not have.
 */
import type { ConsumeGroup } from './group.js';
import type { Topic } from './topic.js';

export interface ServerAddress {
  readonly address: string;
  readonly sslEnabled: boolean;
}

export interface ServerIdentity {
  readonly address: string;
  readonly version: string;
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
  trackerList: ServerAddress[];
  topicTable: Record<string, TopicInfo>;
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
  };
}

export function topicInfo(topic: Topic, server: ServerIdentity): TopicInfo {
  const { topicName, mask, creator, createdTime, lastUpdatedTime } = topic.definition;
  const state = topic.queue.state();
  return {
    error: null,
    serverAddress: { address: server.address, sslEnabled: false },
    serverVersion: server.version,
    topicName,
    mask,
    messageDepth: state.nextOffset - state.firstOffset,
    consumerCount: topic.consumerCount,
    consumeGroupList: Array.from(topic.groups, (group) => groupInfo(topic, group)),
    creator,
    createdTime,
    lastUpdatedTime,
    ...(state.lostCount > 0 ? { lostCount: state.lostCount } : {}),
    ...(state.readOnly ? { readOnly: true as const } : {}),
  };
}

export function serverInfo(
  topics: Iterable<Topic>,
  server: ServerIdentity,
  infoVersion: number,
): ServerInfo {
  const entries = Array.from(topics, (topic): [string, TopicInfo] => [
    topic.name,
    topicInfo(topic, server),
  ]);
  return {
    error: null,
    serverAddress: { address: server.address, sslEnabled: false },
    serverVersion: server.version,
    infoVersion,
    trackerList: [],
    topicTable: Object.fromEntries(entries),
  };
}
