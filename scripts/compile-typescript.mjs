/**
 * Compiles src into dist, and its client for pages into one file there. Called by the script
 * build.mjs, and by the tests that start brokers, which run what ships. Promises that dist is what
 * the sources of this moment compile to, and costs next to nothing when it already is.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundleClient } from './bundle-client.mjs';
import { root } from './toolchain.mjs';

const DIST = join(root, 'dist');
/** Names the sources that dist was compiled from; not packed. */
const STAMP = join(DIST, '.sources');
/** What decides what comes out, beside the sources. */
const SETTINGS = [
  'package.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'scripts/bundle-client.mjs',
  'node_modules/typescript/package.json',
  'node_modules/esbuild/package.json',
  'node_modules/buffer/package.json',
];

/** By content, because a checkout or a copy gives any file any time. */
function digestSources() {
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .sort()
    .map((file) => join('src', file));
  const hash = createHash('sha256');
  for (const file of [...SETTINGS, ...sources]) {
    const bytes = readFileSync(join(root, file));
    hash.update(`${file} ${bytes.length}\n`).update(bytes);
  }
  return hash.digest('hex');
}

/** @returns {string | null} */
function readStamp() {
  try {
    return readFileSync(STAMP, 'utf8');
  } catch {
    return null;
  }
}

/** Throws when the sources have an error; tsc has printed it by then. */
export function compileTypeScript() {
  const digest = digestSources();
  if (readStamp() === digest) return;
  // Beside dist and then in its place, so that a broker that starts meanwhile finds a whole one.
  const fresh = `${DIST}.${process.pid}`;
  try {
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    const parameters = [tsc, '-p', 'tsconfig.build.json', '--outDir', fresh];
    execFileSync(process.execPath, parameters, { cwd: root, stdio: 'inherit' });
    chmodSync(join(fresh, 'cli/main.js'), 0o755);
    bundleClient(join(fresh, 'browser.js'));
    writeFileSync(join(fresh, '.sources'), digest);
    rmSync(DIST, { recursive: true, force: true });
    renameSync(fresh, DIST);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}
