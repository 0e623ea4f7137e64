/**
 * A disk of a few MiB that can really be full: a file system of its own, mounted for one test.
 * Needs root on Linux; unmounted by cleanUp, also when the test fails.
 */
import { execFileSync } from 'node:child_process';
import { truncateSync, writeFileSync } from 'node:fs';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { onCleanUp } from '../support/cleanup.js';
import { tempFolder } from '../support/temp-folder.js';

export type FileSystem = 'tmpfs' | 'ext4';

export const canMount = process.platform === 'linux' && process.getuid?.() === 0;

/** Returns the folder it is mounted on. */
export function mountSmallDisk(kind: FileSystem, bytes: number): string {
  const folder = tempFolder();
  const target = join(folder, 'disk');
  mkdirSync(target);
  if (kind === 'tmpfs') {
    run('mount', '-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', target);
  } else {
    const image = join(folder, 'image');
    writeFileSync(image, '');
    truncateSync(image, bytes);
    run('mkfs.ext4', '-q', '-F', image);
    run('mount', '-o', 'loop', image, target);
  }
  onCleanUp(() => {
    run('umount', target);
  });
  return target;
}

function run(file: string, ...parameters: string[]): void {
  execFileSync(file, parameters, { stdio: ['ignore', 'ignore', 'inherit'] });
}
