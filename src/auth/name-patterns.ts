/**
 * Which topics or groups a token is for: patterns in the language of filters (docs/protocol.md,
 * Filters) on names, which are split into parts at each dot and compared without regard to case.
 */
import { BadRequestError } from '../errors.js';
import { cached } from '../protocol/bounded-cache.js';
import { checkFilter, compileFilter } from '../protocol/filter.js';
import { checkTopicName, latin1Of, nameKey } from '../protocol/names.js';

const WILDCARD = /^[+*#]$/;
const FAULT =
  'is no pattern of names: parts between . where + takes one part, * one (last: one or more), ' +
  '# (last only) any number';

export interface NamePatterns {
  /** True when no name is left out. */
  readonly all: boolean;
  readonly matches: (name: string) => boolean;
}

/** null when `pattern` can be one, else what is wrong with it. */
export function patternFault(pattern: string): string | null {
  try {
    // A % would be decoded as in a header, and no name has one.
    if (pattern.includes('%')) return FAULT;
    checkFilter(latin1Of(pattern));
    // An empty one has an empty alternative, which no name can be.
    for (const alternative of pattern.split(';')) {
      const literal = alternative.split('.').map((part) => (WILDCARD.test(part) ? 'x' : part));
      checkTopicName(literal.join('.'));
    }
    return null;
  } catch (error) {
    if (!(error instanceof BadRequestError)) throw error;
    return FAULT;
  }
}

/** Patterns without fault; undefined: every name. */
export function namePatterns(patterns: readonly string[] | undefined): NamePatterns {
  const alternatives = patterns?.flatMap((pattern) => pattern.split(';'));
  if (alternatives === undefined || alternatives.some((each) => each === '*' || each === '#')) {
    return { all: true, matches: () => true };
  }
  const filters = alternatives.map((each) => compileFilter(nameKey(each)));
  return {
    all: false,
    matches: cached((name) => {
      const key = latin1Of(nameKey(name));
      return filters.some((takes) => takes(key));
    }),
  };
}
