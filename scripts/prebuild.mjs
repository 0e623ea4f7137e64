/**
 * Makes prebuilds/<platform>-<arch>/, the addon that ships in the tarball so that a user compiles
 * nothing. `--if-stale` (used by `prepack`) does nothing when it is newer than every native source.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { nodeGypEnvironment, root } from './toolchain.mjs';

const folder = join(root, 'prebuilds', `${process.platform}-${process.arch}`);

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

if (!process.argv.includes('--if-stale') || isStale()) {
  const prebuildify = join(root, 'node_modules/prebuildify/bin.js');
  execFileSync(process.execPath, [prebuildify, '--napi', '--strip', '--tag-libc'], {
    cwd: root,
    env: nodeGypEnvironment(),
    stdio: 'inherit',
  });
}
