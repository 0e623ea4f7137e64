/**
 * Certificate, key and client CA as they lie in PEM files: read, checked, and ready for OpenSSL.
 * Called by the server at its start and at each reload. Promises that what it returns works
 * together, and that its errors are one line that names the option, the file and the reason.
 */
import { constants, createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import type { Config } from '../config/config.js';

/** TLS is configured by half, or a file cannot be used. */
export class TlsFilesError extends Error {
  override readonly name = 'TlsFilesError';
}

export interface TlsFiles {
  readonly serverCertFile: string;
  readonly serverKeyFile: string;
  /** null: clients are not asked for a certificate. */
  readonly clientCaFile: string | null;
}

export interface TlsMaterial {
  /** The server's certificate and those that lead to its root, and nothing else of the file. */
  readonly certificatePem: string;
  readonly keyPem: string;
  readonly clientCaPem: string | null;
  /** The server's own, first of its file. */
  readonly certificate: X509Certificate;
}

type TlsOptions = Pick<Config, 'sslEnabled' | keyof TlsFiles>;

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
const ENCRYPTED_KEY = /^(-----BEGIN ENCRYPTED|Proc-Type: 4,ENCRYPTED)/m;

/** null when the port is to speak plain TCP. Throws TlsFilesError when TLS is half configured. */
export function tlsFilesOf(options: TlsOptions): TlsFiles | null {
  const { sslEnabled, serverCertFile, serverKeyFile, clientCaFile } = options;
  if (sslEnabled) {
    if (serverCertFile !== null && serverKeyFile !== null) {
      return { serverCertFile, serverKeyFile, clientCaFile };
    }
    const missing = serverCertFile === null ? 'serverCertFile' : 'serverKeyFile';
    throw new TlsFilesError(`sslEnabled needs serverCertFile and serverKeyFile: no ${missing}`);
  }
  const files = { serverCertFile, serverKeyFile, clientCaFile };
  const given = Object.entries(files).find(([, file]) => file !== null)?.[0];
  if (given === undefined) return null;
  // A port that was meant to speak TLS and does not would send everything in the clear.
  throw new TlsFilesError(
    `${given} is given but sslEnabled is off: add --ssl-enabled, or leave ${given} out`,
  );
}

/** Throws TlsFilesError. */
export function readTlsFiles(files: TlsFiles): TlsMaterial {
  const { serverCertFile, serverKeyFile, clientCaFile } = files;
  const certFile = `serverCertFile ${serverCertFile}`;
  const [certificate, ...chain] = certificates(serverCertFile, 'serverCertFile');
  const keyFile = `serverKeyFile ${serverKeyFile}`;
  const keyPem = read(serverKeyFile, 'serverKeyFile');
  const key = privateKey(keyPem, keyFile);
  if (!certificate.checkPrivateKey(key)) {
    throw new TlsFilesError(`${keyFile} is not the key of the first certificate in ${certFile}`);
  }
  const clientCa = clientCaFile === null ? null : certificates(clientCaFile, 'clientCaFile');
  const material = {
    certificatePem: [certificate, ...chain].join(''),
    keyPem,
    clientCaPem: clientCa?.join('') ?? null,
    certificate,
  };
  try {
    createSecureContext(secureContextOptions(material));
  } catch (error) {
    throw new TlsFilesError(`${certFile} and ${keyFile} cannot be used: ${reasonOf(error)}`);
  }
  return material;
}

/** What is asked of every handshake, as node:tls wants it. */
export function secureContextOptions(material: TlsMaterial): SecureContextOptions {
  const { certificatePem, keyPem, clientCaPem } = material;
  return {
    cert: certificatePem,
    key: keyPem,
    ...(clientCaPem === null ? {} : { ca: clientCaPem }),
    minVersion: 'TLSv1.2',
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
  };
}

/** Why clients will refuse the certificate at this time; null when they have no such reason. */
export function outOfDate(certificate: X509Certificate, nowMs: number): string | null {
  const { validFrom, validTo } = certificate;
  if (nowMs > Date.parse(validTo)) return `the certificate expired on ${validTo}`;
  if (nowMs < Date.parse(validFrom)) return `the certificate is not valid before ${validFrom}`;
  return null;
}

function certificates(file: string, option: string): [X509Certificate, ...X509Certificate[]] {
  const blocks = read(file, option).match(CERTIFICATE) ?? [];
  const [first, ...rest] = blocks.map((pem) => {
    try {
      return new X509Certificate(pem);
    } catch (error) {
      const reason = reasonOf(error);
      throw new TlsFilesError(`${option} ${file} has a certificate that is none: ${reason}`);
    }
  });
  if (first === undefined) throw new TlsFilesError(`${option} ${file} holds no PEM certificate`);
  return [first, ...rest];
}

function privateKey(pem: string, file: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (error) {
    const reason = ENCRYPTED_KEY.test(pem)
      ? 'it is encrypted, and there is no passphrase'
      : reasonOf(error);
    throw new TlsFilesError(`${file} holds no PEM private key that can be used: ${reason}`);
  }
}

function read(file: string, option: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch (error) {
    throw new TlsFilesError(`cannot read ${option} ${file}: ${reasonOf(error)}`);
  }
}

function reasonOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/\s+/g, ' ');
}
