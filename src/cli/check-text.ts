/**
 * The report of `zbus check` as people read it: a line a topic, under it a line a problem, at the
 * end the verdict. Pure.
 */
import type { FolderReport } from '../broker/check.js';
import { type Problem, problemInfo } from '../broker/check-problems.js';
import type { TopicReport } from '../broker/check-topic.js';

export function checkText(report: FolderReport): string {
  return [
    ...report.topics.flatMap((topic) => [topicLine(topic), ...topicProblems(topic)]),
    ...report.problems.map((problem) => problemLine(problem, report.dir)),
    verdictLine(report),
  ].join('\n');
}

function topicLine(topic: TopicReport): string {
  const { firstOffset, nextOffset, storedBytes, lostCount } = topic;
  const lost = lostCount === 0 ? '' : `, ${lostCount} lost`;
  return (
    `${shown(topic.topicName)}: ${counted(topic.messageCount, 'message')}${lost}, ` +
    `first offset ${firstOffset}, next ${nextOffset}, ${counted(topic.blockCount, 'block')}, ` +
    `${storedBytes} bytes, ${counted(topic.groups.length, 'group')}`
  );
}

function topicProblems({ folder, problems, problemsOmittedCount }: TopicReport): string[] {
  const lines = problems.map((problem) => `  ${problemLine(problem, folder)}`);
  if (problemsOmittedCount > 0) lines.push(`  and ${problemsOmittedCount} more of the log`);
  return lines;
}

function problemLine(problem: Problem, folder: string): string {
  const { kind, severity, file, reason, repaired } = problem;
  const { what, onStart } = problemInfo[kind];
  const why = reason === null ? '' : ` (${shown(reason)})`;
  const remedy = repaired ? 'repaired: written anew' : `a start ${onStart}`;
  const place = shown(file === '' ? folder : file) + placeIn(problem);
  return `${severity.padEnd(9)} ${place}: ${what}${offsetsOf(problem)}${why}; ${remedy}`;
}

function placeIn({ positionBytes, lengthBytes }: Problem): string {
  if (positionBytes === 0 && lengthBytes === 0) return '';
  return ` at ${positionBytes}, ${lengthBytes} bytes`;
}

function offsetsOf({ offsetFrom, offsetTo }: Problem): string {
  if (offsetFrom === null || offsetTo === null) return '';
  const last = offsetTo - 1;
  return offsetFrom === last ? `, offset ${last}` : `, offsets ${offsetFrom} to ${last}`;
}

function verdictLine(report: FolderReport): string {
  const { verdict, topicCount, messageCount, lostCount, damageCount, uncheckedCount } = report;
  const repaired =
    report.repairedCount === 0
      ? ''
      : `, ${counted(report.repairedCount, 'index', 'indexes')} repaired`;
  const all = `${counted(topicCount, 'topic')}, ${counted(messageCount, 'message')}`;
  switch (verdict) {
    case 'sound':
      return `sound: ${all}, nothing lost${repaired}`;
    case 'damaged':
      return `damaged: ${all}, ${lostCount} lost, ${counted(damageCount, 'damage')}${repaired}`;
    case 'unchecked':
      return (
        `not all checked: ${counted(uncheckedCount, 'file')} cannot be read; ` +
        `${all}, ${lostCount} lost, ${counted(damageCount, 'damage')}${repaired}`
      );
  }
}

function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** Names of files are anyone's: they must not move the cursor, nor begin a line. */
function shown(text: string): string {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '\u{fffd}');
}
