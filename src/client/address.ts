/**
 * Addresses of brokers as people write them. Pure; used by node-transport.ts and page-transport.ts,
 * which know what can be reached from where they run.
 */
import { BadRequestError } from '../errors.js';

const SCHEMES = ['tcp', 'tls', 'http', 'https', 'ws', 'wss'] as const;
export type Scheme = (typeof SCHEMES)[number];

export interface Address {
  /** null when none is named. */
  readonly scheme: Scheme | null;
  /** An IPv6 address stands in brackets. */
  readonly host: string;
  readonly port: number;
  /** Begins with `/`. */
  readonly path: string;
}

const DEFAULT_PORT = 15555;

/** `host:port`, `host`, `[v6]:port`, or one of them behind `scheme://`. Throws BadRequestError. */
export function parseAddress(address: string): Address {
  const [, name = null, rest = ''] = /^(?:([a-z]+):\/\/)?(.*)$/is.exec(address) ?? [];
  const scheme = name === null ? null : SCHEMES.find((known) => known === name.toLowerCase());
  const url = parse(rest);
  if (scheme === undefined || url === null) {
    throw new BadRequestError(
      `Bad address "${address}": must be host:port, such as 127.0.0.1:15555, or begin with ` +
        'tcp://, tls://, ws:// or wss://',
    );
  }
  // Of the text, because the parser drops the port that HTTP has by default.
  const port = /^[^/]*:(\d+)(?:\/|$)/.exec(rest)?.[1] ?? DEFAULT_PORT;
  return { scheme, host: url.hostname, port: Number(port), path: url.pathname };
}

/** null for what is not host, port and path alone. */
function parse(rest: string): URL | null {
  try {
    // The scheme of HTTP, because not every browser finds a host behind one that it does not know.
    return rest === '' || /^\/|[@?#\\\s]/.test(rest) ? null : new URL(`http://${rest}`);
  } catch {
    return null;
  }
}
