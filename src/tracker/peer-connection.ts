/**
 * Connections from one broker to another: as any client's, but quick to notice that the other is
 * gone and quick to come back, since the routes of every client wait for it.
 */
import { readFileSync } from 'node:fs';
import { transportOf } from '../client/node-transport.js';
import { Connection } from '../client/connection.js';
import { type TlsOptions, withDefaults } from '../client/options.js';
import type { Clock } from '../clock.js';
import { ConfigError } from '../config/config-error.js';
import type { ServerAddress } from '../protocol/server-address.js';

/** A peer that is silent for twice as long is gone. */
const HEARTBEAT_MS = 1000;
const CONNECT_TIMEOUT_MS = 2000;
const RECONNECT = { minMs: 100, maxMs: 1000 };

export interface PeerOptions {
  readonly clock: Clock;
  /** For addresses that speak TLS. */
  readonly tls: TlsOptions;
}

/** Connects, and again whenever the connection is lost, until it is closed. */
export function connectToPeer(
  { address, sslEnabled }: ServerAddress,
  { clock, tls }: PeerOptions,
): Connection {
  const transport = sslEnabled
    ? transportOf(`tls://${address}`, { tls })
    : transportOf(`tcp://${address}`);
  const connection = new Connection(
    [transport],
    withDefaults({
      waitForBroker: true,
      heartbeatMs: HEARTBEAT_MS,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      reconnect: RECONNECT,
      clock,
    }),
  );
  // It rejects only when it is closed before a broker was reached.
  connection.open().catch(() => undefined);
  return connection;
}

/** A file that an option names, as text. Throws ConfigError. */
export function readOptionFile(flag: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigError(`${flag} ${file} cannot be read: ${reason}`);
  }
}

/** The one line of a file that holds a token. Throws ConfigError. */
export function readTokenFile(flag: string, file: string): string {
  const token = readOptionFile(flag, file).trim();
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw new ConfigError(`${flag} ${file} must hold a token and nothing else`);
  }
  return token;
}
