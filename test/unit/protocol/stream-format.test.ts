/**
 * Messages as server-sent events and as JSON lines: whatever the message, a reader that knows only
 * the standard gets all of it, and nothing that the message says can pass for framing.
 */
import assert from 'node:assert/strict';
import { Buffer, isUtf8 } from 'node:buffer';
import fc from 'fast-check';
import { type StreamFormat, streamFormat } from '../../../src/protocol/stream-format.js';
import { EventParser, type ServerSentEvent } from '../../support/event-parser.js';

interface Envelope {
  readonly offset: number;
  readonly timestamp: number;
  readonly retry?: number;
  readonly id: string;
  readonly topic: string;
  readonly group: string;
  readonly tag?: string;
  readonly headers: Record<string, string>;
  readonly body?: string;
  readonly bodyBase64?: string;
}

type Lines = readonly (readonly [string, string])[];

function formatOf(accept: string): StreamFormat {
  const format = streamFormat(accept);
  assert(format !== null);
  return format;
}

const EVENTS = formatOf('text/event-stream');
const JSON_LINES = formatOf('application/x-ndjson');
const DELIVERY = 'offset: 7\r\ntimestamp: 1795362318537\r\nconsume_group: g\r\n';

function record(lines: Lines, body: Buffer): Buffer {
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const end = `content-length: ${body.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head + end, 'latin1'), body]);
}

/** The bytes of one message in a stream. */
function encoded(format: StreamFormat, stored: Buffer, delivery = DELIVERY): Buffer {
  // The record lies within a larger batch.
  const batch = Buffer.concat([Buffer.from('before'), stored, Buffer.from('behind')]);
  const pieces = format.message(delivery, batch, 6, 6 + stored.length);
  return Buffer.concat(Array.from(pieces, (piece) => Buffer.from(piece, 'latin1')));
}

function eventsIn(bytes: Buffer): ServerSentEvent[] {
  const events: ServerSentEvent[] = [];
  new EventParser((event) => events.push(event)).push(bytes);
  return events;
}

function linesIn(bytes: Buffer): string[] {
  assert(isUtf8(bytes), 'not UTF-8');
  const text = bytes.toString();
  assert(text.endsWith('\n'), 'does not end its line');
  return text.slice(0, -1).split('\n');
}

/** What both formats make of a message, which must be the same. */
function decoded(lines: Lines, body: Buffer): Envelope {
  const stored = record(lines, body);
  const asLines = linesIn(encoded(JSON_LINES, stored));
  assert.equal(asLines.length, 1);
  const bytes = encoded(EVENTS, stored);
  assert(isUtf8(bytes), 'not UTF-8');
  assert.deepEqual(eventsIn(bytes), [{ type: 'message', data: asLines[0], lastEventId: '7' }]);
  return JSON.parse(asLines[0] ?? '') as Envelope;
}

function bodyOf({ body, bodyBase64 }: Envelope): Buffer {
  assert.equal([body, bodyBase64].filter((each) => each !== undefined).length, 1);
  return body === undefined ? Buffer.from(bodyBase64 ?? '', 'base64') : Buffer.from(body);
}

/** As codec.ts lets a value in: latin1 without control characters. */
const headerValue = fc
  .array(fc.oneof(fc.integer({ min: 0x20, max: 0x7e }), fc.integer({ min: 0x80, max: 0xff })))
  .map((bytes) => Buffer.from(bytes).toString('latin1'));
const utf8Value = fc
  .oneof(fc.string(), fc.string({ unit: 'grapheme' }))
  .map((text) => Buffer.from(text.replace(/\p{Cc}/gu, '')).toString('latin1'));
const headerName = fc.oneof(
  fc.stringMatching(/^x-[!#$%&'*+\-.^_`|~0-9a-z]{1,8}$/),
  fc.constantFrom('__proto__', 'constructor', 'tostring', 'content-type', 'dead_reason', 'data'),
);
const body = fc.oneof(
  fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes)),
  fc.string({ unit: 'binary', maxLength: 32 }).map((text) => Buffer.from(text)),
  fc
    .constantFrom('\n\n', '\r', '\r\nid: 9\r\n\r\n', 'data: x\n\n', '\u2028\ufeff\0', '</script>')
    .map((text) => Buffer.from(text)),
);

