/**
 * Messages as a stream of text: server-sent events for browsers (WHATWG HTML, 9.2), one JSON object
 * a line for programs. Chosen by the server from the request, used by the broker. Both carry the
 * same JSON, which holds every byte of a message: docs/protocol.md, Streams. All text is latin1
 * whose char codes are bytes of UTF-8.
 */
import { Buffer, isUtf8 } from 'node:buffer';
import { Header } from './headers.js';
import { latin1Of } from './names.js';

export interface StreamFormat {
  readonly contentType: string;
  /** Stands before the first message; may be empty. */
  readonly opening: string;
  /** What a reader overlooks: sent when there is nothing else, to keep the way open. */
  readonly idle: string;
  /**
   * A message: `headerLines` of the delivery and the stored record bytes[start .. end), in pieces
   * of a bounded size, of which none is empty.
   */
  message(headerLines: string, bytes: Buffer, start: number, end: number): Iterable<string>;
  /** The last thing in a stream that ends before its time. */
  failure(status: number, reason: string): string;
}

/**
 * Body bytes that are encoded at once: a multiple of three, as base64 takes them, and few enough
 * that the strings made of them are not large objects to the collector, which takes twice the time.
 */
const PIECE_BYTES = 3 * 16 * 1024;
const HEAD_END = '\r\n\r\n';
const ABOVE_ASCII = /[\x80-\xff]/;
/** Is between quotes what it is without: nearly every value. */
const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

/** Milliseconds after which a browser asks again when its stream has ended. */
const RECONNECT_MS = 1000;

const EVENTS: StreamFormat = {
  contentType: 'text/event-stream',
  opening: `retry: ${RECONNECT_MS}\n\n`,
  idle: ':\n\n',
  message(headerLines, bytes, start, end) {
    const envelope = new Envelope(headerLines, bytes, start, end);
    return pieces(`id: ${envelope.offset}\ndata: ${envelope.text}`, envelope, '\n\n');
  },
  failure: (status, reason) => `event: zbus-error\ndata: ${failureText(status, reason)}\n\n`,
};

const LINES: StreamFormat = {
  contentType: 'application/x-ndjson; charset=utf-8',
  opening: '',
  idle: '\n',
  message(headerLines, bytes, start, end) {
    const envelope = new Envelope(headerLines, bytes, start, end);
    return pieces(envelope.text, envelope, '\n');
  },
  failure: (status, reason) => `${failureText(status, reason)}\n`,
};

const BY_MEDIA_TYPE: ReadonlyMap<string, StreamFormat> = new Map([
  ['text/event-stream', EVENTS],
  ['application/x-ndjson', LINES],
]);

/** The format that an `accept` header names first; null when it names none. */
export function streamFormat(accept: string | undefined): StreamFormat | null {
  // What curl, browsers and programs send that want no stream.
  if (accept === undefined || accept === '*/*') return null;
  for (const range of accept.toLowerCase().split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim());
    const format = BY_MEDIA_TYPE.get(type);
    if (format !== undefined && !parameters.some((each) => REFUSED.test(each))) return format;
  }
  return null;
}

/** RFC 9110, 12.4.2: weight 0 means "not acceptable". */
const REFUSED = /^q\s*=\s*0(\.0*)?$/;

/** Fields of the envelope that headers become; every other header keeps its name. */
const NUMBERS: ReadonlySet<string> = new Set([Header.offset, Header.timestamp, Header.retry]);
const TEXTS: ReadonlyMap<string, string> = new Map([
  [Header.originId, 'id'],
  [Header.topic, 'topic'],
  [Header.consumeGroup, 'group'],
  [Header.tag, 'tag'],
  [Header.sender, 'sender'],
]);

/** The JSON object of a message, up to its body. */
class Envelope {
  offset = '';
  /** `{…,"headers":{…}`. */
  readonly text: string;
  readonly bytes: Buffer;
  readonly bodyStart: number;
  readonly bodyEnd: number;

  constructor(headerLines: string, bytes: Buffer, start: number, end: number) {
    const headEnd = bytes.indexOf(HEAD_END, start, 'latin1') + HEAD_END.length;
    this.bytes = bytes;
    this.bodyStart = headEnd;
    this.bodyEnd = end;
    this.text = this.#encode(headerLines + bytes.toString('latin1', start, headEnd));
  }

  #encode(lines: string): string {
    let fields = '';
    let own = '';
    let start = 0;
    for (let end = lines.indexOf('\r\n'); end > start; end = lines.indexOf('\r\n', start)) {
      const colon = lines.indexOf(': ', start);
      const name = lines.slice(start, colon);
      const value = lines.slice(colon + 2, end);
      const field = TEXTS.get(name);
      start = end + 2;
      if (field !== undefined) {
        fields += `,"${field}":${quoted(value)}`;
      } else if (NUMBERS.has(name)) {
        if (name === Header.offset) this.offset = value;
        fields += `,"${name}":${value}`;
      } else if (name !== Header.contentLength) {
        own += `,"${name}":${quoted(value)}`;
      }
    }
    return `{${fields.slice(1)},"headers":{${own.slice(1)}}`;
  }
}

/** The JSON string of a header value: UTF-8, or, when it is none, latin1. */
function quoted(value: string): string {
  if (PLAIN.test(value)) return `"${value}"`;
  const foreign = ABOVE_ASCII.test(value) && !isUtf8(Buffer.from(value, 'latin1'));
  return JSON.stringify(foreign ? latin1Of(value) : value);
}

/** `before`, the message's body, the end of its object and `behind`. */
function* pieces(before: string, envelope: Envelope, behind: string): Iterable<string> {
  const { bytes, bodyStart, bodyEnd } = envelope;
  const text = isUtf8(bytes.subarray(bodyStart, bodyEnd));
  let piece = `${before},${text ? '"body"' : '"bodyBase64"'}:"`;
  for (let at = bodyStart; at < bodyEnd; at += PIECE_BYTES) {
    const next = Math.min(at + PIECE_BYTES, bodyEnd);
    // Bytes of UTF-8 pass through as they are, so a piece may end within a character.
    piece += text
      ? JSON.stringify(bytes.toString('latin1', at, next)).slice(1, -1)
      : bytes.toString('base64', at, next);
    if (next === bodyEnd) break;
    yield piece;
    piece = '';
  }
  yield `${piece}"}${behind}`;
}

function failureText(status: number, reason: string): string {
  return `{"status":${status},"error":${quoted(reason)}}`;
}
