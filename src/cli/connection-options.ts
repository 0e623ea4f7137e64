/**
 * How every command of the client reaches a broker: the options that say where and as whom, and the
 * connection they lead to. Used by the files of the commands, by withBus of client-command.ts.
 */
import { readFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import type { Bus } from '../client/bus.js';
import { connect } from '../client/connect.js';
import { wholeNumber } from './option-values.js';
import { CommandError, UsageError } from './outcome.js';

const DEFAULT_ADDRESS = '127.0.0.1:15555';
const TIMEOUT_MS_MAX = 24 * 60 * 60 * 1000;
const TIMEOUT_MS = 30_000;

/** What commander makes of the options. */
export interface ConnectionFlags {
  readonly server?: readonly string[];
  readonly tokenFrom?: string;
  readonly ca?: string;
  readonly timeout?: number;
}

export interface ConnectionOptionsWanted {
  /** false where the command has a `--timeout` of its own. */
  readonly timeout?: boolean;
}

const GROUP = 'Connection:';

export function addConnectionOptions(
  command: Command,
  { timeout = true }: ConnectionOptionsWanted = {},
): Command {
  command
    .addOption(
      new Option(
        '-s, --server <address>',
        `the broker: host:port, or with tcp://, tls://, ws:// or wss://; several between commas ` +
          `are tried in turn (default: ${DEFAULT_ADDRESS}, env: ZBUS_SERVER)`,
      )
        .argParser(addresses)
        .helpGroup(GROUP),
    )
    .addOption(
      new Option(
        '--token-from <file>',
        'file that holds the token alone (default: env ZBUS_TOKEN); there is no option for the ' +
          'token itself, since every user of the machine can read a command line',
      ).helpGroup(GROUP),
    )
    .addOption(
      new Option(
        '--ca <file>',
        'certificates in PEM by which the broker is checked; speaks TLS',
      ).helpGroup(GROUP),
    );
  if (timeout) {
    command.addOption(
      new Option('--timeout <ms>', `time for each answer (default: ${TIMEOUT_MS})`)
        .argParser(wholeNumber(1, TIMEOUT_MS_MAX))
        .helpGroup(GROUP),
    );
  }
  return command;
}

/** Rejects with UsageError, CommandError, a ZbusError, or the reason of `signal`. */
export function openBus(flags: ConnectionFlags, signal: AbortSignal): Promise<Bus> {
  const token = tokenOf(flags);
  const timeoutMs = flags.timeout ?? TIMEOUT_MS;
  return connect(serverAddresses(flags), {
    signal,
    timeoutMs,
    connectTimeoutMs: Math.min(timeoutMs, 10_000),
    ...(token === null ? {} : { token }),
    ...(flags.ca === undefined ? {} : { tls: { ca: readText('--ca', flags.ca) } }),
  });
}

function serverAddresses({ server }: ConnectionFlags): readonly string[] {
  const given = server ?? addresses(process.env.ZBUS_SERVER ?? '');
  return given.length === 0 ? [DEFAULT_ADDRESS] : given;
}

/** Given twice counts as several, too. */
function addresses(text: string, before: readonly string[] = []): readonly string[] {
  const listed = text.split(',').map((each) => each.trim());
  return [...before, ...listed.filter((each) => each !== '')];
}

function tokenOf({ tokenFrom }: ConnectionFlags): string | null {
  if (tokenFrom === undefined) return emptyAsNull(process.env.ZBUS_TOKEN ?? '');
  const token = emptyAsNull(readText('--token-from', tokenFrom));
  if (token === null) throw new UsageError(`--token-from ${tokenFrom}: the file is empty`);
  return token;
}

function emptyAsNull(text: string): string | null {
  const trimmed = text.trim();
  return trimmed === '' ? null : trimmed;
}

function readText(option: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new CommandError(`${option}: ${reason}`, { cause });
  }
}
