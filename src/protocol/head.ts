/**
 * The head of a message, line by line: start line, header lines, and what they say about the body.
 * Pure functions for codec.ts alone; strict as RFC 9112 asks of a recipient that must not be
 * fooled. Each throws FramingError with the status and a reason of one line.
 */
import { FramingError } from '../errors.js';

/** What a peer may send. */
export interface DecoderLimits {
  /** Start line, headers and blank line together; also chunk extensions and trailers together. */
  readonly headerBytesMax: number;
  readonly headersMax: number;
  /** Summed over chunks. */
  readonly bodyBytesMax: number;
  /** What people know that bound as; absent: bodyBytesMax. */
  readonly bodyBytesMaxName?: string;
}

/** What the start line says; '' and 0 where it does not apply. */
export interface StartLine {
  readonly method: string;
  readonly url: string;
  readonly status: number;
  readonly httpMinor: 0 | 1;
}

export interface Header {
  /** Lower-case. */
  readonly name: string;
  /** Without the blanks around it. */
  readonly value: string;
}

/** What the headers say about the body. */
export interface Framing {
  /** Bytes of the body; 0 when none is announced or it comes in chunks. */
  readonly contentLength: number;
  readonly chunked: boolean;
  /** The peer waits for `100 Continue` before it sends the body. */
  readonly expectsContinue: boolean;
}

const SPACE = 32;
const TAB = 9;
const DOT = 46;
const ZERO = 48;
const COLON = 58;

export const LINE_END = '\r\n';

/** `HTTP/1.x` and the space before it. */
const VERSION_LENGTH = 9;

/** Per byte: 0 not a token character, 1 one, 2 an upper-case letter. */
const TOKEN = new Uint8Array(256);
for (const char of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz") {
  TOKEN[char.charCodeAt(0)] = 1;
}
for (const char of 'ABCDEFGHIJKLMNOPQRSTUVWXYZ') TOKEN[char.charCodeAt(0)] = 2;

/** What a request target may hold, and what a header value may. */
const NO_SPACE = /^[\x21-\x7e\x80-\xff]*$/;
const NO_CONTROL = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Headers that must not come twice: two readers would take different ones. */
const SINGLE = new Set(['content-length', 'transfer-encoding', 'host', 'expect']);

const NO_BODY: Framing = { contentLength: 0, chunked: false, expectsContinue: false };

export function parseRequestLine(line: string): StartLine {
  const methodEnd = line.indexOf(' ');
  const urlEnd = line.length - VERSION_LENGTH - LINE_END.length;
  if (methodEnd <= 0 || !isToken(line, methodEnd)) throw notHttp();
  if (urlEnd < methodEnd || line.charCodeAt(urlEnd) !== SPACE) throw badVersion(line);
  const url = line.slice(methodEnd + 1, urlEnd);
  if (url === '' || !NO_SPACE.test(url)) throw notHttp();
  const httpMinor = parseVersion(line, urlEnd + 1);
  return { method: line.slice(0, methodEnd), url, status: 0, httpMinor };
}