describe('a message in a stream', () => {
  it('keeps every byte of every body', () => {
    fc.assert(
      fc.property(body, (bytes) => {
        assert.deepEqual(bodyOf(decoded([['topic', 't']], bytes)), bytes);
      }),
      { numRuns: 500 },
    );
  });

  it('keeps every header, whatever its name and its text', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(headerName, utf8Value), { selector: ([name]) => name }),
        (headers) => {
          const all: Lines = [['topic', 't'], ...headers];
          const found = Object.entries(decoded(all, Buffer.alloc(0)).headers);
          const sent = headers.map(([name, value]) => [
            name,
            Buffer.from(value, 'latin1').toString(),
          ]);
          assert.deepEqual(new Map(found), new Map(sent as [string, string][]));
        },
      ),
      { numRuns: 500 },
    );
  });

  it('is UTF-8 also when a header is not, which is then read as latin1', () => {
    fc.assert(
      fc.property(headerValue, (value) => {
        const bytes = Buffer.from(value, 'latin1');
        const { headers } = decoded([['x-own', value]], Buffer.alloc(0));
        assert.equal(headers['x-own'], isUtf8(bytes) ? bytes.toString() : value);
      }),
      { numRuns: 500 },
    );
  });

  it('has its own fields for what every message has', () => {
    const lines: Lines = [
      ['origin_id', 'p"1'],
      ['origin_url', '/produce/t'],
      ['topic', 'Straße'.replace('ß', '\xc3\x9f')],
      ['sender', 's'],
      ['tag', 'a.b'],
      ['dead_reason', 'nack'],
    ];
    const delivery = `${DELIVERY}retry: 2\r\n`;
    const [line = ''] = linesIn(encoded(JSON_LINES, record(lines, Buffer.from('x')), delivery));
    assert.deepEqual(JSON.parse(line), {
      offset: 7,
      timestamp: 1795362318537,
      group: 'g',
      retry: 2,
      id: 'p"1',
      topic: 'Straße',
      sender: 's',
      tag: 'a.b',
      headers: { origin_url: '/produce/t', dead_reason: 'nack' },
      body: 'x',
    });
  });

  it('is text when its body is UTF-8, JSON in it unchanged, and base64 else', () => {
    assert.equal(decoded([], Buffer.from('{"a": 1}')).body, '{"a": 1}');
    assert.equal(decoded([], Buffer.alloc(0)).body, '');
    assert.equal(decoded([], Buffer.from('\ufeffé')).body, '\ufeffé');
    assert.equal(decoded([], Buffer.from([0xff, 0])).bodyBase64, '/wA=');
    assert.equal(decoded([], Buffer.from('é').subarray(0, 1)).bodyBase64, 'ww==');
  });

  for (const [kind, unit] of [
    ['text', '"é\n😀'],
    ['binary', '\xff\0\n'],
  ] as const) {
    it(`of 1 MiB of ${kind} is whole, in pieces of which each is small and none is empty`, () => {
      const bytes = Buffer.alloc(1024 * 1024 + 1, unit, kind === 'text' ? 'utf8' : 'latin1');
      assert.deepEqual(bodyOf(decoded([], bytes)), bytes);
      const stored = record([], bytes);
      const lengths = Array.from(
        EVENTS.message(DELIVERY, stored, 0, stored.length),
        ({ length }) => length,
      );
      assert(lengths.length > 10 && Math.min(...lengths) > 0, `${lengths.length} pieces`);
      assert(Math.max(...lengths) < 6 * 64 * 1024, `a piece of ${Math.max(...lengths)}`);
    });
  }
});

describe('what else is in a stream', () => {
  it('says when to come back, and is no event', () => {
    const events: ServerSentEvent[] = [];
    const parser = new EventParser((event) => events.push(event));
    parser.push(Buffer.from(EVENTS.opening + EVENTS.idle));
    assert.deepEqual([events, parser.retryMs, parser.comments], [[], 1000, ['']]);
    assert.deepEqual([JSON_LINES.opening, JSON_LINES.idle], ['', '\n']);
  });

  it('is why it ended, as an event that no reader takes for a message', () => {
    const reason = 'Topic("\xc3\xa9\n) not found';
    const expected = { status: 404, error: 'Topic("é\n) not found' };
    const [event] = eventsIn(Buffer.from(EVENTS.failure(404, reason), 'latin1'));
    assert.equal(event?.type, 'zbus-error');
    assert.deepEqual(JSON.parse(event.data), expected);
    const [line = ''] = linesIn(Buffer.from(JSON_LINES.failure(404, reason), 'latin1'));
    assert.deepEqual(JSON.parse(line), expected);
  });
});

describe('the format of a stream', () => {
  for (const [accept, format] of [
    [undefined, null],
    ['*/*', null],
    ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', null],
    ['text/event-stream', EVENTS],
    ['Text/Event-Stream', EVENTS],
    ['application/json, text/event-stream;q=0.5', EVENTS],
    ['application/x-ndjson', JSON_LINES],
    ['application/x-ndjson; charset=utf-8, text/event-stream', JSON_LINES],
    ['text/event-stream;q=0, application/x-ndjson', JSON_LINES],
    ['text/event-stream; q=0.000', null],
    ['text/event-streams', null],
  ] as const) {
    it(`is ${format?.contentType ?? 'none'} for ${accept ?? 'no accept'}`, () => {
      assert.equal(streamFormat(accept), format);
    });
  }
});
