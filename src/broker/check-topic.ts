/**
 * Judges one topic's folder: what the engine found in its log, and what only the broker knows, its
 * definition and its groups. Used by check.ts.
 */
import { hasMask, Mask } from '../protocol/masks.js';
import { folderName, nameKey, nameOfFolder } from '../protocol/names.js';
import type {
  CheckedCursor,
  CheckedFile,
  CheckedProblem,
  CheckedTopic,
} from '../queue/folder-check.js';
import { makeProblem, type Problem, type ProblemKind } from './check-problems.js';
import { decodeDetail } from './position-detail.js';
import { parseDefinition, type TopicDefinition } from './topic-definition.js';

/** Where a group will stand after a start, as far as its position can be read. */
export interface GroupReport {
  groupName: string;
  /** Everything below is settled. */
  settledOffset: number;
  /** The next new message. */
  nextOffset: number;
  /** Below that, not settled. */
  unsettledCount: number;
}

/** A topic as it will be after a start, and what is wrong with its files. */
export interface TopicReport {
  topicName: string;
  folder: string;
  /** Of the first message kept. */
  firstOffset: number;
  /** Of the next one to come. */
  nextOffset: number;
  /** Messages that can be read. */
  messageCount: number;
  /** Messages between the two offsets that cannot. */
  lostCount: number;
  blockCount: number;
  storedBytes: number;
  groups: GroupReport[];
  problems: Problem[];
  /** Problems beyond those listed. */
  problemsOmittedCount: number;
}

const OTHERS_MAY = 0o077;

export function judgeTopic(folder: string, checked: CheckedTopic): TopicReport {
  const { firstOffset, nextOffset, lostCount, blockCount, storedBytes } = checked;
  const definition = definitionOf(folder, checked);
  const problems = [
    ...definitionProblems(checked, definition),
    ...checked.problems.map(fromEngine),
    ...cursorProblems(checked, definition),
    ...checked.files.flatMap(fileProblems),
  ];
  return {
    topicName: definition?.topicName ?? nameOfFolder(folder),
    folder,
    firstOffset,
    nextOffset,
    messageCount: nextOffset - firstOffset - lostCount,
    lostCount,
    blockCount,
    storedBytes,
    groups: checked.cursors.filter(isUsable).map((cursor) => groupReport(cursor, checked)),
    problems,
    problemsOmittedCount: checked.problemsOmitted,
  };
}

function fromEngine(problem: CheckedProblem): Problem {
  const { file, position, bytes, offsetFrom, offsetTo, reason, repaired } = problem;
  const about = offsetFrom < offsetTo ? { offsetFrom, offsetTo } : {};
  return makeProblem(problem.kind as ProblemKind, file, {
    positionBytes: position,
    lengthBytes: bytes,
    reason: reason === '' ? null : reason,
    repaired,
    ...about,
  });
}

function definitionOf(folder: string, { definition }: CheckedTopic): TopicDefinition | null {
  const parsed = definition === null ? null : parseDefinition(definition);
  return parsed !== null && folderName(nameKey(parsed.topicName)) === folder.normalize('NFC')
    ? parsed
    : null;
}

function definitionProblems(
  { definition, files, problems }: CheckedTopic,
  usable: TopicDefinition | null,
): Problem[] {
  const [file] = files.filter(({ role }) => role === 'definition');
  if (usable !== null || problems.some((problem) => problem.file === (file?.name ?? ''))) return [];
  if (file === undefined) {
    const begun = files.some(({ role }) => role === 'block' || role === 'cursor');
    return [makeProblem(begun ? 'missingDefinition' : 'unfinishedTopic', 'topic.json')];
  }
  const foreign = definition !== null && parseDefinition(definition) !== null;
  return [makeProblem(foreign ? 'foreignDefinition' : 'damagedDefinition', file.name)];
}

function isUsable(cursor: CheckedCursor): boolean {
  return cursor.valid && !cursor.foreign && folderName(nameKey(cursor.group)) === fileKey(cursor);
}

function fileKey({ file }: CheckedCursor): string {
  return file.normalize('NFC');
}

function groupReport(cursor: CheckedCursor, { nextOffset: end, firstOffset }: CheckedTopic) {
  const above = cursor.offset > end;
  const stored = decodeDetail(cursor.offset, cursor.detail);
  const unsettled = stored.unsettled.filter(({ offset }) => offset >= firstOffset);
  return {
    groupName: cursor.group,
    settledOffset: above ? end : (unsettled[0]?.offset ?? Math.max(stored.next, firstOffset)),
    nextOffset: above ? end : Math.max(stored.next, firstOffset),
    unsettledCount: above ? 0 : unsettled.length,
  };
}

function cursorProblems(checked: CheckedTopic, definition: TopicDefinition | null): Problem[] {
  const problems = checked.cursors.flatMap((cursor) => oneCursor(cursor, checked, definition));
  // Topics in memory have no positions; those of links and unreadable files are told of already.
  if (definition === null || hasMask(definition.mask, Mask.memory | Mask.rpc)) return problems;
  const files = new Set(checked.files.map(({ name }) => name.normalize('NFC')));
  for (const { groupName } of definition.groups) {
    const file = `${folderName(nameKey(groupName))}.cursor`;
    if (!files.has(file)) problems.push(makeProblem('missingCursor', file));
  }
  return problems;
}

function oneCursor(
  cursor: CheckedCursor,
  { firstOffset, nextOffset, logKnown }: CheckedTopic,
  definition: TopicDefinition | null,
): Problem[] {
  const file = `${cursor.file}.cursor`;
  const problem = (kind: ProblemKind, offsets: Partial<Problem> = {}): Problem =>
    makeProblem(kind, file, offsets);
  const declared = (definition?.groups ?? []).some(
    ({ groupName }) => folderName(nameKey(groupName)) === fileKey(cursor),
  );
  if (definition !== null && !declared) return [problem('unusedCursor')];
  if (!cursor.valid) return [problem('damagedCursor')];
  if (!isUsable(cursor)) return [problem('foreignCursor')];
  const problems: Problem[] = [];
  if (cursor.slotsDamaged > 0) problems.push(problem('damagedCursorSlot'));
  const { offset } = cursor;
  if (logKnown && offset > nextOffset) {
    problems.push(problem('cursorAboveLog', { offsetFrom: nextOffset, offsetTo: offset }));
  } else if (logKnown && offset < firstOffset) {
    problems.push(problem('cursorBelowLog', { offsetFrom: offset, offsetTo: firstOffset }));
  }
  return problems;
}

function fileProblems({ name, role, bytes, mode, folder, regular }: CheckedFile): Problem[] {
  if (folder) return [makeProblem('unknownFolder', name)];
  if (!regular) return [makeProblem('notRegular', name)];
  const whole = { lengthBytes: bytes };
  switch (role) {
    case 'torn':
      return [makeProblem('tornCopy', name, whole)];
    case 'bad':
      return [makeProblem('badCopy', name, whole)];
    case 'temporary':
      return [makeProblem('temporaryFile', name, whole)];
    case 'other':
      return [makeProblem('unknownFile', name, whole)];
    default:
      return (mode & OTHERS_MAY) === 0 ? [] : [makeProblem('openMode', name, whole)];
  }
}
