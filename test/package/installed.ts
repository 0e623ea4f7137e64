/**
 * The package as a user gets it: packed, and installed into an empty folder on a machine without a
 * compiler and with npm's install scripts off. Packed once for all tests of a run.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export const root = fileURLToPath(new URL('../../', import.meta.url));
const run = promisify(execFile);

/** All that a user's machine has in PATH here: no compiler, make, CMake or Python. */
const PROGRAMS = ['node', 'npm', 'npx', 'sh', 'curl', 'ab', 'env'];

export interface Installed {
  /** A folder whose node_modules holds the package. */
  readonly folder: string;
  readonly tarball: string;
  /** Environment with the bare PATH. */
  readonly env: NodeJS.ProcessEnv;
}

let installed: Promise<Installed> | undefined;

export function installPackage(): Promise<Installed> {
  installed ??= packAndInstall();
  return installed;
}

async function packAndInstall(): Promise<Installed> {
  const base = mkdtempSync(join(tmpdir(), 'zbus-package-'));
  process.once('exit', () => {
    rmSync(base, { recursive: true, force: true });
  });
  await run('npm', ['pack', '--pack-destination', base], { cwd: root, env: cleanEnvironment() });
  const [name] = readdirSync(base).filter((file) => file.endsWith('.tgz'));
  if (name === undefined) throw new Error('npm pack made no tarball');
  const tarball = join(base, name);
  const folder = join(base, 'app');
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }');
  const env = { ...cleanEnvironment(), PATH: barePath(join(base, 'bin')) };
  await run('npm', ['install', '--ignore-scripts', '--prefer-offline', tarball], {
    cwd: folder,
    env,
  });
  return { folder, tarball, env };
}

/** Without what `npm test` sets for its children: it would send a nested npm to this repository. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const entries = Object.entries(process.env);
  return Object.fromEntries(entries.filter(([name]) => !/^(npm_|ZBUS_|INIT_CWD)/i.test(name)));
}

/** A folder with links to the few programs, to be the whole of PATH. */
function barePath(bin: string): string {
  mkdirSync(bin);
  const folders = [dirname(process.execPath), ...(process.env.PATH ?? '').split(':')];
  for (const program of PROGRAMS) {
    const folder = folders.find((candidate) => readdirIfThere(candidate).includes(program));
    if (folder !== undefined) symlinkSync(join(folder, program), join(bin, program));
  }
  return bin;
}

function readdirIfThere(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
