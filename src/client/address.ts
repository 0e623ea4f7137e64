/**
 * Addresses of brokers as people write them, and the transport that each asks for. Used by connect.
 */
import { BadRequestError } from '../errors.js';
import type { TlsOptions } from './options.js';
import type { Transport } from './transport.js';

const DEFAULT_PORT = 15555;
/** By scheme: http is what the protocol is, so an address copied from a browser works. */
const SCHEMES = new Map<string, { readonly webSocket: boolean; readonly tls: boolean }>([
  ['tcp', { webSocket: false, tls: false }],
  ['http', { webSocket: false, tls: false }],
  ['tls', { webSocket: false, tls: true }],
  ['https', { webSocket: false, tls: true }],
  ['ws', { webSocket: true, tls: false }],
  ['wss', { webSocket: true, tls: true }],
]);

/**
 * `host:port`, `host`, `[v6]:port`, or with a scheme: `tcp://`, `tls://`, `ws://`, `wss://`. Throws
 * BadRequestError.
 */
export function transportOf(address: string, tls: TlsOptions | undefined): Transport {
  const [, name = 'tcp', rest = ''] = /^(?:([a-z]+):\/\/)?(.*)$/is.exec(address) ?? [];
  const scheme = SCHEMES.get(name.toLowerCase());
  const url = parse(rest);
  if (scheme === undefined || url === null) {
    throw new BadRequestError(
      `Bad address "${address}": must be host:port, such as 127.0.0.1:15555, or begin with ` +
        'tcp://, tls://, ws:// or wss://',
    );
  }
  const secure = scheme.tls || tls !== undefined ? (tls ?? true) : null;
  const port = url.port === '' ? DEFAULT_PORT : Number(url.port);
  const target = `${url.hostname}:${port}${url.pathname}`;
  const host = url.hostname.replace(/^\[|\]$/g, '');
  return {
    address,
    connect: async (events, signal) => {
      if (scheme.webSocket) {
        const { connectWebSocket } = await import('./websocket-transport.js');
        const prefix = secure === null ? 'ws://' : 'wss://';
        return connectWebSocket(prefix + target, secure, events, signal);
      }
      const { connectTcp } = await import('./tcp-transport.js');
      return connectTcp({ host, port, tls: secure }, events, signal);
    },
  };
}

/** null for what is not host, port and path alone. */
function parse(rest: string): URL | null {
  try {
    const url = new URL(`tcp://${rest}`);
    return url.hostname === '' || /[@?#]/.test(rest) ? null : url;
  } catch {
    return null;
  }
}
