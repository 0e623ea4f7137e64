/**
 * Words that must not be in the repository: forgotten work, silenced checks, paths of one machine.
 */
import assert from 'node:assert/strict';
import { basename } from 'node:path';
import { isCode, linesWith, type Source, textFiles } from './sources.js';

/** Written in two parts so that this file does not find itself. */
const FORBIDDEN_IN_CODE: readonly RegExp[] = [
  new RegExp('\\b(TO' + 'DO|FIX' + 'ME|X' + 'XX)\\b'),
  new RegExp('\\.(on' + 'ly|sk' + 'ip)\\('),
  new RegExp('eslint-' + 'disable|@ts-' + '(ignore|nocheck)|prettier-' + 'ignore'),
  new RegExp('NO' + 'LINT|clang-format ' + 'off'),
];
/** Skips a test whose program is missing, and says so in the summary. */
const SKIPS_WITH_A_WORD = 'test/support/programs.ts';
const FORBIDDEN_EVERYWHERE: readonly RegExp[] = [
  new RegExp('/(wo' + 'rk|ro' + 'ot|ho' + 'me/\\w+)/'),
];
const VAGUE_NAME =
  /^(utils?|helpers?|common|misc|managers?)\b|[-_.](utils?|helpers?|common|managers?)\b/i;

function find(sources: readonly Source[], patterns: readonly RegExp[]): string[] {
  return sources.flatMap((source) =>
    linesWith(source, (line) => patterns.some((pattern) => pattern.test(line))),
  );
}

describe('words', () => {
  const files = textFiles();

  it('nothing is left to do and no check is silenced', () => {
    const code = files.filter((file) => isCode(file) && file.path !== SKIPS_WITH_A_WORD);
    assert.deepEqual(find(code, FORBIDDEN_IN_CODE), []);
  });

  it('nothing names a path of one machine', () => {
    assert.deepEqual(find(files, FORBIDDEN_EVERYWHERE), []);
  });

  it('no file has a name that says nothing', () => {
    const vague = files.filter(({ path }) => VAGUE_NAME.test(basename(path)));
    assert.deepEqual(
      vague.map(({ path }) => path),
      [],
    );
  });

  it('every source file says first what it is', () => {
    const silent = files.filter(isCode).filter(({ text }) => {
      const start = text.replace(/^#!.*\n/, '').trimStart();
      return !start.startsWith('/*') && !start.startsWith('//') && !start.startsWith('#');
    });
    assert.deepEqual(
      silent.map(({ path }) => path),
      [],
    );
  });
});
