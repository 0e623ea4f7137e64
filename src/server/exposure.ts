/**
 * Which address the broker may listen on: without tokens only one that nobody but this machine
 * reaches, unless its owner says otherwise. Asked by Server before anything is opened.
 */
import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';
import { ConfigError } from '../config/config-error.js';
import type { HostPort } from './address.js';
import { ListenError } from './listener.js';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** Also for an IPv4 address in IPv6 form, such as ::ffff:127.0.0.1. */
export function isLoopback(address: string): boolean {
  const version = isIP(address);
  return version !== 0 && loopback.check(address, version === 4 ? 'ipv4' : 'ipv6');
}

export interface ExposureOptions {
  readonly tokenFile: string | null;
  readonly allowUnauthenticated: boolean;
}

/**
 * The address to listen on, host names looked up: what is checked is what is opened. Throws
 * ConfigError when it needs tokens, ListenError when the name is unknown.
 */
export async function addressToOpen(
  { host, port }: HostPort,
  options: ExposureOptions,
  resolve: (host: string) => Promise<{ readonly address: string }> = lookup,
): Promise<HostPort> {
  const address = isIP(host) === 0 ? await resolved(host, port, resolve) : host;
  const open = options.tokenFile === null && !options.allowUnauthenticated;
  if (!open || isLoopback(address)) return { host: address, port };
  const shown = address === host ? host : `${host} (${address})`;
  throw new ConfigError(
    `${shown} can be reached by others, who could read and delete every message: give the broker ` +
      'a --token-file (see zbus token add), or --allow-unauthenticated',
  );
}

async function resolved(
  host: string,
  port: number,
  resolve: (host: string) => Promise<{ readonly address: string }>,
): Promise<string> {
  try {
    return (await resolve(host)).address;
  } catch (cause) {
    const reason = 'the host name is unknown';
    throw new ListenError(`Cannot listen on ${host}:${port}: ${reason}`, { cause });
  }
}
