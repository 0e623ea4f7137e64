/**
 * Messages to bytes: what a client sends, and the pieces a server's replies are made of. Nothing
 * that would end a line passes from a value into a head: it is refused, because a changed value
 * would be a wrong one.
 */
import { Buffer } from 'node:buffer';
import { BadRequestError } from '../errors.js';
import type { Message } from './message.js';

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const TARGET = /^[\x21-\x7e\x80-\xff]+$/;

/**
 * The line that each name had last: most lines of a message are those of the one before, and names
 * hardly ever change.
 */
const knownLines = new Map<string, { value: string; line: string }>();
const KNOWN_NAMES_MAX = 64;
let knownRequestLine = '';

/** Every status that zbus sends, and what services answer with. */
const STATUS_TEXT = new Map([
  [100, 'Continue'],
  [101, 'Switching Protocols'],
  [200, 'OK'],
  [201, 'Created'],
  [202, 'Accepted'],
  [204, 'No Content'],
  [206, 'Partial Content'],
  [301, 'Moved Permanently'],
  [302, 'Found'],
  [303, 'See Other'],
  [304, 'Not Modified'],
  [400, 'Bad Request'],
  [401, 'Unauthorized'],
  [403, 'Forbidden'],
  [404, 'Not Found'],
  [405, 'Method Not Allowed'],
  [406, 'Not Acceptable'],
  [408, 'Request Timeout'],
  [409, 'Conflict'],
  [410, 'Gone'],
  [413, 'Content Too Large'],
  [414, 'URI Too Long'],
  [415, 'Unsupported Media Type'],
  [417, 'Expectation Failed'],
  [421, 'Misdirected Request'],
  [422, 'Unprocessable Content'],
  [426, 'Upgrade Required'],
  [429, 'Too Many Requests'],
  [431, 'Request Header Fields Too Large'],
  [500, 'Internal Server Error'],
  [501, 'Not Implemented'],
  [502, 'Bad Gateway'],
  [503, 'Service Unavailable'],
  [504, 'Gateway Timeout'],
  [505, 'HTTP Version Not Supported'],
  [507, 'Insufficient Storage'],
]);

/** The reason phrase of a status; 'Unknown' for one that is not in the table. */
export function statusText(status: number): string {
  return STATUS_TEXT.get(status) ?? 'Unknown';
}

/** A request as bytes. Throws BadRequestError when a part of it cannot be a part of a head. */
export function encodeRequest(message: Message): Buffer {
  return joined(requestHead(message), message.body);
}

/**
 * A request up to its body, as latin1: for a sender that joins many of them in one write. Throws
 * BadRequestError when a part of it cannot be a part of a head.
 */
export function requestHead(message: Message): string {
  return head(requestLine(message), message);
}

function requestLine({ method, url, httpMinor }: Message): string {
  const line = `${method} ${url} HTTP/1.${httpMinor}`;
  if (line === knownRequestLine) return line;
  if (!TOKEN.test(method)) throw new BadRequestError('Bad method: must be a token');
  if (!TARGET.test(url)) {
    throw new BadRequestError('Bad URL: must be latin1 without spaces and control characters');
  }
  knownRequestLine = line;
  return line;
}

/** A reply as bytes. Throws BadRequestError when a part of it cannot be a part of a head. */
export function encodeReply(message: Message): Buffer {
  const { status, httpMinor } = message;
  return joined(head(`HTTP/1.${httpMinor} ${status} ${statusText(status)}`, message), message.body);
}

function head(startLine: string, { headers, body }: Message): string {
  let text = `${startLine}\r\n`;
  for (const [name, value] of headers) {
    if (name !== 'content-length' && name !== 'transfer-encoding') text += headerLine(name, value);
  }
  return `${text}content-length: ${body.length}\r\n\r\n`;
}

function joined(head: string, body: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(head.length + body.length);
  bytes.write(head, 'latin1');
  body.copy(bytes, head.length);
  return bytes;
}

/** `name: value` and the end of the line. Throws BadRequestError. */
function headerLine(name: string, value: string): string {
  const known = knownLines.get(name);
  if (known?.value === value) return known.line;
  if (known === undefined && !TOKEN.test(name)) {
    throw new BadRequestError('Bad header name: must be a token');
  }
  if (!VALUE.test(value)) {
    throw new BadRequestError(`Bad header ${name}: must be latin1 without control characters`);
  }
  const line = `${name}: ${value}\r\n`;
  if (known !== undefined) {
    known.value = value;
    known.line = line;
  } else if (knownLines.size < KNOWN_NAMES_MAX) {
    knownLines.set(name, { value, line });
  }
  return line;
}

/** As it goes out, and as stored records do: header lines, blank line, body. Shared, not copied. */
export function jsonRecord(json: Buffer): Buffer {
  const lines = `content-type: application/json\r\ncontent-length: ${json.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(lines), json]);
}
