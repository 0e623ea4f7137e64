/**
 * `host:port` as the configuration has it and as clients are told it. Used by server and cli.
 */
import type { Socket } from 'node:net';
import { BadRequestError } from '../errors.js';

/** An address without brackets, or a name, and its port. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** `host:port`, `[v6]:port` or `:port` (loopback). Throws BadRequestError. */
export function parseHostPort(text: string): HostPort {
  const match = /^(?:\[([0-9a-fA-F:.%]+)\]|([^:\s]*)):([0-9]{1,5})$/u.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65535) {
    throw new BadRequestError(
      `Bad serverAddress "${text}": must be host:port, such as 127.0.0.1:15555 or [::1]:15555`,
    );
  }
  return { host: match[1] ?? (match[2] === '' ? '127.0.0.1' : (match[2] ?? '')), port };
}

export function hostPortText({ host, port }: HostPort): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** `address:port` of the other side of a socket. */
export function peerAddress(socket: Socket): string {
  return hostPortText({ host: socket.remoteAddress ?? 'unknown', port: socket.remotePort ?? 0 });
}
