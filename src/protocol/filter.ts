/**
 * The filter language on tags (docs/protocol.md, Filters). native/filter.h implements the same rule
 * for the disk queue; test/unit/protocol/filter-cases.json is the table both are tested against.
 */
import { BadRequestError } from '../errors.js';
import { decodeValue, latin1Of } from './names.js';

export const FILTER_BYTES_MAX = 1024;

const CONTROL = /[\x00-\x1f\x7f]/;
const RULE =
  'alternatives between ; of parts between . where + takes one part, * one (last: one or more), ' +
  '# (last only) any number; at most 1024 bytes';

/** The filter's text, %XX decoded; '' takes everything. Throws BadRequestError with the rule. */
export function checkFilter(value: string): string {
  const text = decodeValue(value);
  const valid =
    latin1Of(text).length <= FILTER_BYTES_MAX &&
    !CONTROL.test(text) &&
    (text === '' || text.split(';').every(isAlternative));
  if (!valid) throw new BadRequestError(`Bad group_filter: must be ${RULE}`);
  return text;
}

function isAlternative(text: string): boolean {
  const hash = text.split('.').indexOf('#');
  return text !== '' && (hash === -1 || hash === text.split('.').length - 1);
}

/**
 * A matcher for tags, which are latin1 strings of their bytes, '' for a message without a tag.
 * `text` must have passed `checkFilter`.
 */
export function compileFilter(text: string): (tag: string) => boolean {
  if (text === '') return () => true;
  const alternatives = latin1Of(text)
    .split(';')
    .map((alternative) => alternative.split('.'));
  return (tag) => {
    const parts = tag === '' ? [] : tag.split('.');
    return alternatives.some((pattern) => matches(pattern, parts));
  };
}

function matches(pattern: readonly string[], parts: readonly string[]): boolean {
  const last = pattern.length - 1;
  const tail = pattern[last];
  const open = tail === '#' || tail === '*';
  const fixed = open ? last : pattern.length;
  if (parts.length === 0) return open && fixed === 0;
  if (open ? parts.length < fixed + (tail === '*' ? 1 : 0) : parts.length !== fixed) return false;
  for (let i = 0; i < fixed; i++) {
    const part = pattern[i];
    if (part !== '+' && part !== '*' && part !== parts[i]) return false;
  }
  return true;
}
