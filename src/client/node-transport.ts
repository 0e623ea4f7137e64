/**
 * The transport that an address asks for, in Node: TCP, TLS or WebSocket, each loaded when it is
 * first used. Used by connect.ts.
 */
import { type Address, parseAddress, type Scheme } from './address.js';
import type { ConnectOptions, TlsOptions } from './options.js';
import type { Link, LinkEvents, Transport } from './transport.js';
import type { WebSocketLike } from './websocket-transport.js';

/** By scheme: http is what the protocol is, so an address copied from a browser works. */
const KINDS: Readonly<Record<Scheme, { readonly webSocket: boolean; readonly tls: boolean }>> = {
  tcp: { webSocket: false, tls: false },
  http: { webSocket: false, tls: false },
  tls: { webSocket: false, tls: true },
  https: { webSocket: false, tls: true },
  ws: { webSocket: true, tls: false },
  wss: { webSocket: true, tls: true },
};

type WebSocketClass = new (url: string, protocols: string[], options?: object) => WebSocketLike;

/** Throws BadRequestError for an address that is none. */
export function transportOf(address: string, options: ConnectOptions = {}): Transport {
  const parsed = parseAddress(address);
  const kind = KINDS[parsed.scheme ?? 'tcp'];
  const tls = kind.tls || options.tls !== undefined ? (options.tls ?? true) : null;
  return {
    address,
    connect: async (events, signal) => {
      if (kind.webSocket) {
        return connectByWebSocket(parsed, { tls, token: options.token }, events, signal);
      }
      const { connectTcp } = await import('./tcp-transport.js');
      const host = parsed.host.replace(/^\[|\]$/g, '');
      return connectTcp({ host, port: parsed.port, tls }, events, signal);
    },
  };
}

/** By the platform's WebSocket, and by `ws` where there is none (Node 20) or TLS needs options. */
async function connectByWebSocket(
  { host, port, path }: Address,
  { tls, token }: { readonly tls: TlsOptions | null; readonly token: string | undefined },
  events: LinkEvents,
  signal: AbortSignal,
): Promise<Link> {
  const { connectWebSocket } = await import('./websocket-transport.js');
  const own = tls === true ? null : tls;
  const platform = (globalThis as { WebSocket?: WebSocketClass }).WebSocket;
  const url = `${tls === null ? 'ws' : 'wss'}://${host}:${port}${path}`;
  if (platform !== undefined && own === null) {
    return connectWebSocket((protocols) => new platform(url, protocols), token, events, signal);
  }
  const { WebSocket } = await import('ws');
  const Class = WebSocket as unknown as WebSocketClass;
  return connectWebSocket((names) => new Class(url, names, own ?? {}), token, events, signal);
}
