/** A topic as the monitor shows it. Made anew by Monitor whenever the topic has changed. */
import type { ConsumeGroup } from '../broker/group.js';
import type { Topic } from '../broker/topic.js';
import { hasMask, Mask } from '../protocol/masks.js';
import { deadTopicName } from '../broker/dead-letter-name.js';
import type { GroupState, Rates, RpcState, TopicState } from './shapes.js';

export function topicState(topic: Topic, rates: Rates): TopicState {
  const { definition, queue } = topic;
  const { firstOffset, nextOffset, storedBytes, lostCount, readOnly } = queue.state();
  return {
    name: topic.name,
    mask: definition.mask,
    createdAtMs: definition.createdTime,
    messageCount: nextOffset - firstOffset,
    storedBytes,
    firstOffset,
    nextOffset,
    rates,
    groups: Array.from(topic.groups, (group) => groupState(topic, group)),
    rpc: rpcState(topic),
    lostCount,
    readOnly,
  };
}

function groupState(topic: Topic, group: ConsumeGroup): GroupState {
  const { definition, positions, explicit } = group;
  const { heldCount, firstHeldAtMs } = positions;
  const oldestMs = explicit && heldCount > 0 ? Math.round(group.nowMs - firstHeldAtMs) : null;
  return {
    name: group.name,
    mask: definition.mask,
    filter: definition.filter,
    position: positions.next,
    backlogCount: topic.desk === null ? group.messageCount : 0,
    inFlightCount: heldCount,
    oldestInFlightMs: oldestMs,
    consumers: group.consumers,
    explicitAcks: explicit,
    paused: hasMask(definition.mask | topic.definition.mask, Mask.pause),
    deadTopic: explicit ? deadTopicName(topic.name, definition.deadTopic) : '',
    redeliveredCount: group.redeliveredCount,
    deadCount: group.deadCount,
    lostCount: positions.lostCount,
  };
}

function rpcState({ desk }: Topic): RpcState | null {
  if (desk === null) return null;
  const { queuedCount, inHandCount, figures } = desk;
  return { queuedCount, inHandCount, ...figures };
}
