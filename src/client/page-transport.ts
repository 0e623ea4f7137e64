/**
 * The transport that an address asks for, in a browser: always a WebSocket. Used by browser.ts;
 * works in workers too.
 */
import { BadRequestError } from '../errors.js';
import { parseAddress } from './address.js';
import type { Transport } from './transport.js';
import { connectWebSocket, type WebSocketLike } from './websocket-transport.js';

/** What is used of a browser's globals (HTML, 7.2.4; WHATWG WebSockets, 3). */
interface PageGlobals {
  readonly location?: { readonly protocol: string; readonly host: string };
  readonly WebSocket: new (url: string, protocols: string[]) => WebSocketLike;
}

const page = globalThis as unknown as PageGlobals;

/** The server that the page came from. Throws BadRequestError where it came from none. */
export function ownTransport(token: string | undefined): Transport {
  const { location } = page;
  if (location === undefined || !/^https?:$/.test(location.protocol)) {
    throw new BadRequestError('No address: this page came from no server, so name a broker');
  }
  return transportTo(`${isSecure() ? 'wss' : 'ws'}://${location.host}/`, token);
}

/** Throws BadRequestError for an address that is none, or that a page cannot reach. */
export function pageTransportOf(address: string, token: string | undefined): Transport {
  const { scheme, host, port, path } = parseAddress(address);
  if (scheme === 'tcp' || scheme === 'tls') {
    throw new BadRequestError(
      `Bad address "${address}": a page speaks WebSocket alone, so begin with ws:// or wss://`,
    );
  }
  const secure = scheme === null ? isSecure() : scheme === 'wss' || scheme === 'https';
  return transportTo(`${secure ? 'wss' : 'ws'}://${host}:${port}${path}`, token);
}

/** A page that came over TLS may open nothing without. */
function isSecure(): boolean {
  return page.location?.protocol === 'https:';
}

function transportTo(url: string, token: string | undefined): Transport {
  return {
    address: url,
    connect: (events, signal) =>
      connectWebSocket((protocols) => new page.WebSocket(url, protocols), token, events, signal),
  };
}
