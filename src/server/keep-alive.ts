/**
 * Whether a connection goes on after a request (RFC 9112, 9.3). Called once per request by the
 * connection.
 */
import type { Message } from '../protocol/message.js';

/** HTTP/1.1 goes on unless told to close; HTTP/1.0 closes unless told to go on. */
export function closesAfter(request: Message): boolean {
  const value = request.headers.get('connection');
  if (value === undefined) return request.httpMinor === 0;
  if (value === 'Keep-Alive' || value === 'keep-alive') return false;
  const tokens = value.toLowerCase().split(',');
  if (hasToken(tokens, 'close')) return true;
  return request.httpMinor === 0 && !hasToken(tokens, 'keep-alive');
}

function hasToken(tokens: readonly string[], token: string): boolean {
  return tokens.some((each) => each.trim() === token);
}
