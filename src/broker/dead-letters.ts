/**
 * Dead letters: messages that a group handed out as often as it may. `bury` stores a copy in the
 * group's dead-letter topic, with where it came from and why; `redrive` sends copies back to that
 * group alone. Used by topics and by the command redrive. A crash between storing a copy and noting
 * that it was stored makes a second copy, never none.
 */
import { Header } from '../protocol/headers.js';
import { latin1Of, nameKey, textOf } from '../protocol/names.js';
import { readBatch } from '../queue/awaited.js';
import type { AppendRecord, RecordBatch } from '../queue/queue.js';
import { deadTopicName } from './dead-letter-name.js';
import { ensure } from './declare.js';
import type { ConsumeGroup } from './group.js';
import type { Lease } from './lease.js';
import type { TopicTable } from './topic-table.js';
import type { Topic } from './topic.js';

const READ_BYTES = 256 * 1024;
const HEAD_END = '\r\n\r\n';
/** Header lines that only a dead letter has. */
const DEAD_HEADERS: ReadonlySet<string> = new Set([
  Header.originTopic,
  Header.originGroup,
  Header.originOffset,
  Header.deadAttempts,
  Header.deadReason,
]);

/** Resolves once the copy is synced, or there is nothing left to copy. Throws ZbusError. */
export async function bury(
  topics: TopicTable,
  topic: Topic,
  group: ConsumeGroup,
  lease: Lease,
): Promise<void> {
  const name = deadTopicName(topic.name, group.definition.deadTopic);
  const letter = await topic.recordAt(lease.offset);
  if (letter === null) return;
  const deadTopic = await topics.exclusively(name, () => ensure(topics, name, undefined));
  const lines =
    `${Header.originTopic}: ${topic.nameLatin1}\r\n` +
    `${Header.originGroup}: ${latin1Of(group.name)}\r\n` +
    `${Header.originOffset}: ${lease.offset}\r\n` +
    `${Header.deadAttempts}: ${lease.attempts}\r\n` +
    `${Header.deadReason}: ${lease.reason ?? 'restart'}\r\n`;
  await stored(deadTopic, movedRecord(letter, 0, deadTopic, lines));
}

/**
 * Sends up to `limit` of the group's dead letters back to it, oldest first, and returns how many.
 * Each is sent once: the group's definition remembers how far it got, also when a letter cannot be
 * stored, which throws.
 */
export async function redrive(
  topics: TopicTable,
  topic: Topic,
  group: ConsumeGroup,
  limit: number,
): Promise<number> {
  const { definition } = group;
  const deadTopic = topics.find(deadTopicName(topic.name, definition.deadTopic));
  if (deadTopic === undefined) return 0;
  const { createdTime } = deadTopic.definition;
  const before = definition.redriven?.createdTime === createdTime ? definition.redriven.end : 0;
  const reader = deadTopic.queue.openReader(before, null, null);
  const end = deadTopic.queue.readableEnd;
  let count = 0;
  try {
    for (let next = before; next < end && count < limit;) {
      const batch = await readBatch(reader, READ_BYTES);
      const sent = await sendBack(batch, end, limit - count, topic, group);
      count += sent.count;
      next = sent.next;
      definition.redriven = { createdTime, end: next };
      await topic.save();
      if (sent.failure !== null) throw sent.failure;
    }
  } finally {
    reader.close();
  }
  return count;
}

interface Sent {
  readonly count: number;
  /** First offset of the dead-letter topic that was not dealt with. */
  readonly next: number;
  /** Why the letter there could not be stored. */
  readonly failure: Error | null;
}

async function sendBack(
  batch: RecordBatch,
  end: number,
  limit: number,
  topic: Topic,
  group: ConsumeGroup,
): Promise<Sent> {
  const letters: Promise<void>[] = [];
  const offsets: number[] = [];
  let next = batch.nextOffset;
  for (let i = 0; i < batch.count; i++) {
    if (batch.offset(i) >= end || letters.length === limit) {
      next = batch.offset(i);
      break;
    }
    if (!isLetterOf(headOf(batch, i), topic, group)) continue;
    const record = movedRecord(batch, i, topic, '');
    letters.push(stored(topic, { ...record, group: latin1Of(nameKey(group.name)) }));
    offsets.push(batch.offset(i));
  }
  const results = await Promise.allSettled(letters);
  const failed = results.findIndex(({ status }) => status === 'rejected');
  const result = results[failed];
  if (result?.status !== 'rejected') {
    return { count: letters.length, next: Math.min(next, end), failure: null };
  }
  return { count: failed, next: offsets[failed] ?? next, failure: result.reason as Error };
}

function isLetterOf(head: string, topic: Topic, group: ConsumeGroup): boolean {
  return (
    isNamed(head, Header.originTopic, topic.name) && isNamed(head, Header.originGroup, group.name)
  );
}

function isNamed(head: string, header: string, name: string): boolean {
  const start = `${header}: `;
  const line = head.split('\r\n').find((each) => each.startsWith(start));
  return line !== undefined && nameKey(textOf(line.slice(start.length))) === nameKey(name);
}

/** Record `i` as it is to be stored in `target`, with `lines` among its headers. */
function movedRecord(batch: RecordBatch, i: number, target: Topic, lines: string): AppendRecord {
  const head = headOf(batch, i);
  const kept = head
    .slice(0, -HEAD_END.length)
    .split('\r\n')
    .filter((line) => !DEAD_HEADERS.has(line.slice(0, line.indexOf(':'))))
    .map((line) => (line.startsWith('topic: ') ? `topic: ${target.nameLatin1}` : line));
  return {
    id: batch.id(i),
    tag: batch.tag(i),
    head: lines + kept.join('\r\n') + HEAD_END,
    body: batch.bytes.subarray(batch.wireStart(i) + head.length, batch.wireEnd(i)),
  };
}

/** Header lines of record `i` with the blank line, as latin1. */
function headOf(batch: RecordBatch, i: number): string {
  const start = batch.wireStart(i);
  const blank = batch.bytes.indexOf(HEAD_END, start, 'latin1');
  return batch.bytes.toString('latin1', start, blank + HEAD_END.length);
}

function stored(topic: Topic, record: AppendRecord): Promise<void> {
  return new Promise((resolve, reject) => {
    topic.append(record, 'disk', null, (error) => {
      if (error !== null) {
        reject(error);
        return;
      }
      topic.traffic.produced(record.head.length + record.body.length);
      resolve();
    });
  });
}
