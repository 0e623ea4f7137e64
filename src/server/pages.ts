/**
 * What the broker answers to people: the home page or, to those without a token, the form to log
 * in; and the cookie that carries a page's token. Made by Server, called by the broker's table of
 * commands.
 */
import { TOKEN_COOKIE } from '../auth/credentials.js';
import type { TokenStore } from '../auth/token-store.js';
import type { Pages } from '../broker/commands.js';
import type { Exchange } from '../broker/exchange.js';
import { UnauthorizedError } from '../errors.js';
import { type HomeInfo, homePage } from './home.js';
import { loginPage } from './login-page.js';
import type { Metrics } from './metrics.js';
import { pageAnswer } from './page-files.js';

export interface PagesOptions {
  /** null: nobody has to log in. */
  readonly tokens: TokenStore | null;
  /** True when the port speaks TLS: the cookie is for it alone then. */
  readonly secure: boolean;
  readonly homeInfo: () => HomeInfo;
  readonly metrics: () => Metrics;
  /** Someone tried to log in with a token that is none. */
  readonly refused: (exchange: Exchange, error: UnauthorizedError) => void;
}

const FORM = /^application\/x-www-form-urlencoded\b/i;
const JSON_TYPE = /^application\/json\b/i;
const TO_THE_PAGE = 'location: /\r\n';

export function pages(options: PagesOptions): Pages {
  return {
    home: (exchange) => {
      const { grant } = exchange;
      if (grant === null || grant.revoked) {
        answerLogin(exchange, null);
        return;
      }
      const page = pageAnswer(exchange.request);
      if (page !== null) {
        exchange.answerPlain(page.status, page.headerLines, page.body);
        return;
      }
      const { headerLines, body } = homePage(options.homeInfo(), grant);
      exchange.answerPlain(200, headerLines, body);
    },
    metrics: (exchange) => {
      void answerMetrics(exchange, options.metrics());
    },
    login: (exchange) => {
      if (isPosted(exchange)) login(exchange, options);
    },
    logout: (exchange) => {
      if (isPosted(exchange)) {
        exchange.answerPlain(303, cookie('', options.secure, 0) + TO_THE_PAGE, '');
      }
    },
  };
}

async function answerMetrics(exchange: Exchange, metrics: Metrics): Promise<void> {
  const { contentType, body } = await metrics.text();
  const lines = `content-type: ${contentType}\r\ncache-control: no-store\r\n`;
  exchange.answerPlain(200, lines, Buffer.from(body));
}

/** What changes a cookie must not be a link; answers those who follow one. */
function isPosted(exchange: Exchange): boolean {
  if (exchange.request.method === 'POST') return true;
  exchange.answerPlain(405, 'allow: POST\r\n', 'Only POST');
  return false;
}

function login(exchange: Exchange, { tokens, secure, refused }: PagesOptions): void {
  if (tokens === null) {
    exchange.answerPlain(404, '', 'No tokens are configured: nobody has to log in');
    return;
  }
  const secret = sentToken(exchange.request);
  if (secret === null) {
    const rule = 'Bad login: the body must be a form or JSON with token';
    exchange.answerPlain(400, '', rule);
    return;
  }
  if (tokens.find(secret) === null) {
    const error = new UnauthorizedError('The token is not known');
    refused(exchange, error);
    if (isForm(exchange.request)) answerLogin(exchange, error.message);
    else exchange.answerPlain(401, error.replyHeaderLines, error.message);
    return;
  }
  const line = cookie(secret, secure);
  if (isForm(exchange.request)) exchange.answerPlain(303, line + TO_THE_PAGE, '');
  else exchange.answerPlain(204, line, '');
}

function answerLogin(exchange: Exchange, problem: string | null): void {
  const { replyHeaderLines } = new UnauthorizedError('');
  const { headerLines, body } = loginPage(problem);
  exchange.answerPlain(401, replyHeaderLines + headerLines, body);
}

function isForm({ headers }: Exchange['request']): boolean {
  return FORM.test(headers.get('content-type') ?? '');
}

/** The token in the body; null when there is none. A URL is not looked at. */
function sentToken(request: Exchange['request']): string | null {
  const text = request.body.toString();
  if (isForm(request)) return new URLSearchParams(text).get('token');
  if (!JSON_TYPE.test(request.headers.get('content-type') ?? '')) return null;
  try {
    const json: unknown = JSON.parse(text);
    if (typeof json !== 'object' || json === null || !('token' in json)) return null;
    return typeof json.token === 'string' ? json.token : null;
  } catch {
    return null;
  }
}

/** A known token holds nothing that could end the line. */
function cookie(secret: string, secure: boolean, maxAgeS?: number): string {
  const age = maxAgeS === undefined ? '' : `; Max-Age=${maxAgeS}`;
  const only = secure ? '; Secure' : '';
  const flags = `Path=/; HttpOnly; SameSite=Strict${age}${only}`;
  return `set-cookie: ${TOKEN_COOKIE}=${secret}; ${flags}\r\n`;
}
