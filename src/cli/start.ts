/**
 * `zbus start`: runs the broker until a signal. The first SIGTERM or SIGINT closes it in order and
 * exits 0 within 5 seconds; a second one exits at once. What was acknowledged is safe either way.
 * SIGHUP reads the certificate again and begins the log file anew.
 */
import { constants } from 'node:os';
import { type Config, retentionText } from '../config/config.js';
import { type ConfigSources, loadConfig } from '../config/sources.js';
import { createLog, type Log, type ReopenableLog } from '../log.js';
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
  const { TlsFilesError } = await import('../server/tls-files.js');
  // A wrong address is refused before the data folder is touched.
  parseHostPort(config.serverAddress);
  const log = openLog(config);
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

function openLog(config: Config): ReopenableLog {
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
