/**
 * `zbus serve`, and `zbus` alone: runs the broker until a signal. The first SIGTERM or SIGINT
 * closes it in order and exits 0 within 5 seconds; a second one exits at once. What was
 * acknowledged is safe either way. SIGHUP reads the certificate again and begins the log file anew.
 */
import { constants } from 'node:os';
import { type Command, Option } from 'commander';
import {
  type Config,
  type ConfigKey,
  configKeys,
  defaultConfig,
  defaultText,
  environmentName,
  flagName,
  optionInfo,
  retentionText,
} from '../config/config.js';
import { nearest } from '../config/nearest.js';
import { type ConfigSources, loadConfig } from '../config/sources.js';
import type { Log, ReopenableLog } from '../log.js';
import { version } from '../version.js';
import { CommandError } from './outcome.js';

/** The broker cannot start for a reason outside of it; the message is one line with the remedy. */
class StartError extends CommandError {}

const AFTER_HELP = `
Every option can also stand in the environment or in the file, under its name in camelCase:
  { "serverAddress": "127.0.0.1:15555", "ackLevel": "page" }
A flag wins over the environment, the environment over the file.

Examples:
  zbus serve
  zbus serve --server-address 127.0.0.1:0 --mq-dir /tmp/zbus
  zbus --config zbus.json --ack-level page`;

/**
 * A server that takes longer to close is left as after a crash, which loses nothing acknowledged.
 */
const CLOSE_TIME_MAX_MS = 4500;

type StopSignal = 'SIGTERM' | 'SIGINT';

export function defineServeCommand(command: Command): void {
  command
    // `zbus serv` comes here, too, and deserves a better answer than "too many arguments".
    .allowExcessArguments()
    .addOption(configFileOption())
    .addHelpText('after', AFTER_HELP)
    .action(run);
  for (const key of configKeys) addConfigOption(command, key);
}

export function configFileOption(): Option {
  return new Option('--config <file>', 'JSON file with options (env: ZBUS_CONFIG)').helpGroup(
    'Server:',
  );
}

export function addConfigOption(command: Command, key: ConfigKey): void {
  const { group, description, placeholder, alias, choices = [] } = optionInfo(key);
  const flag = flagName(key);
  const flags = alias === undefined ? flag : `${alias}, ${flag}`;
  const about = `${description} (default: ${defaultText(key)}, env: ${environmentName(key)})`;
  const shown = placeholder === undefined ? flags : `${flags} <${placeholder}>`;
  const option = new Option(shown, about).helpGroup(`${group}:`);
  // For completion. They are checked with the values of the environment and the file.
  if (choices.length > 0) option.choices(choices).argParser((value: string) => value);
  command.addOption(option);
  if (typeof defaultConfig[key] === 'boolean') {
    // For a switch that the environment or the file has turned on.
    command.addOption(new Option(flag.replace('--', '--no-')).hideHelp());
  }
}

async function run(_options: unknown, command: Command): Promise<void> {
  const [excess] = command.args;
  if (excess !== undefined) refuse(excess, command);
  const { config: file, ...flags } = command.opts<Record<string, unknown>>();
  await serve({ flags, env: process.env, file: typeof file === 'string' ? file : undefined });
}

function refuse(excess: string, command: Command): void {
  const names = (command.parent?.commands ?? []).map((known) => known.name());
  if (names.includes(excess)) {
    command.error(`'${excess}' must be the first word: zbus ${excess} …`);
  }
  command.error(
    `unknown command '${excess}'; did you mean ${nearest(excess, names)}? The commands are: ` +
      names.join(', '),
  );
}

/** Throws ConfigError, StartError or a ZbusError; otherwise ends with the process. */
async function serve(sources: ConfigSources): Promise<void> {
  const config = loadConfig(sources);
  // Imported here because --help and --version must not need the addon.
  const { hostPortText, parseHostPort } = await import('../server/address.js');
  const { isLoopback } = await import('../server/exposure.js');
  const { ListenError } = await import('../server/listener.js');
  const { Server } = await import('../server/server.js');
  const { TlsFilesError } = await import('../server/tls-files.js');
  // A wrong address is refused before the data folder is touched.
  parseHostPort(config.serverAddress);
  const log = await openLog(config);
  const stopSignal = firstSignal();
  const server = new Server(config, log);
  process.on('SIGHUP', () => {
    reopenLog(log, config);
    server.reload();
  });
  const bound = await server.start().catch((error: unknown) => {
    const known = error instanceof ListenError || error instanceof TlsFilesError;
    throw known ? new StartError(error.message, { cause: error }) : error;
  });
  const address = hostPortText(bound);
  const scheme = config.sslEnabled ? 'https' : 'http';
  const { mqDir, ackLevel } = config;
  const data = config.trackerOnly ? 'none (tracker only)' : mqDir;
  const rules = retentionText(config);
  const retention = rules === null ? 'none: nothing is ever deleted' : `deletes messages ${rules}`;
  process.stdout.write(
    `zbus ${version} listening on ${scheme}://${address}  data ${data}  ack ${ackLevel}  ` +
      `retention ${retention}\n`,
  );
  const risk = isLoopback(bound.host) ? null : publicRisk(config);
  if (risk !== null) process.stderr.write(`zbus: warning: listening on ${address} ${risk}\n`);
  if (config.logDir !== null) {
    // On stderr it would only repeat the line above.
    log.info({ version, address, mqDir, ackLevel, retention }, 'started');
  }
  const signal = await stopSignal;
  log.info({ signal }, 'stopping');
  exitAfter(CLOSE_TIME_MAX_MS, log);
  await server.close();
  log.info({ signal }, 'stopped');
  process.exit(0);
}

async function openLog(config: Config): Promise<ReopenableLog> {
  const { createLog } = await import('../log.js');
  try {
    return createLog(config);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new StartError(`cannot write the log in ${config.logDir}: ${reason}`, { cause: error });
  }
}

/** Whoever rotates logs has moved the file away; without a new one the old goes on. */
function reopenLog(log: ReopenableLog, { logDir }: Config): void {
  try {
    log.reopen();
  } catch (error) {
    log.error({ logDir, error }, 'log file not reopened, the one before stays');
  }
}

/** Resolves with the first signal; from then on the next one ends the process at once. */
function firstSignal(): Promise<StopSignal> {
  return new Promise((resolve) => {
    let stopping = false;
    const onSignal = (signal: StopSignal): void => {
      if (stopping) process.exit(128 + constants.signals[signal]);
      stopping = true;
      resolve(signal);
    };
    process.on('SIGTERM', onSignal);
    process.on('SIGINT', onSignal);
  });
}

function exitAfter(timeMs: number, log: Log): void {
  setTimeout(() => {
    log.error({ timeMs }, 'did not close in time');
    process.stderr.write(`zbus: did not close within ${timeMs} ms; what was acked is safe\n`);
    process.exit(1);
  }, timeMs).unref();
}

function publicRisk({ tokenFile, sslEnabled, clientCaFile }: Config): string | null {
  if (tokenFile === null && clientCaFile === null) {
    return 'without tokens, so everyone who reaches the port can read and delete messages';
  }
  return sslEnabled ? null : 'without TLS, so tokens and messages can be read on their way';
}
