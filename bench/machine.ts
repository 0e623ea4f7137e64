/**
 * What a figure was measured on: printed above every table, since a rate without its machine says
 * nothing. Used by all benchmarks.
 */
import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';
import { fileSystemOf, thisMachine } from '../src/cli/bench/machine.js';

export const MIB = 1024 * 1024;

export interface Setting {
  readonly name: string;
  readonly value: string | number;
}

/** `dir` is where the data goes. */
export function printMachine(dir: string, settings: readonly Setting[]): void {
  const { cpu, cores, memoryBytes, platform, kernel, node, load } = thisMachine();
  console.log(`machine   ${cpu}, ${cores} cores, ${(memoryBytes / 2 ** 30).toFixed(0)} GiB`);
  console.log(
    `system    ${platform} ${kernel}, Node ${node}, ${fileSystemOf(dir)} at ${resolve(dir)}`,
  );
  console.log(`load      ${load.toFixed(2)} before the run (0 is quiet)`);
  console.log(`commit    ${commit()}, ${new Date().toISOString().slice(0, 10)}`);
  console.log(`settings  ${settings.map(({ name, value }) => `${name} ${value}`).join(', ')}\n`);
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
