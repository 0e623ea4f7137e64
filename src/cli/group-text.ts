/** Groups as people read them. Used by the commands about topics and groups. Pure. */
import type { GroupInfo } from '../client/info.js';
import { maskText } from './mask-names.js';
import { listText, tableText, timeText } from './table.js';

export function groupTable(groups: readonly GroupInfo[]): string {
  const rows = groups.map((group) => [
    group.groupName,
    group.messageCount,
    group.inFlightCount ?? '-',
    group.consumerCount,
    group.filter === '' ? '-' : group.filter,
    maskText(group.mask),
  ]);
  return tableText(['GROUP', 'TO COME', 'IN FLIGHT', 'CONSUMERS', 'FILTER', 'MASK'], rows);
}

/** Everything about one group, what is in the hands of consumers included. */
export function groupText(group: GroupInfo): string {
  const { ackTimeoutMs, maxAttempts, inFlight = [], returned = [] } = group;
  const parts = [
    listText([
      ['topic', group.topicName],
      ['group', group.groupName],
      ['mask', maskText(group.mask)],
      ['filter', group.filter === '' ? 'takes everything' : group.filter],
      ['to come', group.messageCount],
      ['lost', group.lostCount ?? null],
      ['settled below', group.settledOffset ?? null],
      ['next new', group.nextOffset ?? null],
      ['in flight', group.inFlightCount ?? null],
      ['came back', group.returnedCount ?? null],
      ['redelivered', group.redeliveredCount ?? null],
      ['dead', group.deadCount === undefined ? null : deadText(group)],
      ['ack window', group.ackWindow ?? null],
      ['ack timeout', ackTimeoutMs === undefined ? null : `${ackTimeoutMs} ms`],
      ['max attempts', maxAttempts === 0 ? 'without end' : (maxAttempts ?? null)],
      ['consumers', group.consumerList?.join(', ') ?? 'none'],
      ['created', timeText(group.createdTime)],
      ['changed', timeText(group.lastUpdatedTime)],
    ]),
  ];
  if (inFlight.length > 0) {
    const rows = inFlight.map((one) => [
      one.offset,
      one.retry,
      `${one.timeoutInMs} ms`,
      one.consumer,
    ]);
    parts.push(tableText(['IN FLIGHT', 'RETRY', 'TIMEOUT IN', 'CONSUMER'], rows));
  }
  if (returned.length > 0) {
    const rows = returned.map((one) => [one.offset, one.retry, `${one.dueInMs} ms`]);
    parts.push(tableText(['CAME BACK', 'RETRY', 'DUE IN'], rows));
  }
  return parts.join('\n');
}

function deadText({ deadCount = 0, deadTopic = '' }: GroupInfo): string {
  return `${deadCount}, to ${deadTopic}`;
}
