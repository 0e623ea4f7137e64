/** TLS peers and certificate files for tests: what is trusted is said each time. */
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import type { TlsMaterial } from '../../src/server/tls-files.js';
import type { Authority, Issued } from './certificates.js';
import { onCleanUp } from './cleanup.js';
import { Client } from './client.js';

/** Options of a broker that name the files. */
export interface TlsOptions {
  readonly sslEnabled: true;
  readonly serverCertFile: string;
  readonly serverKeyFile: string;
}

/** Writes `server.crt` and `server.key`, over those of before. */
export function writeServerFiles(folder: string, issued: Issued): TlsOptions {
  const serverCertFile = join(folder, 'server.crt');
  const serverKeyFile = join(folder, 'server.key');
  writeFileSync(serverCertFile, issued.certificatePem);
  writeFileSync(serverKeyFile, issued.keyPem, { mode: 0o600 });
  return { sslEnabled: true, serverCertFile, serverKeyFile };
}

/** What a listener takes. */
export function materialOf(issued: Issued, clientAuthority?: Authority): TlsMaterial {
  return {
    ...issued,
    clientCaPem: clientAuthority?.certificatePem ?? null,
    certificate: new X509Certificate(issued.certificatePem),
  };
}

/** The part of the options of a TLS client that says whom it believes. */
export interface Trust {
  readonly ca: string;
  readonly servername: string;
}

const authorities = new Map<number, Authority>();

/** Says who vouches for the broker at `port`; null: it speaks plain TCP. */
export function setAuthority(port: number, authority: Authority | null): void {
  if (authority === null) authorities.delete(port);
  else authorities.set(port, authority);
}

/** What a client of the broker at `port` must trust; null: it speaks plain TCP. */
export function trustedAt(port: number): Trust | null {
  const authority = authorities.get(port);
  return authority === undefined ? null : trusting(authority);
}

/** What a client that trusts `authority` and nobody else says. */
export function trusting(authority: Authority): Trust {
  return { ca: authority.certificatePem, servername: 'localhost' };
}

/** Resolves once the handshake is done; rejects as the socket fails. Closed by cleanUp. */
export async function connectTls(port: number, options: ConnectionOptions): Promise<TLSSocket> {
  const carrier = connectTcp({ host: '127.0.0.1', port, noDelay: true });
  const socket = connect({ ...options, socket: carrier });
  // Only TCP can be reset.
  socket.resetAndDestroy = () => {
    carrier.resetAndDestroy();
    return socket;
  };
  onCleanUp(() => {
    socket.destroy();
  });
  await once(socket, 'secureConnect');
  return socket;
}

export async function connectTlsClient(port: number, authority: Authority): Promise<Client> {
  return new Client(await connectTls(port, trusting(authority)));
}