export function parseStatusLine(line: string): StartLine {
  const match = /^HTTP\/\d\.\d ([1-9]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?\r\n$/.exec(line);
  if (!match) throw new FramingError(400, 'Not a status line: HTTP/1.1 STATUS TEXT expected');
  const httpMinor = parseVersion(line, 0);
  return { method: '', url: '', status: Number(match[1]), httpMinor };
}

export function parseHeaderLine(line: string): Header {
  let end = line.length - LINE_END.length;
  let colon = 0;
  let kind = 1;
  let upperCase = false;
  while (colon < end) {
    kind = TOKEN[line.charCodeAt(colon)] ?? 0;
    if (kind === 0) break;
    if (kind === 2) upperCase = true;
    colon++;
  }
  if (colon === 0 || kind !== 0 || line.charCodeAt(colon) !== COLON) throw badName(line, colon);
  let start = colon + 1;
  while (start < end && isBlank(line.charCodeAt(start))) start++;
  while (end > start && isBlank(line.charCodeAt(end - 1))) end--;
  const name = line.slice(0, colon);
  const value = line.slice(start, end);
  if (!NO_CONTROL.test(value)) {
    throw new FramingError(400, 'Header value holds a control character');
  }
  return { name: upperCase ? name.toLowerCase() : name, value };
}

/** Adds a header; a name that is there already gets `first, second` (RFC 9110, 5.3). */
export function addHeader(headers: Map<string, string>, header: Header): void {
  const { name } = header;
  const first = headers.get(name);
  if (first === undefined) {
    headers.set(name, header.value);
    return;
  }
  if (SINGLE.has(name)) throw new FramingError(400, `Header ${name} must not come twice`);
  headers.set(name, `${first}, ${header.value}`);
}

/** What `headers` say about the body, refused when two readers could read it differently. */
export function framingOf(
  headers: ReadonlyMap<string, string>,
  startLine: StartLine,
  bodyBytesMax: number,
): Framing {
  const length = headers.get('content-length');
  const encoding = headers.get('transfer-encoding');
  const expect = startLine.status === 0 ? headers.get('expect') : undefined;
  if (length === undefined && encoding === undefined && expect === undefined) return NO_BODY;
  if (length !== undefined && encoding !== undefined) {
    throw new FramingError(400, 'Both content-length and transfer-encoding');
  }
  if (encoding !== undefined) checkEncoding(encoding, startLine.httpMinor);
  let contentLength = length === undefined ? 0 : parseContentLength(length, bodyBytesMax);
  const { status } = startLine;
  const bodyless = (status >= 100 && status < 200) || status === 204 || status === 304;
  if (bodyless) contentLength = 0;
  return {
    contentLength,
    chunked: encoding !== undefined && !bodyless,
    expectsContinue: expect !== undefined && parseExpect(expect, startLine.httpMinor),
  };
}

export function bodyTooLarge({
  bodyBytesMax,
  bodyBytesMaxName = 'bodyBytesMax',
}: Pick<DecoderLimits, 'bodyBytesMax' | 'bodyBytesMaxName'>): FramingError {
  const reason = `Body is larger than ${bodyBytesMaxName} (${bodyBytesMax} bytes)`;
  const [option] = bodyBytesMaxName.split(' ');
  return new FramingError(413, reason, option);
}

function parseVersion(line: string, start: number): 0 | 1 {
  const major = line.charCodeAt(start + 5) - ZERO;
  const minor = line.charCodeAt(start + 7) - ZERO;
  const dot = line.charCodeAt(start + 6) === DOT;
  const digits = major >= 0 && major <= 9 && minor >= 0 && minor <= 9;
  if (!line.startsWith('HTTP/', start) || !dot || !digits) throw badVersion(line);
  if (major !== 1) {
    throw new FramingError(505, 'Only HTTP/1.x is spoken here: no HTTP/2 without TLS and ALPN');
  }
  return minor === 0 ? 0 : 1;
}

function parseContentLength(text: string, bodyBytesMax: number): number {
  if (!/^\d+$/.test(text)) throw new FramingError(400, 'content-length must be digits only');
  const length = Number(text);
  if (length > bodyBytesMax) throw bodyTooLarge({ bodyBytesMax });
  return length;
}

function checkEncoding(text: string, httpMinor: 0 | 1): void {
  if (httpMinor === 0) throw new FramingError(400, 'transfer-encoding in an HTTP/1.0 message');
  const codings = text.toLowerCase().split(/[ \t]*,[ \t]*/);
  if (codings.length === 1 && codings[0] === 'chunked') return;
  const first = codings.indexOf('chunked');
  if (codings.includes('') || (first !== -1 && first !== codings.length - 1)) {
    throw new FramingError(400, 'transfer-encoding must end with one chunked');
  }
  throw new FramingError(501, 'No transfer-encoding but chunked is understood');
}

function parseExpect(text: string, httpMinor: 0 | 1): boolean {
  if (text.toLowerCase() !== '100-continue') {
    throw new FramingError(417, 'No expectation but 100-continue is understood');
  }
  return httpMinor === 1;
}

export function tooManyHeaders(what: 'headers' | 'trailers', headersMax: number): FramingError {
  return new FramingError(431, `More than headersMax (${headersMax}) ${what}`, 'headersMax');
}

function isBlank(code: number): boolean {
  return code === SPACE || code === TAB;
}

function isToken(line: string, end: number): boolean {
  for (let i = 0; i < end; i++) if (TOKEN[line.charCodeAt(i)] === 0) return false;
  return true;
}

function notHttp(): FramingError {
  return new FramingError(400, 'Not a request line: METHOD URL HTTP/1.1 expected');
}

function badVersion(line: string): FramingError {
  return /^[A-Z]+ [^ ]+\r\n$/.test(line)
    ? new FramingError(400, 'No HTTP version: HTTP/0.9 is not spoken here')
    : notHttp();
}

function badName(line: string, at: number): FramingError {
  const code = line.charCodeAt(at);
  if (at === 0 && isBlank(code)) {
    return new FramingError(400, 'Header continued on the next line (obs-fold)');
  }
  if (isBlank(code)) return new FramingError(400, 'Space before the colon of a header');
  if (at === 0 && code === COLON) return new FramingError(400, 'Header without a name');
  return new FramingError(400, 'Header name is not a token');
}
