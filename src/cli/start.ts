/**
 * `zbus start`: runs the broker until a signal. The first SIGTERM or SIGINT closes it in order and
 * exits 0 within 5 seconds; a second one exits at once. What was acknowledged is safe either way.
 */
import { constants } from 'node:os';
import { type Config, retentionText } from '../config/config.js';
import { type ConfigSources, loadConfig } from '../config/sources.js';
import { createLog, type Log } from '../log.js';
import { version } from '../version.js';

/** The broker cannot start for a reason outside of it; the message is one line with the remedy. */
export class StartError extends Error {}

/**
 * A server that takes longer to close is left as after a crash, which loses nothing acknowledged.
 */
const CLOSE_TIME_MAX_MS = 4500;

type StopSignal = 'SIGTERM' | 'SIGINT';

/** Throws ConfigError, StartError or a ZbusError; otherwise ends with the process. */
export async function start(sources: ConfigSources): Promise<void> {
  const config = loadConfig(sources);
  // Imported here because --help and --version must not need the addon.
  const { hostPortText, parseHostPort } = await import('../server/address.js');
  const { isLoopback } = await import('../server/exposure.js');
  const { ListenError } = await import('../server/listener.js');
  const { Server } = await import('../server/server.js');
  // A wrong address is refused before the data folder is touched.
  parseHostPort(config.serverAddress);
  const log = openLog(config);
  const stopSignal = firstSignal();
  const server = new Server(config, log);
  const bound = await server.start().catch((error: unknown) => {
    throw error instanceof ListenError ? new StartError(error.message, { cause: error }) : error;
  });
  const address = hostPortText(bound);
  const { mqDir, ackLevel } = config;
  const rules = retentionText(config);
  const retention = rules === null ? 'none: nothing is ever deleted' : `deletes messages ${rules}`;
  process.stdout.write(
    `zbus ${version} listening on http://${address}  data ${mqDir}  ack ${ackLevel}  ` +
      `retention ${retention}\n`,
  );
  if (!isLoopback(bound.host)) {
    process.stderr.write(`zbus: warning: listening on ${address} ${publicRisk(config)}\n`);
  }
  process.on('SIGHUP', () => {
    server.reload();
  });
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

function openLog(config: Config): Log {
  try {
    return createLog(config);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new StartError(`cannot write the log in ${config.logDir}: ${reason}`, { cause: error });
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

function publicRisk({ tokenFile }: Config): string {
  return tokenFile === null
    ? 'without tokens, so everyone who reaches the port can read and delete messages'
    : 'without TLS, so tokens and messages can be read on their way';
}
