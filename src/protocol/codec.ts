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
  LINE_END,
  addHeader,
  bodyTooLarge,
  framingOf,
  parseHeaderLine,
  parseRequestLine,
  parseStatusLine,
  tooManyHeaders,
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
   * A head is whole: the limits of its body, which may be narrower than the decoder's. Asked for
   * every message, also when its head is the one before.
   */
  readonly access?: { limitsOf(headers: Message['headers']): DecoderLimits };
  /**
   * A head with `Expect: 100-continue` was read and its body is not here: the peer waits for a 100.
   * `message` has no body yet.
   */
  onContinue(message: Message): void;
}

/** What was made of these bytes, which a keep-alive client sends again and again. */
interface Known<Parsed> {
  readonly bytes: Buffer;
  readonly parsed: Parsed;
}

interface Head {
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
const NO_START: StartLine = { method: '', url: '', status: 0, httpMinor: 1 };

/** Lines of a head that are remembered, and the bytes of each. */
const KNOWN_LINES_MAX = 16;
const KNOWN_LINE_BYTES_MAX = 256;
const KNOWN_HEAD_BYTES_MAX = 1024;
/** One head in so many is remembered: those that always differ should not pay for it each time. */
const HEADS_PER_LESSON = 16;

export class Decoder {
  readonly #limits: DecoderLimits;
  readonly #events: DecoderEvents;
  readonly #parseStart: (line: string) => StartLine;
  /** A request line is long by its URL (RFC 9110, 15.5.15). */
  readonly #startTooLong: 414 | 431;
  readonly #lines = new LineReader();
  #phase: Phase = Phase.start;
  #dead = false;

  #knownHead: Known<Head> | null = null;
  #knownStart: Known<StartLine> | null = null;
  readonly #knownHeaders: Known<Header>[] = [];
  #headsParsed = 0;

  #emptyLines = 0;
  #startLine = NO_START;
  #headers = new Map<string, string>();
  #headerCount = 0;
  /** Of the head so far. */
  #headBytes = 0;

  /** The message whose body is being read. */
  #message: Message | null = null;
  #bytesLeft = 0;
  #body: BodyCollector | null = null;
  #chunked: ChunkedReader | null = null;

  constructor(limits: DecoderLimits, events: DecoderEvents, kind: 'request' | 'reply' = 'request') {
    this.#limits = limits;
    this.#events = events;
    this.#parseStart = kind === 'request' ? parseRequestLine : parseStatusLine;
    this.#startTooLong = kind === 'request' ? 414 : 431;
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

  /**
   * For `onMessage`: what follows this message is not in this protocol. Returns the bytes of the
   * chunk behind it.
   */
  stop(): Buffer {
    const lines = this.#lines;
    const rest = lines.chunk.subarray(lines.position);
    lines.position = lines.chunk.length;
    return rest;
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
    if (this.#knownHead !== null && lines.takeHead(this.#knownHead.bytes)) {
      this.#beginBody(this.#knownHead.parsed);
      return;
    }
    if (!lines.pending && lines.chunk[lines.position] === TLS_HANDSHAKE) {
      throw new FramingError(400, 'TLS on a plain port: connect without TLS');
    }
    if (this.#knownStart !== null && lines.take(this.#knownStart.bytes)) {
      this.#startLine = this.#knownStart.parsed;
      this.#headBytes = this.#knownStart.bytes.length;
    } else {
      if (!lines.read(this.#limits.headerBytesMax, this.#startTooLong)) return;
      const line = lines.text.slice(lines.start, lines.end);
      if (line === LINE_END) {
        if (++this.#emptyLines > EMPTY_LINES_MAX) throw new FramingError(400, 'Only empty lines');
        return;
      }
      this.#startLine = this.#parseStart(line);
      this.#headBytes = line.length;
      if (this.#learns(line)) this.#knownStart = known(line, this.#startLine);
    }
    this.#headers = new Map();
    this.#headerCount = 0;
    this.#phase = Phase.headers;
    this.#readHeaders();
  }

  /** Most heads of a connection differ in one or two lines: the others are not parsed again. */
  #readHeaders(): void {
    const lines = this.#lines;
    while (lines.position < lines.chunk.length) {
      const left = this.#limits.headerBytesMax - this.#headBytes;
      const same = this.#knownHeaders[this.#headerCount];
      if (same !== undefined && same.bytes.length <= left && lines.take(same.bytes)) {
        this.#addHeader(same.parsed, same.bytes.length);
        continue;
      }
      if (!lines.read(left)) return;
      const line = lines.text.slice(lines.start, lines.end);
      if (line === LINE_END) {
        this.#finishHead();
        return;
      }
      const header = parseHeaderLine(line);
      if (this.#headerCount < KNOWN_LINES_MAX && this.#learns(line)) {
        this.#knownHeaders[this.#headerCount] = known(line, header);
      }
      this.#addHeader(header, line.length);
    }
  }

  #addHeader(header: Header, bytes: number): void {
    addHeader(this.#headers, header);
    this.#headBytes += bytes;
    if (++this.#headerCount > this.#limits.headersMax) {
      throw tooManyHeaders('headers', this.#limits.headersMax);
    }
  }

  get #isLesson(): boolean {
    return this.#headsParsed % HEADS_PER_LESSON === 0;
  }

  #learns(line: string): boolean {
    return this.#isLesson && line.length <= KNOWN_LINE_BYTES_MAX;
  }

  #finishHead(): void {
    const { chunk, position } = this.#lines;
    const startLine = this.#startLine;
    const headers: ReadonlyMap<string, string> = this.#headers;
    const framing = framingOf(headers, startLine, this.#limits.bodyBytesMax);
    const head: Head = { startLine, headers, framing };
    const bytes = this.#headBytes + LINE_END.length;
    const inOneChunk = bytes <= position;
    if (inOneChunk && bytes <= KNOWN_HEAD_BYTES_MAX && this.#isLesson && !headers.has('id')) {
      this.#knownHead = {
        bytes: Buffer.from(chunk.subarray(position - bytes, position)),
        parsed: head,
      };
    }
    this.#headsParsed++;
    this.#beginBody(head);
  }

  #beginBody({ startLine, headers, framing }: Head): void {
    const { chunk, position } = this.#lines;
    const { method, url, status, httpMinor } = startLine;
    const message: Message = { method, url, status, httpMinor, headers, body: NO_BYTES };
    const { contentLength } = framing;
    const limits = this.#events.access?.limitsOf(headers) ?? this.#limits;
    if (contentLength > limits.bodyBytesMax) throw bodyTooLarge(limits);
    this.#emptyLines = 0;
    this.#message = message;
    if (framing.chunked) {
      this.#chunked = new ChunkedReader(this.#lines, limits);
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
    if (framing.expectsContinue && position === chunk.length) this.#events.onContinue(message);
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

function known<Parsed>(line: string, parsed: Parsed): Known<Parsed> {
  return { bytes: Buffer.from(line, 'latin1'), parsed };
}
