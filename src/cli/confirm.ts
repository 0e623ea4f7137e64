/**
 * Asks a person before something is deleted. A program that runs the command is never asked: it
 * says --yes, or is refused.
 */
import { createInterface } from 'node:readline/promises';
import { CommandError, UsageError } from './outcome.js';

export interface ConfirmFlags {
  readonly yes?: boolean;
}

/** Rejects unless it was wanted; `what` ends with what is lost, such as `3 messages`. */
export async function confirm(
  what: string,
  { yes }: ConfirmFlags,
  signal: AbortSignal,
): Promise<void> {
  if (yes === true) return;
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw new UsageError(`${what}: say --yes where nobody can be asked`);
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question(`${what}. Go on? [y/N] `, { signal });
    if (!/^y(es)?$/i.test(answer.trim())) throw new CommandError('nothing was changed');
  } finally {
    terminal.close();
  }
}
