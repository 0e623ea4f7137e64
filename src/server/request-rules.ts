/**
 * What HTTP itself decides about a request, before it is a command: who may send it, by which
 * method, what OPTIONS and a preflight are answered, and whether the connection goes on. Asked by a
 * connection for each head that differs from the one before.
 */
import type { Message } from '../protocol/message.js';
import { type StreamFormat, streamFormat } from '../protocol/stream-format.js';
import { scriptAnswer } from './client-script.js';
import { closesAfter } from './keep-alive.js';
import { pageFileAnswer } from './page-files.js';
import type { OriginRefusal, OriginRules } from './origin-rules.js';

export interface Answer {
  readonly status: number;
  readonly headerLines: string;
  readonly body: string;
  /** The option that a configuration would change to let the request through. */
  readonly refusedBy: OriginRefusal['option'] | null;
}

export interface Verdict {
  /** The answer; null: the request is a command, carried out. */
  readonly answer: Answer | null;
  /** Header lines of every reply to the request. */
  readonly headerLines: string;
  /** The connection ends behind the reply. */
  readonly closes: boolean;
  /** As what messages are to be streamed; null: one reply a message. */
  readonly streamFormat: StreamFormat | null;
}

/** Of a request that nothing is known against. */
const ADMITTED: Verdict = {
  answer: null,
  headerLines: '',
  closes: false,
  streamFormat: null,
};

export const EARLY_UPGRADE = answer(
  400,
  '',
  'An upgrade must have no body, and be sent when all is answered',
);

/** Those that carry commands, and OPTIONS. */
const ALLOW = 'GET, HEAD, POST, PUT, OPTIONS';
const CARRIERS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT']);
/** Methods that HTTP knows and this server does not want; any other is unknown to it. */
const UNWANTED: ReadonlySet<string> = new Set(['CONNECT', 'DELETE', 'PATCH', 'TRACE']);

const ALLOW_LINE = `allow: ${ALLOW}\r\n`;
/** Browsers keep a preflight this long; Chromium no longer than two hours. */
const PREFLIGHT_LINES =
  `access-control-allow-methods: ${ALLOW}\r\n` + 'access-control-max-age: 7200\r\n';
/** Any header of a message may be the producer's own, so a page may read all of them. */
const EXPOSED_LINE = 'access-control-expose-headers: *\r\n';
const HEADER_NAMES = /^[!#$%&'*+\-.^_`|~0-9a-z, ]*$/i;

/** Asked for by browsers beside each page. */
const ICON_URL = '/favicon.ico';
const ICON_LINES = 'cache-control: max-age=86400\r\n';

export class RequestRules {
  readonly #origins: OriginRules;

  constructor(origins: OriginRules) {
    this.#origins = origins;
  }

  judge(message: Message): Verdict {
    return {
      answer: this.#answer(message),
      headerLines: this.#crossOriginLines(message),
      // What follows a CONNECT is meant for somebody else.
      closes: closesAfter(message) || message.method === 'CONNECT',
      streamFormat: streamFormat(message.headers.get('accept')),
    };
  }

  #answer(message: Message): Answer | null {
    const { method, url, headers } = message;
    const refusal = this.#origins.check(message);
    if (refusal !== null) return answer(refusal.status, '', refusal.reason, refusal.option);
    if (method === 'OPTIONS') return answer(204, ALLOW_LINE + preflightLines(headers));
    if (!CARRIERS.has(method)) return wrongMethod(method);
    if (url === '*') return answer(400, '', 'Bad URL: * is for OPTIONS alone');
    if (url === ICON_URL && !headers.has('cmd')) return answer(204, ICON_LINES);
    const file = scriptAnswer(message) ?? pageFileAnswer(message);
    return file === null ? null : answer(file.status, file.headerLines, file.body);
  }

  /**
   * Lets a page of an allowed origin read the reply. Never with credentials: a token travels in a
   * header, and cookies of this server are for its own pages.
   */
  #crossOriginLines({ headers }: Message): string {
    const origin = headers.get('origin');
    if (origin === undefined || !this.#origins.allows(origin)) return '';
    return `access-control-allow-origin: ${origin}\r\nvary: origin\r\n${EXPOSED_LINE}`;
  }
}

/** Of the requests of one connection, whose heads mostly repeat. Owned by it. */
export class Verdicts {
  readonly #rules: RequestRules;
  /** Of the last request; the decoder gives the next the same when its head is the same. */
  #headers: Message['headers'] | null = null;
  #verdict = ADMITTED;

  constructor(rules: RequestRules) {
    this.#rules = rules;
  }

  /** True when the head is that of the request before. */
  has({ headers }: Message): boolean {
    return headers === this.#headers;
  }

  of(message: Message): Verdict {
    if (!this.has(message)) {
      this.#verdict = this.#rules.judge(message);
      this.#headers = message.headers;
    }
    return this.#verdict;
  }
}

/** Empty unless a browser asks before it sends the request itself. */
function preflightLines(headers: Message['headers']): string {
  if (!headers.has('origin') || !headers.has('access-control-request-method')) return '';
  let lines = PREFLIGHT_LINES;
  const wanted = headers.get('access-control-request-headers') ?? '';
  if (wanted !== '' && HEADER_NAMES.test(wanted)) {
    lines += `access-control-allow-headers: ${wanted}\r\n`;
  }
  if (headers.get('access-control-request-private-network') === 'true') {
    lines += 'access-control-allow-private-network: true\r\n';
  }
  return lines;
}

function wrongMethod(method: string): Answer {
  const status = UNWANTED.has(method) ? 405 : 501;
  return answer(status, ALLOW_LINE, `Method not allowed: must be one of ${ALLOW}`);
}

function answer(
  status: number,
  headerLines: string,
  body = '',
  refusedBy: Answer['refusedBy'] = null,
): Answer {
  return { status, headerLines, body, refusedBy };
}
