/** The list of problems is one: the engine's words and the operators' page agree with it. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { problemInfo } from '../../../src/broker/check-problems.js';
import { root } from '../../../scripts/toolchain.mjs';

function read(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

describe('the problems of a check', () => {
  it('are those that docs/operations.md lists, with the same severity', () => {
    const [, section = ''] = read('docs/operations.md').split('## Checking a data folder');
    const rows = section.split('\n## ')[0]?.matchAll(/^\| `(\w+)` \| (note|damage|unchecked) \|/gm);
    const listed = Array.from(rows ?? [], ([, kind, severity]) => [kind, severity]);
    assert.deepEqual(
      listed,
      Object.entries(problemInfo).map(([kind, { severity }]) => [kind, severity]),
    );
  });

  it('are all that the engine can name', () => {
    const source = read('native/check.cc') + read('native/check_blocks.cc');
    const kinds = Array.from(
      source.matchAll(/kind = (?:lost \? "(\w+)" : )?"(\w+)"/g),
      ([, first, second]) => [first, second],
    );
    const named = new Set(kinds.flat().filter((kind) => kind !== undefined));
    assert(named.size >= 12, [...named].join());
    assert.deepEqual(
      [...named].filter((kind) => !(kind in problemInfo)),
      [],
    );
  });
});
