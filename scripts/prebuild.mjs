/**
 * Makes prebuilds/<platform>-<arch>/, the addon that ships in the tarball so that a user compiles
 * nothing. `--if-stale` (used by `prepack`) does nothing when it is newer than every native source.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nodeGypEnvironment, root } from './toolchain.mjs';

const folder = join(root, 'prebuilds', `${process.platform}-${process.arch}`);

/** What node-gyp reads. */
const SOURCES = ['package.json', 'binding.gyp', 'native'];

/** @param {string} path */
function modified(path) {
  return statSync(path).mtimeMs;
}

function isStale() {
  /** @type {string[]} */
  let built;
  try {
    built = readdirSync(folder).filter((name) => name.endsWith('.node'));
  } catch {
    return true;
  }
  if (built.length === 0) return true;
  const builtAt = Math.min(...built.map((name) => modified(join(folder, name))));
  const sources = readdirSync(join(root, 'native'))
    .filter((name) => /\.(cc|h)$/.test(name))
    .map((name) => join(root, 'native', name));
  return [join(root, 'binding.gyp'), ...sources].some((source) => modified(source) > builtAt);
}

/** In a copy, because node-gyp begins by deleting build/, where CMake keeps its work. */
function prebuild() {
  const copy = mkdtempSync(join(tmpdir(), 'zbus-prebuild-'));
  try {
    for (const source of SOURCES)
      cpSync(join(root, source), join(copy, source), { recursive: true });
    // Where binding.gyp finds node-addon-api.
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'), 'junction');
    const prebuildify = join(root, 'node_modules/prebuildify/bin.js');
    const nodeGyp = join(root, 'node_modules/.bin/node-gyp');
    const target = ['--cwd', copy, '--out', root, '--node-gyp', nodeGyp];
    execFileSync(process.execPath, [prebuildify, '--napi', '--strip', '--tag-libc', ...target], {
      cwd: root,
      env: { JOBS: 'max', ...nodeGypEnvironment() },
      stdio: 'inherit',
    });
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

if (!process.argv.includes('--if-stale') || isStale()) prebuild();
