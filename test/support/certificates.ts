/**
 * X.509 certificates made in the test that uses them, so that no key lies in the repository and no
 * certificate expires in it: node:crypto makes keys and signatures, the DER around them (RFC 5280)
 * is written here. Keys are P-256.
 */
import { Buffer } from 'node:buffer';
import {
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
} from 'node:crypto';
import { isIPv4 } from 'node:net';

export interface Issued {
  readonly certificatePem: string;
  readonly keyPem: string;
}

export interface Subject {
  readonly name: string;
  /** Names and IPv4 addresses it stands for. */
  readonly hosts?: readonly string[];
  /** Default: an hour ago and in a day. */
  readonly validFrom?: Date;
  readonly validTo?: Date;
}

const HOUR_MS = 3_600_000;
const LOCAL = ['localhost', '127.0.0.1'];

/** Who signs: with a certificate of its own that tests trust, or an intermediate of another. */
export class Authority {
  readonly certificatePem: string;
  readonly #name: string;
  readonly #key: KeyObject;

  constructor(name = 'Test CA', issuer?: Authority) {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    this.#name = name;
    this.#key = privateKey;
    this.certificatePem = certificate({
      subject: { name },
      issuer: issuer === undefined ? name : issuer.#name,
      publicKey,
      issuerKey: issuer === undefined ? privateKey : issuer.#key,
      isAuthority: true,
    });
  }

  /** For the loopback address unless `hosts` says otherwise. */
  issue(subject: Subject): Issued {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    return this.issueFor(privateKey, subject);
  }

  /** A certificate for a key that is there already. */
  issueFor(privateKey: KeyObject, subject: Subject): Issued {
    return {
      certificatePem: certificate({
        subject: { hosts: LOCAL, ...subject },
        issuer: this.#name,
        publicKey: createPublicKey(privateKey),
        issuerKey: this.#key,
        isAuthority: false,
      }),
      keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    };
  }
}

interface Content {
  readonly subject: Subject;
  readonly issuer: string;
  readonly publicKey: KeyObject;
  readonly issuerKey: KeyObject;
  readonly isAuthority: boolean;
}

function certificate({ subject, issuer, publicKey, issuerKey, isAuthority }: Content): string {
  const now = Date.now();
  const { name, hosts = [] } = subject;
  const { validFrom = new Date(now - HOUR_MS), validTo = new Date(now + 24 * HOUR_MS) } = subject;
  const signature = sequence(oid('1.2.840.10045.4.3.2')); // ecdsa-with-SHA256
  const content = sequence(
    der(0xa0, integer(Buffer.from([2]))), // version 3
    integer(Buffer.concat([Buffer.from([1]), randomBytes(15)])),
    signature,
    distinguishedName(issuer),
    sequence(time(validFrom), time(validTo)),
    distinguishedName(name),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(basicConstraints(isAuthority), ...alternativeNames(hosts))),
  );
  const signed = sequence(content, signature, bitString(sign('sha256', content, issuerKey)));
  const lines = signed.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

function basicConstraints(isAuthority: boolean): Buffer {
  const value = isAuthority ? sequence(der(0x01, Buffer.from([0xff]))) : sequence();
  return sequence(oid('2.5.29.19'), der(0x01, Buffer.from([0xff])), der(0x04, value));
}

function alternativeNames(hosts: readonly string[]): Buffer[] {
  if (hosts.length === 0) return [];
  const names = hosts.map((host) =>
    isIPv4(host)
      ? der(0x87, Buffer.from(host.split('.').map(Number)))
      : der(0x82, Buffer.from(host)),
  );
  return [sequence(oid('2.5.29.17'), der(0x04, sequence(...names)))];
}

function distinguishedName(commonName: string): Buffer {
  return sequence(der(0x31, sequence(oid('2.5.4.3'), der(0x0c, Buffer.from(commonName)))));
}

/** UTCTime, as it must be until 2049: two digits of the year, whole seconds. */
function time(date: Date): Buffer {
  return der(
    0x17,
    Buffer.from(
      `${date
        .toISOString()
        .slice(2)
        .replace(/[-:T]|\..*/g, '')}Z`,
    ),
  );
}

function oid(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number);
  const bytes = [first * 40 + second];
  for (const arc of rest) {
    const digits = [arc & 0x7f];
    for (let left = arc >>> 7; left > 0; left >>>= 7) digits.unshift((left & 0x7f) | 0x80);
    bytes.push(...digits);
  }
  return der(0x06, Buffer.from(bytes));
}

function integer(bytes: Buffer): Buffer {
  return der(0x02, bytes);
}

function bitString(bytes: Buffer): Buffer {
  return der(0x03, Buffer.from([0]), bytes);
}

function sequence(...parts: Buffer[]): Buffer {
  return der(0x30, ...parts);
}

/** Tag, length, content. */
function der(tag: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const head =
    length < 0x80
      ? [tag, length]
      : length < 0x100
        ? [tag, 0x81, length]
        : [tag, 0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from(head), content]);
}
