/**
 * How a command ends: the exit codes of zbus, and the one line that an error becomes. Used by
 * main.ts and by the commands; docs/cli.md lists the codes for users.
 */
import { constants } from 'node:os';
import { ConnectionLostError, TimeoutError } from '../client/errors.js';
import { ConfigError } from '../config/config-error.js';
import { NotFoundError, UnauthorizedError, ZbusError } from '../errors.js';

export const ExitCode = {
  ok: 0,
  /** The broker refused, or it could not be done; the line says why. */
  failed: 1,
  /** The command line breaks a rule; nothing was begun. */
  usage: 2,
  /** No broker was reached, or it was lost, or it did not answer in time. */
  unreachable: 3,
  /** 130 after Ctrl-C, 143 after SIGTERM: 128 and the number of the signal. */
  signalled: 128,
} as const;

/** A command cannot be carried out for a reason outside of it; the message is one line. */
export class CommandError extends Error {}

/** A command line that commander takes and the command does not. */
export class UsageError extends CommandError {}

/** Someone pressed Ctrl-C, or sent SIGTERM. */
export class Interrupted extends Error {
  readonly exitCode: number;

  constructor(signal: 'SIGINT' | 'SIGTERM') {
    super(`interrupted by ${signal}`);
    this.exitCode = ExitCode.signalled + constants.signals[signal];
  }
}

/** Who read stdout has gone, such as `head`: there is nothing left to do. */
export class ReaderGone extends Error {}

/** null for a fault of the program, which keeps its stack trace. */
export function exitCodeOf(error: unknown): number | null {
  if (error instanceof ReaderGone) return ExitCode.ok;
  if (error instanceof Interrupted) return error.exitCode;
  if (error instanceof UsageError) return ExitCode.usage;
  if (error instanceof ConnectionLostError || error instanceof TimeoutError) {
    return ExitCode.unreachable;
  }
  const known =
    error instanceof CommandError || error instanceof ConfigError || error instanceof ZbusError;
  return known ? ExitCode.failed : null;
}

/** What a person is told; null when they know it already. */
export function errorLine(error: unknown): string | null {
  if (error instanceof ReaderGone || error instanceof Interrupted) return null;
  const message = error instanceof Error ? error.message : String(error);
  return `zbus: ${onOneLine(message)}${advice(error)}\n`;
}

function advice(error: unknown): string {
  if (error instanceof UnauthorizedError) {
    return '; give the token in ZBUS_TOKEN, or its file with --token-from';
  }
  const missing =
    error instanceof NotFoundError ? /^Topic\((.+)\) not found$/.exec(error.message) : null;
  if (missing === null) return '';
  return `; make it with: zbus topic declare ${missing[1] ?? ''}`;
}

/** Text of anyone's making: it must not move the cursor, nor begin a line. */
export function onOneLine(text: string): string {
  return text
    .trim()
    .replace(/[\r\n]+/g, ' ')
    .replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '\u{fffd}');
}

/** Tells a person something that is no data. */
export function note(text: string): void {
  process.stderr.write(`zbus: ${onOneLine(text)}\n`);
}
