/**
 * The JSON of a table of servers, put together from the JSON of each, which is kept: a push of many
 * servers encodes none of them again.
 */
import { Buffer } from 'node:buffer';
import type { ServerInfo, TopicInfo } from '../client/info.js';
import type { ServerAddress } from '../protocol/server-address.js';

/** Which topics and groups the reader may see; a Grant is one. */
export interface Visibility {
  readonly everyTopic: boolean;
  readonly everyGroup: boolean;
  hasTopic(name: string): boolean;
  hasGroup(name: string): boolean;
}

export interface ListedServer {
  /** The address as tables have it. */
  readonly key: string;
  /** Of its ServerInfo. */
  readonly json: Buffer;
}

/** Of the tracker itself. */
export interface TableHead {
  readonly serverAddress: ServerAddress;
  readonly serverVersion: string;
  readonly infoVersion: number;
}

export function seesAll({ everyTopic, everyGroup }: Visibility): boolean {
  return everyTopic && everyGroup;
}

/** With `removed` it is a change: the servers that are new or changed, and those that are gone. */
export function tableJson(
  head: TableHead,
  servers: Iterable<ListedServer>,
  reader: Visibility,
  removed: readonly string[] | null = null,
): Buffer {
  const all = seesAll(reader);
  const start = JSON.stringify({ error: null, ...head }).slice(0, -1);
  const parts: Buffer[] = [Buffer.from(`${start},"serverTable":{`)];
  for (const { key, json } of servers) {
    const comma = parts.length > 1 ? ',' : '';
    parts.push(Buffer.from(`${comma}${JSON.stringify(key)}:`), all ? json : visible(json, reader));
  }
  parts.push(Buffer.from(removed === null ? '}}' : `},"removedList":${JSON.stringify(removed)}}`));
  return Buffer.concat(parts);
}

function visible(json: Buffer, reader: Visibility): Buffer {
  const info = JSON.parse(json.toString()) as ServerInfo;
  const topics = Object.entries(info.topicTable)
    .filter(([, { topicName }]) => reader.hasTopic(topicName))
    .map(([name, topic]): [string, TopicInfo] => [name, withVisibleGroups(topic, reader)]);
  return Buffer.from(JSON.stringify({ ...info, topicTable: Object.fromEntries(topics) }));
}

function withVisibleGroups(topic: TopicInfo, reader: Visibility): TopicInfo {
  const groups = topic.consumeGroupList.filter(({ groupName }) => reader.hasGroup(groupName));
  const consumerCount = groups.reduce((sum, group) => sum + (group.consumerCount || 0), 0);
  return { ...topic, consumerCount, consumeGroupList: groups };
}
