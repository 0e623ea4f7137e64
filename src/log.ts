/**
 * The log: one JSON line an event, to stderr or to `<logDir>/zbus.log`. Made by the cli and by
 * programs that embed a server; everyone else is handed a Log. Whoever logs passes names, addresses
 * and counts, never tokens, headers as a whole, or bodies; what is named `token` all the same is
 * masked.
 */
import { mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { pino, stdSerializers } from 'pino';

export interface Log {
  debug(fields: object, event: string): void;
  info(fields: object, event: string): void;
  warn(fields: object, event: string): void;
  error(fields: object, event: string): void;
}

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
export function createLog({ logDir, verbose }: LogOptions): Log {
  const destination = pino.destination({
    fd: logDir === null ? STDERR : openLogFile(logDir),
    sync: true,
  });
  return pino(
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
}

function openLogFile(logDir: string): number {
  mkdirSync(logDir, { recursive: true, mode: 0o700 });
  return openSync(join(logDir, 'zbus.log'), 'a', 0o600);
}
