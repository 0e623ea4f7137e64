/**
 * What a server tells a tracker of itself, checked as far as anyone relies on it. Used by Tracker
 * for each track_pub.
 */
import type { Buffer } from 'node:buffer';
import type { ServerInfo } from '../client/info.js';
import { BadRequestError } from '../errors.js';
import { parseServerAddress, type ServerAddress } from '../protocol/server-address.js';

export interface PublishedInfo {
  readonly address: ServerAddress;
  readonly infoVersion: number;
  readonly info: ServerInfo;
  /** False: the server says that it goes. */
  readonly live: boolean;
}

/** Throws BadRequestError. */
export function parsePublished(body: Buffer): PublishedInfo {
  const root = object(parse(body), 'the body');
  const info = object(root.serverInfo, 'serverInfo');
  const { address, sslEnabled } = object(info.serverAddress, 'serverInfo.serverAddress');
  if (typeof address !== 'string') throw bad('serverInfo.serverAddress.address', 'a text');
  const { infoVersion } = info;
  if (!Number.isSafeInteger(infoVersion)) throw bad('serverInfo.infoVersion', 'a whole number');
  const topics = object(info.topicTable, 'serverInfo.topicTable');
  for (const [name, topic] of Object.entries(topics)) checkTopic(topic, name);
  return {
    address: parseServerAddress(`${sslEnabled === true ? '[SSL]' : ''}${address}`),
    infoVersion: infoVersion as number,
    info: info as unknown as ServerInfo,
    live: root.live !== false,
  };
}

function checkTopic(value: unknown, name: string): void {
  const where = `serverInfo.topicTable[${JSON.stringify(name.slice(0, 64))}]`;
  const { topicName, mask, consumerCount, consumeGroupList } = object(value, where);
  if (typeof topicName !== 'string') throw bad(`${where}.topicName`, 'a text');
  if (typeof mask !== 'number') throw bad(`${where}.mask`, 'a number');
  if (typeof consumerCount !== 'number') throw bad(`${where}.consumerCount`, 'a number');
  if (!Array.isArray(consumeGroupList)) throw bad(`${where}.consumeGroupList`, 'a list');
  for (const group of consumeGroupList as unknown[]) {
    const { groupName } = object(group, `${where}.consumeGroupList`);
    if (typeof groupName !== 'string') throw bad(`${where}.consumeGroupList`, 'a list of groups');
  }
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch (cause) {
    throw new BadRequestError('Bad track_pub: the body must be JSON', { cause });
  }
}

function object(value: unknown, where: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw bad(where, 'a JSON object');
}

function bad(where: string, rule: string): BadRequestError {
  return new BadRequestError(`Bad track_pub: ${where} must be ${rule}`);
}
