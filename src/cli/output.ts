/**
 * stdout, which holds data and nothing else. Used by every command of the client. Promises that a
 * write has reached the kernel when it resolves, and that a reader who has gone ends the command
 * and not with a stack trace.
 */
import { ReaderGone } from './outcome.js';

let watched = false;

/** Resolves once the kernel has taken it. Rejects with ReaderGone when nobody reads any more. */
export function print(data: string | Uint8Array): Promise<void> {
  watchStdout();
  return new Promise((resolve, reject) => {
    process.stdout.write(data, (error) => {
      if (error === null || error === undefined) resolve();
      else reject(isGone(error) ? new ReaderGone('stdout is closed') : error);
    });
  });
}

export function printJson(value: unknown): Promise<void> {
  return print(`${JSON.stringify(value, null, 2)}\n`);
}

/** The write's callback tells of an error; without a listener it would end the process, too. */
function watchStdout(): void {
  if (watched) return;
  watched = true;
  process.stdout.on('error', () => undefined);
}

function isGone(error: NodeJS.ErrnoException): boolean {
  return error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED';
}
