/** What a topic takes of the disk, as the file system counts it: space reserved ahead included. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Of the unit in which stat counts blocks, whatever those of the file system are. */
const STAT_BLOCK_BYTES = 512;

export function diskBytes(mqDir: string, topic: string): number {
  const folder = join(mqDir, topic);
  let bytes = 0;
  for (const file of readdirSync(folder)) {
    // A block may go between the two calls.
    bytes +=
      (statSync(join(folder, file), { throwIfNoEntry: false })?.blocks ?? 0) * STAT_BLOCK_BYTES;
  }
  return bytes;
}
