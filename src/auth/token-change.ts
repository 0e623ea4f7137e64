/**
 * Changes the token file as `zbus token` does, also while a broker reads it: a reader sees the file
 * before or after, never half of it, and two changes at once do not undo each other.
 */
import {
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { ConfigError } from '../config/config-error.js';
import { type FileToken, parseTokenFile, readTokenFile } from './token-file.js';

/** None when there is no file. */
function tokensIn(file: string): FileToken[] {
  return existsSync(file) ? parseTokenFile(readTokenFile(file), file) : [];
}

/** Puts what `change` makes of the file's tokens in their place. Throws ConfigError. */
export function changeTokens(
  file: string,
  change: (tokens: readonly FileToken[]) => readonly FileToken[],
): void {
  // A link must go on pointing at the file.
  const target = existsSync(file) ? realpathSync(file) : file;
  const next = `${target}.new`;
  const descriptor = openNew(next);
  try {
    const text = `${JSON.stringify(change(tokensIn(target)), null, 2)}\n`;
    parseTokenFile(text, file);
    writeFileSync(descriptor, text);
    fsyncSync(descriptor);
    keepOwner(target, next);
    renameSync(next, target);
  } catch (error) {
    rmSync(next, { force: true });
    throw error instanceof ConfigError ? error : cannotWrite(file, error);
  } finally {
    closeSync(descriptor);
  }
  syncFolder(dirname(target));
}

/** The new file is the lock too: whoever makes it is alone. */
function openNew(next: string): number {
  try {
    return openSync(next, 'wx', 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw cannotWrite(next, error);
    throw new ConfigError(
      `${next} is there: another zbus token is at work; if none is, one was ended: delete it`,
    );
  }
}

/** Root changes the file of the broker's user, who must be able to read it afterwards. */
function keepOwner(target: string, next: string): void {
  if (process.getuid?.() !== 0 || !existsSync(target)) return;
  const { uid, gid } = statSync(target);
  chownSync(next, uid, gid);
}

function syncFolder(folder: string): void {
  const descriptor = openSync(folder, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function cannotWrite(file: string, error: unknown): ConfigError {
  const reason = error instanceof Error ? error.message : String(error);
  return new ConfigError(`cannot write the token file ${file}: ${reason}`);
}
