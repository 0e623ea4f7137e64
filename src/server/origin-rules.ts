/**
 * Which requests may come from a browser. The protocol is HTTP and its URLs change state, so any
 * page that a user visits could otherwise reach a broker on the loopback address, with fetch, a
 * form, an image or a WebSocket, or by a name that its owner points at 127.0.0.1 (DNS rebinding).
 * Asked by a connection for each request, whatever its method, and for each upgrade; native clients
 * send none of the headers it looks at but `host`.
 */
import { isIP } from 'node:net';
import type { Message } from '../protocol/message.js';

export interface OriginRulesOptions {
  /** `host` or `host:port` told to clients; null when it is the address listened on. */
  readonly serverName: string | null;
  readonly allowedHosts: readonly string[];
  readonly allowedOrigins: readonly string[];
  /** The port speaks TLS: a page that came without it is not the broker's own. */
  readonly speaksTls?: boolean;
}

export interface OriginRefusal {
  readonly status: 403 | 421;
  readonly reason: string;
  /** That would let the request in. */
  readonly option: 'allowedHosts' | 'allowedOrigins';
}

export class OriginRules {
  readonly #hosts: ReadonlySet<string>;
  readonly #origins: ReadonlySet<string>;
  readonly #ownSchemes: readonly string[];
  /** The `host` that passed last: most requests of a broker have the same. */
  #passedHost: string | null = null;

  constructor(options: OriginRulesOptions) {
    const { serverName, allowedHosts, allowedOrigins, speaksTls = false } = options;
    const names = serverName === null ? [] : [hostOf(serverName.toLowerCase())];
    this.#hosts = new Set(['localhost', ...names, ...allowedHosts]);
    this.#origins = new Set(allowedOrigins);
    // A proxy before a plain port may speak TLS for it.
    this.#ownSchemes = speaksTls ? ['https'] : ['http', 'https'];
  }

  /** null when the request may be carried out. */
  check({ headers, method, url }: Message): OriginRefusal | null {
    const host = headers.get('host');
    if (host !== undefined && host !== this.#passedHost) {
      if (!this.#isKnownHost(host)) return misdirected(host);
      this.#passedHost = host;
    }
    if (url.charCodeAt(0) !== SLASH) {
      const absolute = ABSOLUTE_URL.exec(url)?.[1];
      if (absolute !== undefined && !this.#isKnownHost(absolute)) return misdirected(absolute);
    }
    const origin = headers.get('origin');
    if (origin !== undefined) return this.#checkOrigin(origin.toLowerCase(), host);
    const site = headers.get('sec-fetch-site');
    if (site === undefined || site === 'same-origin' || site === 'none') return null;
    const opensPage =
      method === 'GET' && url === '/' && headers.get('sec-fetch-mode') === 'navigate';
    return opensPage ? null : forbidden(`a page of another site (sec-fetch-site: ${site})`);
  }

  /** True when pages of `origin`, another site, may use the broker. */
  allows(origin: string): boolean {
    return this.#origins.has(origin.toLowerCase());
  }

  #isKnownHost(host: string): boolean {
    const name = hostOf(host.toLowerCase());
    return isIP(name.replace(/^\[(.*)\]$/, '$1')) !== 0 || this.#hosts.has(name);
  }

  #checkOrigin(origin: string, host: string | undefined): OriginRefusal | null {
    if (this.#origins.has(origin)) return null;
    const own = host?.toLowerCase();
    if (own !== undefined && this.#ownSchemes.some((scheme) => origin === `${scheme}://${own}`))
      return null;
    return forbidden(`the origin ${printable(origin)}`);
  }
}

const SLASH = 0x2f;
const ABSOLUTE_URL = /^https?:\/\/([^/?#]*)/i;
const SHOWN_MAX = 100;

/** Without the port. */
function hostOf(host: string): string {
  return host.replace(/:\d*$/, '');
}

function misdirected(host: string): OriginRefusal {
  const reason =
    `Host "${printable(host)}" is not a name of this broker: use an IP address or localhost, ` +
    'or start it with --allowed-hosts';
  return { status: 421, reason, option: 'allowedHosts' };
}

function forbidden(who: string): OriginRefusal {
  const reason = `Not for ${who}: start the broker with --allowed-origins to let it in`;
  return { status: 403, reason, option: 'allowedOrigins' };
}

/** What a stranger sent, fit for a reply and a log line. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, SHOWN_MAX);
}
