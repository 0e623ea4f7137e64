/**
 * Checks style: eslint (type-aware), prettier, and clang-format for the C++ sources. All three run
 * even when one fails, so that one run shows everything.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { leaveOut } from './results.mjs';
import { findProgram, root } from './toolchain.mjs';

/** Other versions lay out the same configuration differently. */
const CLANG_FORMAT_VERSION = '14';

/**
 * @param {string} program
 * @param {string[]} parameters
 */
function check(program, parameters) {
  const { status } = spawnSync(program, parameters, { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exitCode = 1;
}

function findClangFormat() {
  const program = findProgram(`clang-format-${CLANG_FORMAT_VERSION}`, 'clang-format');
  if (program === undefined) return undefined;
  const { stdout } = spawnSync(program, ['--version'], { encoding: 'utf8' });
  return stdout.includes(`version ${CLANG_FORMAT_VERSION}.`) ? program : undefined;
}

check(process.execPath, ['node_modules/eslint/bin/eslint.js', '.']);
check(process.execPath, ['node_modules/prettier/bin/prettier.cjs', '--check', '.']);
const clangFormat = findClangFormat();
if (clangFormat === undefined) {
  leaveOut('layout of the C++ sources', `apt-get install clang-format-${CLANG_FORMAT_VERSION}`);
} else {
  const sources = readdirSync(join(root, 'native'), { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.(cc|h)$/.test(file))
    .map((file) => join('native', file));
  check(clangFormat, ['--dry-run', '-Werror', ...sources]);
}
