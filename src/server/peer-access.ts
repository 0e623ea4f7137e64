/**
 * Whose the requests of one connection are, and how large they may be until that is known. Owned by
 * a connection, asked by its decoder for each head. Without tokens they are everyone's.
 */
import { ANYONE, type Grant, type GrantUser } from '../auth/grant.js';
import type { TokenStore } from '../auth/token-store.js';
import type { DecoderLimits } from '../protocol/codec.js';
import type { Message } from '../protocol/message.js';
import type { WebSocketServer } from 'ws';
import type { ServerLimits } from './limits.js';

/** How a server lets its peers in; one for all connections. */
export interface AccessRules {
  /** null: everyone may do everything. */
  readonly tokens: TokenStore | null;
  readonly limits: DecoderLimits;
  /** Of requests without a valid token. */
  readonly strangerLimits: DecoderLimits;
}

interface WebSocketServers {
  readonly webSockets: WebSocketServer;
  readonly strangerWebSockets: WebSocketServer;
}

export function accessRules(tokens: TokenStore | null, limits: ServerLimits): AccessRules {
  const { headerBytesMax, headersMax, bodyBytesMax, unauthenticatedBodyBytesMax } = limits;
  const all = { headerBytesMax, headersMax, bodyBytesMax };
  if (tokens === null || unauthenticatedBodyBytesMax >= bodyBytesMax) {
    return { tokens, limits: all, strangerLimits: all };
  }
  const bodyBytesMaxName = 'unauthenticatedBodyBytesMax without a valid token';
  const strangerLimits = { ...all, bodyBytesMax: unauthenticatedBodyBytesMax, bodyBytesMaxName };
  return { tokens, limits: all, strangerLimits };
}

export class PeerAccess {
  /** Of the request whose head was read last; null when it has no valid token. */
  grant: Grant | null;
  readonly #rules: AccessRules;
  readonly #connection: GrantUser;
  /** Of requests that carry no token of their own. */
  #standing: Grant | null = null;
  readonly #used = new Set<Grant>();

  /** The connection is finished when a grant that was used on it is revoked. */
  constructor(rules: AccessRules, connection: GrantUser) {
    this.#rules = rules;
    this.#connection = connection;
    this.grant = rules.tokens === null ? ANYONE : null;
  }

  limitsOf(headers: Message['headers']): DecoderLimits {
    const { tokens, limits, strangerLimits } = this.#rules;
    if (tokens === null) return limits;
    const own = tokens.identify(headers);
    this.grant = own === undefined ? this.#standing : own;
    if (this.grant === null) return strangerLimits;
    if (!this.#used.has(this.grant)) {
      this.#used.add(this.grant);
      this.grant.attach(this.#connection);
    }
    return limits;
  }

  /** The grant of this request stands for later ones without a token; returns what serves them. */
  upgrade({ webSockets, strangerWebSockets }: WebSocketServers): WebSocketServer {
    this.#standing = this.grant;
    return this.grant === null ? strangerWebSockets : webSockets;
  }

  /** The connection is over. */
  close(): void {
    for (const grant of this.#used) grant.detach(this.#connection);
    this.#used.clear();
  }
}
