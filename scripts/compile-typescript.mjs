/**
 * Compiles src into dist, its client for pages into one file there, and web into the monitor page.
 * Called by the script build.mjs, and by the tests that start brokers, which run what ships.
 * Promises that dist is what the sources of this moment compile to, and costs next to nothing when
 * it already is.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { extname, join } from 'node:path';
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
  'node_modules/vite/package.json',
  'node_modules/preact/package.json',
  'node_modules/uplot/package.json',
];

/** By content, because a checkout or a copy gives any file any time. */
function digestSources() {
  const sources = ['src', 'web'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => extname(file) !== '')
      .sort()
      .map((file) => join(folder, file)),
  );
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

/** @param {string} folder to put the monitor page into */
function buildPage(folder) {
  const vite = join(root, 'node_modules/vite/bin/vite.js');
  const parameters = [vite, 'build', '--config', 'web/vite.config.ts', '--outDir', folder];
  execFileSync(process.execPath, parameters, { cwd: root, stdio: 'inherit' });
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
    buildPage(join(fresh, 'web'));
    writeFileSync(join(fresh, '.sources'), digest);
    rmSync(DIST, { recursive: true, force: true });
    renameSync(fresh, DIST);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}
