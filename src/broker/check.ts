/**
 * Checks a data folder on which no broker runs: every topic, file by file, and what the next start
 * will make of it. Used by the command line. Changes nothing but, when asked to, indexes.
 */
import { isFolderName } from '../protocol/names.js';
import { type CheckedEntry, FolderCheck } from '../queue/folder-check.js';
import { makeProblem, type Problem } from './check-problems.js';
import { judgeTopic, type TopicReport } from './check-topic.js';

/** sound: nothing stored is lost. unchecked: something could not be read. */
export type Verdict = 'sound' | 'damaged' | 'unchecked';

export interface FolderReport {
  dir: string;
  verdict: Verdict;
  topicCount: number;
  messageCount: number;
  /** Messages lost to damage. */
  lostCount: number;
  /** Problems of severity `damage` that were not repaired. */
  damageCount: number;
  /** Problems of severity `unchecked`. */
  uncheckedCount: number;
  repairedCount: number;
  bytesRead: number;
  durationMs: number;
  /** Of the data folder itself. */
  problems: Problem[];
  topics: TopicReport[];
}

export interface CheckOptions {
  readonly dir: string;
  /** Writes missing and damaged indexes anew. */
  readonly repair: boolean;
  /** Called before the first topic and while topics are read. */
  readonly onProgress?: (bytesRead: number, bytesTotal: number) => void;
}

const PROGRESS_INTERVAL_MS = 200;
const OTHERS_MAY = 0o077;

/** Throws StorageFailedError when there is nothing to check, or a broker runs on it. */
export async function checkFolder(options: CheckOptions): Promise<FolderReport> {
  const beganMs = performance.now();
  const check = new FolderCheck(options.dir, options.repair);
  const entries = check.entries();
  const folders = entries.filter(isTopicFolder);
  const total = folders.reduce((sum, { bytes }) => sum + bytes, 0);
  const report = (): void => options.onProgress?.(check.bytesRead, total);
  const timer = setInterval(report, PROGRESS_INTERVAL_MS);
  const topics: TopicReport[] = [];
  try {
    report();
    for (const { name, mode } of folders) {
      const topic = judgeTopic(name, await check.topic(name));
      if ((mode & OTHERS_MAY) !== 0) topic.problems.push(makeProblem('openMode', ''));
      topics.push(topic);
    }
    const problems = entries.flatMap(entryProblems);
    const durationMs = Math.round(performance.now() - beganMs);
    return { ...summary(options.dir, problems, topics, check.bytesRead, durationMs) };
  } finally {
    clearInterval(timer);
    check.close();
  }
}

function isTopicFolder({ name, folder }: CheckedEntry): boolean {
  return folder && isFolderName(name);
}

function entryProblems(entry: CheckedEntry): Problem[] {
  const { name, folder, regular, bytes } = entry;
  if (isTopicFolder(entry) || (name === 'zbus.lock' && regular)) return [];
  if (folder) {
    return [makeProblem(name.startsWith('.removed-') ? 'removedTopic' : 'unknownFolder', name)];
  }
  return [makeProblem(regular ? 'unknownFile' : 'notRegular', name, { lengthBytes: bytes })];
}

function summary(
  dir: string,
  problems: Problem[],
  topics: TopicReport[],
  bytesRead: number,
  durationMs: number,
): FolderReport {
  const all = [...problems, ...topics.flatMap((topic) => topic.problems)];
  const open = (severity: Problem['severity']): number =>
    all.filter((problem) => problem.severity === severity && !problem.repaired).length;
  const sum = (of: (topic: TopicReport) => number): number =>
    topics.reduce((total, topic) => total + of(topic), 0);
  const damageCount = open('damage');
  const uncheckedCount = open('unchecked');
  return {
    dir,
    verdict: uncheckedCount > 0 ? 'unchecked' : damageCount > 0 ? 'damaged' : 'sound',
    topicCount: topics.length,
    messageCount: sum(({ messageCount }) => messageCount),
    lostCount: sum(({ lostCount }) => lostCount),
    damageCount,
    uncheckedCount,
    repairedCount: all.filter(({ repaired }) => repaired).length,
    bytesRead,
    durationMs,
    problems,
    topics,
  };
}
