/**
 * The log: one JSON line an event, to stderr or to `<logDir>/zbus.log`. Made by the cli and by
 * programs that embed a server; everyone else is handed a Log. Whoever logs passes names, addresses
 * and counts, never tokens, headers as a whole, or bodies; what is named `token` all the same is
 * masked.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { pino, stdSerializers } from 'pino';

/** Where a server writes what happens: an event, and its fields. */
export interface Log {
  debug(fields: object, event: string): void;
  info(fields: object, event: string): void;
  warn(fields: object, event: string): void;
  error(fields: object, event: string): void;
}

/** A log that `createLog` made. */
export interface ReopenableLog extends Log {
  /**
   * Opens the log file by its name again, after someone has moved it. Throws what the file system
   * answers; lines then go on into the file before. Without a file it does nothing.
   */
  reopen(): void;
}

/** Where the log goes, and how much of it. */
export interface LogOptions {
  /** Folder of zbus.log, made if absent; null writes to stderr. */
  readonly logDir: string | null;
  /** Writes debug lines too. */
  readonly verbose: boolean;
}

const STDERR = 2;

/**
 * A line is written before the call returns, so that the last lines before a crash are there.
 * Throws what the file system answers when the folder or file cannot be written.
 */
export function createLog({ logDir, verbose }: LogOptions): ReopenableLog {
  if (logDir !== null) mkdirSync(logDir, { recursive: true, mode: 0o700 });
  const destination = pino.destination({
    dest: logDir === null ? STDERR : join(logDir, 'zbus.log'),
    mode: 0o600,
    sync: true,
  });
  const log = pino(
    {
      base: null,
      level: verbose ? 'debug' : 'info',
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: stdSerializers.err },
      redact: ['token', '*.token'],
      messageKey: 'event',
    },
    destination,
  );
  return Object.assign(log, {
    reopen: () => {
      if (logDir !== null) destination.reopen();
    },
  });
}
