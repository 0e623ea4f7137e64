/**
 * What is wrong, in words, and what to do about it. Asked by Monitor for each topic that has
 * changed, and for the disk.
 */
import type { Alarm, GroupState, TopicState } from './shapes.js';

/** A backlog is looked at again after this long. */
const TREND_MS = 30_000;
/** Fewer messages than these are no reason to worry. */
const BACKLOG_MIN = 1000;
/** Below this share of the file system the disk is called low. */
const LOW_DISK_SHARE = 0.05;

interface Backlog {
  readonly count: number;
  readonly atMs: number;
  readonly grows: boolean;
}

/** Whether the backlogs of a topic's groups grow though they have consumers. Owned by Monitor. */
export class BacklogTrend {
  readonly #backlogs = new Map<string, Backlog>();

  /** Names of groups whose consumers do not keep up. */
  slowGroups({ groups }: TopicState, nowMs: number): ReadonlySet<string> {
    const slow = new Set<string>();
    for (const group of groups) if (this.#grows(group, nowMs)) slow.add(group.name);
    if (this.#backlogs.size > groups.length) this.#forgetAllBut(groups);
    return slow;
  }

  #grows({ name, backlogCount, consumers, paused }: GroupState, nowMs: number): boolean {
    if (consumers.length === 0 || paused || backlogCount < BACKLOG_MIN) {
      this.#backlogs.delete(name);
      return false;
    }
    const before = this.#backlogs.get(name);
    if (before === undefined || nowMs - before.atMs >= TREND_MS) {
      const grows = before !== undefined && backlogCount > before.count;
      this.#backlogs.set(name, { count: backlogCount, atMs: nowMs, grows });
      return grows;
    }
    return before.grows;
  }

  #forgetAllBut(groups: readonly GroupState[]): void {
    const names = new Set(groups.map(({ name }) => name));
    for (const name of this.#backlogs.keys()) if (!names.has(name)) this.#backlogs.delete(name);
  }
}

export function topicAlarms(topic: TopicState, slow: ReadonlySet<string>): Alarm[] {
  const alarms: Alarm[] = [];
  const about = { topic: topic.name, group: null };
  if (topic.readOnly) {
    alarms.push({
      ...about,
      level: 'critical',
      code: 'read-only-topic',
      text: 'The disk failed: nothing more can be stored',
      whatToDo: 'Look at the log of the broker and at the disk, then restart the broker',
    });
  }
  if (topic.lostCount > 0) {
    alarms.push({
      ...about,
      level: 'critical',
      code: 'damaged-topic',
      text: `${topic.lostCount} messages cannot be read: their blocks are damaged`,
      whatToDo: 'Stop the broker, run `zbus check` on its data folder, restore from a copy',
    });
  }
  for (const group of topic.groups) alarms.push(...groupAlarms(topic, group, slow));
  return alarms;
}

function groupAlarms(topic: TopicState, group: GroupState, slow: ReadonlySet<string>): Alarm[] {
  const alarms: Alarm[] = [];
  const about = { topic: topic.name, group: group.name };
  if (group.lostCount > 0) {
    alarms.push({
      ...about,
      level: 'warning',
      code: 'lost-messages',
      text: `${group.lostCount} messages were deleted before the group was done with them`,
      whatToDo: 'Keep messages for longer (retention), or consume faster',
    });
  }
  if (slow.has(group.name)) {
    alarms.push({
      ...about,
      level: 'warning',
      code: 'slow-consumers',
      text: `The backlog grows though ${group.consumers.length} consume: ${group.backlogCount}`,
      whatToDo: 'Start more consumers, or look at what holds these up',
    });
  }
  if (group.deadCount > 0) {
    alarms.push({
      ...about,
      level: 'warning',
      code: 'dead-letters',
      text: `${group.deadCount} messages went to ${group.deadTopic} since the start`,
      whatToDo: 'Look at why they fail, then send them back with redrive',
    });
  }
  return alarms;
}

export function diskAlarm(
  disk: { readonly freeBytes: number; readonly totalBytes: number } | null,
  minFreeBytes: number,
): Alarm | null {
  if (disk === null) return null;
  const critical = disk.freeBytes <= minFreeBytes;
  if (!critical && disk.freeBytes > disk.totalBytes * LOW_DISK_SHARE) return null;
  const freeMiB = Math.floor(disk.freeBytes / 1024 / 1024);
  return {
    level: critical ? 'critical' : 'warning',
    code: 'low-disk',
    text: critical
      ? `The disk has ${freeMiB} MiB left: nothing more is stored (minFreeBytes)`
      : `The disk has ${freeMiB} MiB left`,
    whatToDo: 'Set a retention, remove or empty topics, or make the disk larger',
    topic: null,
    group: null,
  };
}
