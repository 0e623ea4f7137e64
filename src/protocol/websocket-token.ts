/**
 * A token in the handshake of a WebSocket: a page can set no header there but the list of
 * subprotocols (WHATWG WebSockets, 3.1), so the token is one of them (docs/protocol.md, Tokens).
 * Used by the client, by auth, and by the server, which never answers with the secret.
 */
import { latin1Of } from './names.js';

/** Offered beside the token, so that the server has something to choose. */
const PROTOCOL = 'zbus';
const TOKEN_PREFIX = 'zbus.token.';
/** What a subprotocol may hold and percent-encoding leaves alone. */
const ENCODED = /[^\w.~-]/g;

/** The subprotocols to offer with `token`. */
export function protocolsWith(token: string | undefined): string[] {
  if (token === undefined || token === '') return [];
  const encoded = latin1Of(token).replace(ENCODED, (char) => {
    return `%${char.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
  return [PROTOCOL, TOKEN_PREFIX + encoded];
}

/** The token that a header `sec-websocket-protocol` brings, still encoded; undefined for none. */
export function tokenOf(offered: string): string | undefined {
  const tokens = offered
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name.startsWith(TOKEN_PREFIX));
  return tokens[0]?.slice(TOKEN_PREFIX.length);
}

/** The subprotocol to answer with; false for none. */
export function chosenOf(offered: Iterable<string>): string | false {
  return Array.from(offered).find((name) => !name.startsWith(TOKEN_PREFIX)) ?? false;
}
