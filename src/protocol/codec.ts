/**
 * Bytes to messages: an incremental decoder of the HTTP/1.1 framing (RFC 9112) that zbus messages
 * travel in. Owns no socket. Used by every transport: one Decoder a connection and direction. Any
 * cutting of the bytes gives the same messages and the same error; the work is linear in the bytes;
 * memory is bounded by the limits and by what has arrived, never by what was announced.
 */
import { Buffer } from 'node:buffer';
import { FramingError } from '../errors.js';
import { BodyCollector } from './body.js';
import { ChunkedReader } from './chunked.js';
import {
  addHeader,
  framingOf,
  parseHeaderLine,
  parseRequestLine,
  parseStatusLine,
  type DecoderLimits,
  type Framing,
  type Header,
  type StartLine,
} from './head.js';
import { LineReader } from './line-reader.js';
import type { Message } from './message.js';

export type { DecoderLimits } from './head.js';

export interface DecoderEvents {
  onMessage(message: Message): void;
  /**
   * A head with `Expect: 100-continue` was read and its body is not here: the peer waits for a 100.
   */
  onContinue(): void;
}

/** A head seen before: keep-alive clients send the same bytes again and again. */
interface KnownHead {
  readonly text: string;
  readonly startLine: StartLine;
  readonly headers: ReadonlyMap<string, string>;
  readonly framing: Framing;
}

const Phase = { start: 0, headers: 1, body: 2, chunked: 3 } as const;
type Phase = (typeof Phase)[keyof typeof Phase];

/** Empty lines before a start line that are overlooked (RFC 9112, 2.2: some clients send one). */
const EMPTY_LINES_MAX = 4;
/** First byte of a TLS record that carries a ClientHello. */
const TLS_HANDSHAKE = 0x16;

const NO_BYTES = Buffer.alloc(0);
const NO_START: StartLine = { line: '', method: '', url: '', status: 0, httpMinor: 1 };
/** Lines of the last head that are compared with the next one's, each up to so many characters. */
const KNOWN_LINES_MAX = 16;
const KNOWN_LINE_CHARS_MAX = 256;

export class Decoder {
  readonly #limits: DecoderLimits;
  readonly #events: DecoderEvents;
  readonly #parseStart: (line: string) => StartLine;
  readonly #lines = new LineReader();
  #phase: Phase = Phase.start;
  #dead = false;
  #knownHead: KnownHead | null = null;
  readonly #knownHeaders: Header[] = [];

  #emptyLines = 0;
  #startLine = NO_START;
  #headers = new Map<string, string>();
  #headerCount = 0;
  #headerBytesLeft = 0;
  /** Where the head began: a head that lies in one text with its end is remembered. */
  #headWindow = 0;
  #headStart = 0;

  /** The message whose body is being read. */
  #message: Message | null = null;
  #bytesLeft = 0;
  #body: BodyCollector | null = null;
  #chunked: ChunkedReader | null = null;

  constructor(limits: DecoderLimits, events: DecoderEvents, kind: 'request' | 'reply' = 'request') {
    this.#limits = limits;
    this.#events = events;
    this.#parseStart = kind === 'request' ? parseRequestLine : parseStatusLine;
  }

