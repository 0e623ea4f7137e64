/**
 * How many connections the process may hold. Sockets and the queue's files share one limit of open
 * files; without a reserve a crowd of sockets would make the queue fail to open a block. Called
 * once by the listener.
 */
import { readFileSync } from 'node:fs';

const LIMITS_FILE = '/proc/self/limits';

/** The process's limit of open files, or Infinity where the system does not tell. */
export function openFilesMax(): number {
  let text: string;
  try {
    text = readFileSync(LIMITS_FILE, 'latin1');
  } catch {
    return Infinity;
  }
  const soft = /^Max open files\s+(\d+)/mu.exec(text)?.[1];
  return soft === undefined ? Infinity : Number(soft);
}

/**
 * At most `wanted`, and `reserved` files less than `filesMax`, but never less than half of that.
 */
export function connectionsThatFit(wanted: number, filesMax: number, reserved: number): number {
  const fit = Math.max(filesMax - reserved, Math.floor(filesMax / 2));
  return Math.min(wanted, fit);
}
