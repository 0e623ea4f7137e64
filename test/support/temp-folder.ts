/** Fresh folders for the data of one test, deleted when the test ends. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onCleanUp } from './cleanup.js';

export function tempFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'zbus-test-'));
  onCleanUp(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

/** A data folder on which a broker has run and stored nothing. */
export function usedFolder(): string {
  const folder = tempFolder();
  writeFileSync(join(folder, 'zbus.lock'), '');
  return folder;
}
