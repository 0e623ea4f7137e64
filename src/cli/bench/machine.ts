/**
 * What a figure was measured on: a rate without its machine says nothing. Used by `zbus bench` and
 * by the benchmarks of the repository.
 */
import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { resolve } from 'node:path';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly platform: string;
  readonly kernel: string;
  readonly node: string;
  /** Of the last minute, before the run; 0 is quiet. */
  readonly load: number;
}

export function thisMachine(): Machine {
  const processors = cpus();
  return {
    cpu: processors[0]?.model.trim() ?? 'unknown',
    cores: processors.length,
    memoryBytes: totalmem(),
    platform: process.platform,
    kernel: release(),
    node: process.version,
    load: Number((loadavg()[0] ?? 0).toFixed(2)),
  };
}

/** Type of the file system that holds `dir`: the mount with the longest matching path. */
export function fileSystemOf(dir: string): string {
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
