/**
 * What a figure was measured on: printed above every table, since a rate without its machine says
 * nothing. Used by all benchmarks.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { resolve } from 'node:path';

export const MIB = 1024 * 1024;

export interface Setting {
  readonly name: string;
  readonly value: string | number;
}

/** `dir` is where the data goes. */
export function printMachine(dir: string, settings: readonly Setting[]): void {
  const [cpu] = cpus();
  const memoryGiB = (totalmem() / 2 ** 30).toFixed(0);
  console.log(
    `machine   ${cpu?.model.trim() ?? 'unknown'}, ${cpus().length} cores, ${memoryGiB} GiB`,
  );
  console.log(
    `system    ${process.platform} ${release()}, Node ${process.version}, ` +
      `${fileSystemOf(dir)} at ${resolve(dir)}`,
  );
  console.log(`load      ${loadavg()[0]?.toFixed(2) ?? '?'} before the run (0 is quiet)`);
  console.log(`commit    ${commit()}, ${new Date().toISOString().slice(0, 10)}`);
  console.log(`settings  ${settings.map(({ name, value }) => `${name} ${value}`).join(', ')}\n`);
}

/** Type of the file system that holds `dir`: the mount with the longest matching path. */
function fileSystemOf(dir: string): string {
  let mounts: string;
  try {
    mounts = readFileSync('/proc/mounts', 'utf8');
  } catch {
    return 'unknown file system';
  }
  const path = `${resolve(dir)}/`;
  let longest = '';
  let type = 'unknown file system';
  for (const line of mounts.split('\n')) {
    const [, target = '', kind = ''] = line.split(' ');
    const prefix = target.endsWith('/') ? target : `${target}/`;
    if (target === '' || !path.startsWith(prefix) || prefix.length < longest.length) continue;
    longest = prefix;
    type = kind;
  }
  return type;
}

function commit(): string {
  const git = (...parameters: string[]): string =>
    execFileSync('git', parameters, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    const head = git('rev-parse', '--short', 'HEAD').trim();
    return git('status', '--porcelain', 'src', 'native') === '' ? head : `${head} with changes`;
  } catch {
    return 'unknown (not in a clone)';
  }
}
