/** A fresh folder for the data of one test, deleted when the test ends. */
import { mkdtempSync, rmSync } from 'node:fs';
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