  /** What the bytes so far end in: between messages, in a head, or in a body. */
  get state(): 'idle' | 'head' | 'body' {
    if (this.#phase > Phase.headers) return 'body';
    return this.#phase === Phase.start && !this.#lines.pending ? 'idle' : 'head';
  }

  /**
   * Takes the next bytes and calls `onMessage` for each message they complete. Bodies may be views
   * on `chunk`, so it must not be reused. Throws FramingError; the decoder is dead then.
   */
  push(chunk: Buffer): void {
    if (this.#dead) throw new FramingError(400, 'Bytes behind the end or behind a framing error');
    this.#dead = true;
    const lines = this.#lines;
    lines.feed(chunk);
    while (lines.position < chunk.length) this.#step();
    lines.release();
    this.#dead = false;
  }

  /** The peer sends no more. Throws FramingError when that is in the middle of a message. */
  end(): void {
    if (this.#dead) return;
    this.#dead = true;
    if (this.state !== 'idle') {
      throw new FramingError(400, `The connection ended in the middle of a ${this.state}`);
    }
  }

  #step(): void {
    switch (this.#phase) {
      case Phase.start:
        this.#readStart();
        break;
      case Phase.headers:
        this.#readHeaders();
        break;
      case Phase.body:
        this.#readBody();
        break;
      case Phase.chunked:
        this.#readChunked();
        break;
    }
  }

  #readStart(): void {
    const lines = this.#lines;
    const known = this.#knownHead;
    if (known !== null && lines.lookingAt(known.text)) {
      this.#repeat(known);
      return;
    }
    if (!lines.pending && lines.chunk[lines.position] === TLS_HANDSHAKE) {
      throw new FramingError(400, 'TLS on a plain port: connect without TLS');
    }
    if (!lines.read(this.#limits.headerBytesMax)) return;
    const { start, end } = lines;
    if (start === end) {
      if (++this.#emptyLines > EMPTY_LINES_MAX) throw new FramingError(400, 'Only empty lines');
      return;
    }
    const line = lines.text.slice(start, end);
    if (line !== this.#startLine.line) this.#startLine = this.#parseStart(line);
    this.#headers = new Map();
    this.#headerCount = 0;
    this.#headerBytesLeft = this.#limits.headerBytesMax - (end + 2 - start);
    this.#headWindow = lines.window;
    this.#headStart = start;
    this.#phase = Phase.headers;
    this.#readHeaders();
  }

  #readHeaders(): void {
    const lines = this.#lines;
    while (lines.position < lines.chunk.length && lines.read(this.#headerBytesLeft)) {
      const { start, end } = lines;
      if (start === end) {
        this.#finishHead();
        return;
      }
      addHeader(this.#headers, this.#headerOf(lines.text.slice(start, end)));
      if (++this.#headerCount > this.#limits.headersMax) {
        throw new FramingError(431, `More than headersMax (${this.#limits.headersMax}) headers`);
      }
      this.#headerBytesLeft -= end + 2 - start;
    }
  }

  /** Most heads of a connection differ in one or two lines: the others are not parsed again. */
  #headerOf(line: string): Header {
    const known = this.#knownHeaders[this.#headerCount];
    if (known?.line === line) return known;
    const header = parseHeaderLine(line);
    if (this.#headerCount < KNOWN_LINES_MAX && line.length <= KNOWN_LINE_CHARS_MAX) {
      this.#knownHeaders[this.#headerCount] = header;
    }
    return header;
  }

  #finishHead(): void {
    const lines = this.#lines;
    const startLine = this.#startLine;
    const headers: ReadonlyMap<string, string> = this.#headers;
    const framing = framingOf(headers, startLine, this.#limits.bodyBytesMax);
    if (lines.window === this.#headWindow && !headers.has('id')) {
      const text = lines.text.slice(this.#headStart, lines.end + 2);
      this.#knownHead = { text, startLine, headers, framing };
    }
    this.#beginBody(startLine, headers, framing);
  }

  #repeat(known: KnownHead): void {
    this.#lines.position += known.text.length;
    this.#beginBody(known.startLine, known.headers, known.framing);
  }

  #beginBody(startLine: StartLine, headers: ReadonlyMap<string, string>, framing: Framing): void {
    const { chunk, position } = this.#lines;
    const { method, url, status, httpMinor } = startLine;
    const message: Message = { method, url, status, httpMinor, headers, body: NO_BYTES };
    const { contentLength } = framing;
    this.#emptyLines = 0;
    this.#message = message;
    if (framing.chunked) {
      this.#chunked = new ChunkedReader(this.#lines, this.#limits);
      this.#phase = Phase.chunked;
    } else if (chunk.length - position >= contentLength) {
      const end = position + contentLength;
      this.#lines.position = end;
      this.#emit(message, contentLength === 0 ? NO_BYTES : chunk.subarray(position, end));
      return;
    } else {
      this.#body = new BodyCollector(contentLength);
      this.#bytesLeft = contentLength;
      this.#phase = Phase.body;
    }
    if (framing.expectsContinue && position === chunk.length) this.#events.onContinue();
  }

  #readBody(): void {
    const lines = this.#lines;
    const { chunk, position } = lines;
    const end = Math.min(chunk.length, position + this.#bytesLeft);
    this.#body?.append(chunk, position, end);
    this.#bytesLeft -= end - position;
    lines.position = end;
    if (this.#bytesLeft > 0 || !this.#body || !this.#message) return;
    const body = this.#body.finish();
    this.#body = null;
    this.#emit(this.#message, body);
  }

  #readChunked(): void {
    const body = this.#chunked?.read();
    if (!body || !this.#message) return;
    this.#chunked = null;
    this.#emit(this.#message, body);
  }

  #emit(message: Message, body: Buffer): void {
    this.#phase = Phase.start;
    this.#message = null;
    message.body = body;
    this.#events.onMessage(message);
  }
}
