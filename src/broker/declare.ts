/**
 * The command declare: makes or changes a topic or a consume group, and says where a group starts
 * (docs/protocol.md, Where a new group starts). Everything is checked before anything is changed.
 */
import { randomUUID } from 'node:crypto';
import { BadRequestError } from '../errors.js';
import { Header } from '../protocol/headers.js';
import { hasMask, Mask } from '../protocol/masks.js';
import { decodeValue } from '../protocol/names.js';
import { findTime } from '../queue/awaited.js';
import type { Queue } from '../queue/queue.js';
import type { Call } from './call.js';
import { type ConsumeGroup, groupNotFound } from './group.js';
import { type AskedLevel, askedLevel } from './produce.js';
import { groupSettings, type Settings } from './group-settings.js';
import { wantedRetention } from './retention-headers.js';
import { type OwnRetention, newGroupDefinition, newTopicDefinition } from './topic-definition.js';
import type { TopicTable } from './topic-table.js';
import type { Topic } from './topic.js';

export interface Declared {
  readonly topic: Topic;
  /** null when only a topic was declared. */
  readonly group: ConsumeGroup | null;
}

/** Call it within `topics.exclusively`. Throws BadRequestError, NotFoundError, LimitError. */
export async function declare(call: Call, topics: TopicTable): Promise<Declared> {
  const name = call.topic;
  const wanted = wantedTopic(call);
  const group = wantedGroup(call);
  const existing = topics.find(name);
  if (existing === undefined) {
    checkNewStart(group);
    const first = { ...newGroupDefinition(group.name ?? name, 0), ...group.settings };
    const topic = await topics.create({ ...newTopicDefinition(name), ...wanted, groups: [first] });
    return { topic, group: group.name === undefined ? null : topic.group(group.name) };
  }
  await redefineTopic(existing, wanted);
  return {
    topic: existing,
    group: group.name === undefined ? null : await declareGroup(existing, group.name, group),
  };
}

/**
 * The topic and the group, made as a declare without further headers would make them. Call it
 * within `topics.exclusively`.
 */
export async function ensure(
  topics: TopicTable,
  name: string,
  group: string | undefined,
): Promise<Topic> {
  const topic = topics.find(name);
  if (topic === undefined) {
    const groups = [newGroupDefinition(group ?? name, 0)];
    return topics.create({ ...newTopicDefinition(name), groups });
  }
  if (group !== undefined) await declareGroup(topic, group, NOTHING_WANTED);
  return topic;
}

interface WantedTopic {
  readonly mask?: number;
  readonly ackLevel?: AskedLevel;
  readonly retention?: OwnRetention;
}

/** What the request says of a group; undefined where it says nothing. */
interface WantedGroup {
  readonly name?: string | undefined;
  /** Nothing but what the request sets. */
  readonly settings: Settings;
  readonly startCopy?: string | undefined;
  readonly startOffset?: number | undefined;
  readonly startMsgid?: string | undefined;
  readonly startTimeMs?: number | undefined;
}

const NOTHING_WANTED: WantedGroup = { settings: {} };

function wantedTopic(call: Call): WantedTopic {
  const mask = call.mask(Header.topicMask);
  const ackLevel = askedLevel(call);
  const retention = wantedRetention(call);
  return {
    ...(mask === undefined ? {} : { mask }),
    ...(ackLevel === undefined ? {} : { ackLevel }),
    ...(retention === undefined ? {} : { retention }),
  };
}

function wantedGroup(call: Call): WantedGroup {
  const { group } = call;
  const copy = call.command.encoded(Header.groupStartCopy);
  return {
    name: group ?? (call.flag(Header.groupNameAuto) ? `auto-${randomUUID()}` : undefined),
    settings: groupSettings(call),
    startCopy: copy === undefined ? undefined : decodeValue(copy),
    startOffset: call.number(Header.groupStartOffset),
    startMsgid: call.get(Header.groupStartMsgid),
    startTimeMs: call.number(Header.groupStartTime),
  };
}

