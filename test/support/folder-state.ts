/** Everything in a folder that a program could change, to prove that one has not. */
import { createHash } from 'node:crypto';
import { lstatSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** By path in `folder`: mode, size, time of the last change and a hash of the content. */
export function folderState(folder: string): Record<string, string> {
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
  return Object.fromEntries(['', ...paths].map((path) => [path, stateOf(join(folder, path))]));
}

function stateOf(path: string): string {
  const info = lstatSync(path, { bigint: true });
  const content = info.isFile()
    ? createHash('sha256').update(readFileSync(path)).digest('hex')
    : 'none';
  return `${info.mode.toString(8)} ${info.size} ${info.mtimeNs} ${content}`;
}
