/** The filter language: the table that the disk queue is tested against too, and the rule. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { checkFilter, compileFilter } from '../../../src/protocol/filter.js';
import { latin1Of } from '../../../src/protocol/names.js';

interface Case {
  readonly filter: string;
  readonly tag: string;
  readonly matches: boolean;
}

const path = new URL('filter-cases.json', import.meta.url);
const cases = JSON.parse(readFileSync(path, 'utf8')) as Case[];

describe('filter', () => {
  for (const { filter, tag, matches } of cases) {
    it(`"${filter}" ${matches ? 'takes' : 'leaves'} "${tag}"`, () => {
      assert.equal(checkFilter(latin1Of(filter)), filter);
      assert.equal(compileFilter(filter)(latin1Of(tag)), matches);
    });
  }

  it('takes what one of its alternatives takes', () => {
    const part = fc.constantFrom('a', 'b', '+', '*');
    const alternative = fc
      .tuple(fc.array(part, { maxLength: 3 }), fc.constantFrom('a', '#', '*', '+'))
      .map(([parts, last]) => [...parts, last].join('.'));
    const tag = fc
      .array(fc.constantFrom('a', 'b', 'c'), { maxLength: 4 })
      .map((parts) => parts.join('.'));
    fc.assert(
      fc.property(fc.array(alternative, { minLength: 1, maxLength: 3 }), tag, (several, text) => {
        const one = several.some((filter) => compileFilter(filter)(text));
        assert.equal(compileFilter(several.join(';'))(text), one);
      }),
      { numRuns: 2000 },
    );
  });

  it('is decoded from %XX', () => {
    assert.equal(checkFilter('a%3Bb'), 'a;b');
  });

  it('is refused with the rule when it breaks it', () => {
    for (const bad of [
      '#.a',
      'a.#.b',
      'a;#.b',
      'a;',
      ';',
      ';a',
      'a;;b',
      'a\0',
      'a\r\nb',
      '%0a',
      'x'.repeat(1025),
    ]) {
      assert.throws(
        () => checkFilter(bad),
        {
          code: 'ZBUS_BAD_REQUEST',
          message: /^Bad group_filter: must be alternatives between ;/,
        },
        JSON.stringify(bad),
      );
    }
    assert.throws(() => checkFilter('100%'), { message: /two hex digits/ });
    assert.equal(checkFilter('x'.repeat(1024)).length, 1024);
  });
});