/** A topic that is not there yet has no groups to copy and no messages to start at. */
function checkNewStart({ startCopy, startOffset = 0, startMsgid }: WantedGroup): void {
  if (startCopy !== undefined) throw groupNotFound(startCopy);
  if (startOffset > 0 || startMsgid !== undefined) {
    throw new BadRequestError(
      `Bad group_start_offset ${startOffset}: the topic is new and has no messages`,
    );
  }
}

async function redefineTopic(topic: Topic, wanted: WantedTopic): Promise<void> {
  const { definition } = topic;
  const { mask = definition.mask, ackLevel = definition.ackLevel } = wanted;
  const retention = { ...definition.retention, ...wanted.retention };
  checkSameKind(mask, topic);
  const same = mask === definition.mask && ackLevel === definition.ackLevel;
  if (same && wanted.retention === undefined) return;
  Object.assign(definition, { mask, ackLevel, retention, lastUpdatedTime: Date.now() });
  await topic.save();
  topic.redefined();
  topic.retention.redefine(retention);
}

/** What a topic keeps its messages in cannot change. Throws BadRequestError. */
function checkSameKind(mask: number, { desk, inMemory }: Topic): void {
  const isRpc = desk !== null;
  const sameRpc = hasMask(mask, Mask.rpc) === isRpc;
  // Calls live in memory, whatever the topic's other bits say.
  if (sameRpc && (isRpc || hasMask(mask, Mask.memory) === inMemory)) return;
  throw new BadRequestError(
    `Bad topic_mask: ${sameRpc ? 'memory (1)' : 'rpc (2)'} cannot change while the topic exists; ` +
      'remove the topic first',
  );
}

async function declareGroup(
  topic: Topic,
  name: string,
  wanted: WantedGroup,
): Promise<ConsumeGroup> {
  const start = await startOffset(topic, wanted);
  const group = topic.findGroup(name);
  if (group === undefined) {
    const fresh = newGroupDefinition(name, start ?? furthest(topic));
    return topic.addGroup({ ...fresh, ...wanted.settings });
  }
  const { definition } = group;
  const { filter } = definition;
  const settings = Object.entries(wanted.settings);
  const differs = settings.some(([key, value]) => definition[key as keyof Settings] !== value);
  if (differs || start !== undefined) {
    const changed = { ...wanted.settings, lastUpdatedTime: Date.now() };
    Object.assign(definition, changed, start === undefined ? {} : { startOffset: start });
    await topic.save();
    if (start !== undefined) group.moveTo(start);
    group.redefined(filter !== definition.filter);
  }
  return group;
}

/** Where the group that has read furthest is; the first message when there is no group. */
function furthest(topic: Topic): number {
  let offset = topic.queue.firstOffset;
  for (const group of topic.groups) offset = Math.max(offset, group.position);
  return offset;
}

/** Where the request wants the group to start; undefined when it does not say. */
async function startOffset(topic: Topic, wanted: WantedGroup): Promise<number | undefined> {
  const { startCopy, startOffset: offset, startMsgid, startTimeMs } = wanted;
  if (startCopy !== undefined) return topic.group(startCopy).position;
  if (offset !== undefined) return positionAt(topic, offset, startMsgid);
  if (startTimeMs === undefined) return undefined;
  return findTime(topic.queue, startTimeMs);
}

/** Throws BadRequestError unless the offset may be a group's position in the queue. */
function checkPosition(offset: number, { firstOffset, nextOffset }: Queue): void {
  if (offset <= nextOffset) return;
  throw new BadRequestError(
    `Bad group_start_offset ${offset}: must be from ${firstOffset} to ${nextOffset}`,
  );
}

async function positionAt(topic: Topic, offset: number, id: string | undefined): Promise<number> {
  checkPosition(offset, topic.queue);
  if (id === undefined) return Math.max(offset, topic.queue.firstOffset);
  const record = await topic.recordAt(offset);
  if (record?.id(0) === id) return offset;
  throw new BadRequestError(
    `Bad group_start_msgid: the message at offset ${offset} ` +
      (record === null ? 'is not there' : 'has another id'),
  );
}
