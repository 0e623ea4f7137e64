/**
 * Where a request carries its token: in the header `token`, as `Authorization: Bearer`, among the
 * subprotocols of a WebSocket, or, from the page, in a cookie. In that order, and only the first
 * that is there counts, so that no wrong token hides behind a right one. Never in the URL, which
 * ends up in logs and histories.
 */
import { BadRequestError } from '../errors.js';
import { Header } from '../protocol/headers.js';
import type { Message } from '../protocol/message.js';
import { decodePercent } from '../protocol/percent.js';
import { tokenOf } from '../protocol/websocket-token.js';

export const TOKEN_COOKIE = 'zbus_token';

const BEARER = /^bearer +(.*)$/i;

/** The secret that was sent, right or wrong; undefined when none was. */
export function credentialOf(headers: Message['headers']): string | undefined {
  const token = headers.get(Header.token);
  // Clients of the family send an empty one when they were given none.
  if (token !== undefined && token !== '') return decoded(token);
  const bearer = headers.get('authorization');
  const secret = bearer === undefined ? undefined : BEARER.exec(bearer)?.[1];
  if (secret !== undefined) return secret;
  const protocols = headers.get('sec-websocket-protocol');
  const offered = protocols === undefined ? undefined : tokenOf(protocols);
  if (offered !== undefined) return decoded(offered);
  const cookie = headers.get('cookie');
  return cookie === undefined ? undefined : cookieToken(cookie);
}

/** Newer clients of the family encode what they send in headers. */
function decoded(value: string): string {
  if (!value.includes('%')) return value;
  try {
    return decodePercent(value);
  } catch (error) {
    if (error instanceof BadRequestError) return value;
    throw error;
  }
}

/** Two cookies of our name are one too many: the second may come from another port or path. */
function cookieToken(cookie: string): string | undefined {
  const values = cookie
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${TOKEN_COOKIE}=`))
    .map((pair) => pair.slice(TOKEN_COOKIE.length + 1));
  return values.length > 1 ? '' : values[0];
}
