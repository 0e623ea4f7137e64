/** What the decoder promises: messages, limits, states, and what it costs. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { Decoder } from '../../../src/protocol/codec.js';
import { cutAt, cutEvery, decode, decodeChunks, nothing } from './decoding.js';
import { headOfBytes, headOfHeaders, limits } from './malformed.js';

const AB =
  'GET /produce/T2 HTTP/1.0\r\nConnection: Keep-Alive\r\nHost: localhost:15555\r\n' +
  'User-Agent: ApacheBench/2.3\r\nAccept: */*\r\n\r\n';
const PRODUCE =
  'GET / HTTP/1.1\r\ncmd: produce\r\ntopic: T\r\nid: p1\r\ncontent-length: 6\r\n\r\ntagged';
const CHUNKED = 'POST /produce/T HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n';

function decodeText(text: string, limit = limits): ReturnType<typeof decode> {
  return decode(Buffer.from(text, 'latin1'), limit);
}

function bodies(text: string): string[] {
  const { messages, outcome, reason } = decodeText(text);
  assert.equal(outcome, 'idle', reason);
  return messages.map(({ body }) => body.toString('latin1'));
}

function headersOf(lines: string): [string, string][] {
  const { messages } = decodeText(`GET / HTTP/1.1\r\n${lines}\r\n`);
  return [...(messages[0]?.headers ?? [])];
}

describe('decoder: requests', () => {
  it('reads what ApacheBench sends', () => {
    const { messages } = decodeText(AB);
    assert.deepEqual(messages, [
      {
        method: 'GET',
        url: '/produce/T2',
        status: 0,
        httpMinor: 0,
        headers: new Map([
          ['connection', 'Keep-Alive'],
          ['host', 'localhost:15555'],
          ['user-agent', 'ApacheBench/2.3'],
          ['accept', '*/*'],
        ]),
        body: Buffer.alloc(0),
      },
    ]);
  });

  it('reads two requests in one write', () => {
    assert.deepEqual(bodies(PRODUCE + PRODUCE), ['tagged', 'tagged']);
  });

  it('takes no body where no length is announced', () => {
    assert.deepEqual(bodies(`GET / HTTP/1.1\r\ncmd: ping\r\n\r\n${PRODUCE}`), ['', 'tagged']);
  });

  it('writes names in lower case, trims values and keeps their bytes', () => {
    assert.deepEqual(headersOf('X-MiNe: \t v 1 \t\r\nempty:\r\ntag: \xe4\xbb\xb7\r\n'), [
      ['x-mine', 'v 1'],
      ['empty', ''],
      ['tag', '\xe4\xbb\xb7'],
    ]);
  });

  it('joins the values of a name that comes again', () => {
    assert.deepEqual(headersOf('x: 1\r\ny: 2\r\nX: 3\r\n'), [
      ['x', '1, 3'],
      ['y', '2'],
    ]);
  });

  it('treats __proto__ and constructor as any other name', () => {
    assert.deepEqual(headersOf('__proto__: a\r\nconstructor: b\r\n'), [
      ['__proto__', 'a'],
      ['constructor', 'b'],
    ]);
    assert.equal(({} as { a?: unknown }).a, undefined);
  });

  it('overlooks up to four empty lines before a request, each time', () => {
    const empty = '\r\n'.repeat(4);
    assert.deepEqual(bodies(empty + PRODUCE + empty + PRODUCE), ['tagged', 'tagged']);
  });

  it('takes a later minor version for 1.1', () => {
    assert.equal(decodeText('GET / HTTP/1.9\r\n\r\n').messages[0]?.httpMinor, 1);
  });

  it('passes bytes above ASCII in a URL through', () => {
    assert.equal(decodeText('GET /\xc3\xa9 HTTP/1.1\r\n\r\n').messages[0]?.url, '/\xc3\xa9');
  });

  it('tells heads apart that differ in their last byte', () => {
    const urls = ['/a1', '/a2', '/a1', '/a1'].map((url) => `GET ${url} HTTP/1.1\r\nx: 1\r\n\r\n`);
    for (const chunks of [[urls.join('')], urls]) {
      const { messages } = decodeChunks(
        chunks.map((text) => Buffer.from(text)),
        limits,
      );
      assert.deepEqual(
        messages.map(({ url }) => url),
        ['/a1', '/a2', '/a1', '/a1'],
      );
    }
  });

  it('gives each of the same requests its own body', () => {
    const head = 'POST /produce/T HTTP/1.1\r\ncontent-length: 1\r\n\r\n';
    assert.deepEqual(bodies(`${head}1${head}2${head}3`), ['1', '2', '3']);
  });

  it('gives each of the same heads the body that comes behind it in another write', () => {
    const head = 'POST /produce/T HTTP/1.1\r\ncontent-length: 2\r\n\r\n';
    const writes = Array.from({ length: 40 }, (_, i) => [head, String(10 + i)]).flat();
    const { messages } = decodeChunks(
      writes.map((text) => Buffer.from(text)),
      limits,
    );
    assert.deepEqual(
      messages.map(({ body }) => body.toString()),
      Array.from({ length: 40 }, (_, i) => String(10 + i)),
    );
  });

  it('does not take the rest of a head and its body for a head seen before', () => {
    const head = 'POST / HTTP/1.1\r\ncontent-length: 10\r\n\r\n';
    const rest = Buffer.from(`${head.slice(10)}0123456789`);
    assert.equal(rest.length, head.length);
    const { messages, outcome } = decodeChunks(
      [Buffer.from(head.slice(0, 10)), rest, rest],
      limits,
    );
    assert.deepEqual([messages.length, outcome], [1, 400]);
  });

  it('notices a line that moved, went or came between two heads', () => {
    const head = (lines: string) => `GET / HTTP/1.1\r\nid: 1\r\n${lines}\r\n`;
    const variants = ['a: 1\r\nb: 2\r\n', 'b: 2\r\na: 1\r\n', 'a: 1\r\n', '', 'a: 1\r\nc: 2\r\n'];
    const many = Array.from({ length: 20 }, () => variants).flat();
    const { messages } = decodeText(many.map(head).join(''));
    const expected = many.map((lines) => [['id', '1'], ...headersOf(lines)]);
    assert.deepEqual(
      messages.map(({ headers }) => [...headers]),
      expected,
    );
  });
});

describe('decoder: replies', () => {
  function replies(text: string): ReturnType<typeof decode> {
    return decodeChunks([Buffer.from(text)], limits, 'reply');
  }

  it('reads status, headers and body', () => {
    const { messages } = replies('HTTP/1.1 404 Not Found\r\nid: 1\r\ncontent-length: 2\r\n\r\nno');
    const [reply] = messages;
    assert.deepEqual([reply?.status, reply?.method, reply?.url], [404, '', '']);
    assert.equal(reply?.body.toString(), 'no');
  });

  it('reads a status line without a reason', () => {
    const { messages } = replies('HTTP/1.1 200 \r\n\r\nHTTP/1.1 200\r\n\r\n');
    assert.equal(messages.length, 2);
  });

  it('takes no body behind 100, 204 and 304, whatever their headers say', () => {
    const { messages, outcome } = replies(
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n' +
        'HTTP/1.1 304 Not Modified\r\ntransfer-encoding: chunked\r\n\r\n',
    );
    assert.deepEqual([messages.length, outcome], [3, 'idle']);
  });

  it('refuses a request', () => {
    assert.equal(replies(PRODUCE).outcome, 400);
  });

  it('refuses a status that is not three digits', () => {
    for (const status of ['20', '2000', '+20', '099', 'abc']) {
      assert.equal(replies(`HTTP/1.1 ${status} OK\r\n\r\n`).outcome, 400, status);
    }
  });
});

describe('decoder: bodies', () => {
  it('hands out a body that lies in one chunk as a view', () => {
    const bytes = Buffer.from(PRODUCE);
    let body: Buffer = Buffer.alloc(0);
    const decoder = new Decoder(limits, {
      onMessage: (message) => (body = message.body),
      onContinue: () => undefined,
    });
    decoder.push(bytes);
    assert.equal(body.buffer, bytes.buffer);
  });

  it('does not allocate what is announced before it comes', () => {
    const head = `POST / HTTP/1.1\r\ncontent-length: ${limits.bodyBytesMax}\r\n\r\nx`;
    const before = process.memoryUsage().arrayBuffers;
    const decoders = Array.from({ length: 100 }, () => {
      const decoder = new Decoder(limits, nothing);
      decoder.push(Buffer.from(head));
      return decoder;
    });
    const grown = process.memoryUsage().arrayBuffers - before;
    assert.ok(grown < 4 * 1024 * 1024, `${grown} bytes for 100 bodies that have not come`);
    assert.ok(decoders.every(({ state }) => state === 'body'));
  });

  it('collects a body that comes byte by byte in time linear in its length', () => {
    const cost = (bytes: number): number => {
      const text = `POST / HTTP/1.1\r\ncontent-length: ${bytes}\r\n\r\n${'b'.repeat(bytes)}`;
      const chunks = cutEvery(Buffer.from(text), 1);
      const before = process.cpuUsage();
      assert.equal(decodeChunks(chunks, limits).messages[0]?.body.length, bytes);
      return process.cpuUsage(before).user;
    };
    cost(50_000);
    const small = Math.max(cost(50_000), 2000);
    const large = cost(400_000);
    assert.ok(large < 32 * small, `8 times the bytes took ${large / small} times as long`);
  });

  it('joins chunks, and drops extensions and trailers', () => {
    const text = `${CHUNKED}3;name=value\r\nabc\r\n8;x\r\n01234567\r\n0\r\nid: 7\r\nx: y\r\n\r\n`;
    assert.deepEqual(bodies(text + PRODUCE), ['abc01234567', 'tagged']);
    assert.equal(decodeText(text).messages[0]?.headers.has('id'), false);
  });

  it('reads an empty chunked body', () => {
    assert.deepEqual(bodies(`${CHUNKED}0\r\n\r\n${PRODUCE}`), ['', 'tagged']);
  });

  it('says that the peer waits for 100 only while nothing of the body is here', () => {
    const head = 'POST / HTTP/1.1\r\nExpect: 100-Continue\r\ncontent-length: 2\r\n\r\n';
    const continues = (...chunks: string[]) =>
      decodeChunks(
        chunks.map((text) => Buffer.from(text)),
        limits,
      ).continues;
    assert.equal(continues(head, 'ab'), 1);
    assert.equal(continues(`${head}ab`), 0);
    assert.equal(continues(`${head}a`, 'b'), 0);
    assert.equal(continues(head, 'ab', head, 'ab'), 2);
    assert.equal(continues(head.replace('1.1', '1.0'), 'ab'), 0);
    assert.equal(continues(head.replace('length: 2', 'length: 0')), 0);
    assert.equal(continues(head.replace('content-length: 2', 'transfer-encoding: chunked')), 1);
  });
});

describe('decoder: limits', () => {
  it('takes a head of headerBytesMax and of one less', () => {
    for (const bytes of [limits.headerBytesMax, limits.headerBytesMax - 1]) {
      const head = Buffer.from(headOfBytes(bytes));
      assert.equal(head.length, bytes);
      for (const chunks of [[head], cutEvery(head, 1), cutEvery(head, 4097)]) {
        assert.equal(decodeChunks(chunks, limits).messages.length, 1);
      }
    }
  });

  it('takes headersMax headers and one less', () => {
    for (const count of [limits.headersMax, limits.headersMax - 1]) {
      assert.equal(decodeText(headOfHeaders(count)).messages[0]?.headers.size, count);
    }
  });

  it('takes a body of bodyBytesMax and refuses one more, whole or in chunks', () => {
    const limit = { ...limits, bodyBytesMax: 1000 };
    const whole = (bytes: number) =>
      decodeText(`POST / HTTP/1.1\r\ncontent-length: ${bytes}\r\n\r\n${'b'.repeat(bytes)}`, limit);
    const chunked = (bytes: number) => {
      const last = (bytes - 600).toString(16);
      const chunks = `258\r\n${'b'.repeat(600)}\r\n${last}\r\n${'b'.repeat(bytes - 600)}\r\n`;
      return decodeText(`${CHUNKED}${chunks}0\r\n\r\n`, limit);
    };
    for (const send of [whole, chunked]) {
      assert.equal(send(999).messages[0]?.body.length, 999);
      assert.equal(send(1000).messages[0]?.body.length, 1000);
      assert.equal(send(1001).outcome, 413);
    }
  });

  it('refuses a start line without end as soon as it is over the limit', () => {
    const decoder = new Decoder(limits, nothing);
    decoder.push(Buffer.alloc(limits.headerBytesMax, 'a'));
    assert.throws(
      () => {
        decoder.push(Buffer.from('a'));
      },
      { status: 414 },
    );
  });

  it('counts the limit of the head anew for each message', () => {
    const head = headOfBytes(limits.headerBytesMax);
    assert.equal(decodeText(head + head + head).messages.length, 3);
  });

  it('reads limits at each use, so that they can be raised', () => {
    const limit = { ...limits, bodyBytesMax: 3 };
    let count = 0;
    const decoder = new Decoder(limit, { ...nothing, onMessage: () => count++ });
    decoder.push(Buffer.from('POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc'));
    limit.bodyBytesMax = 6;
    decoder.push(Buffer.from(PRODUCE));
    assert.equal(count, 2);
  });
});

describe('decoder: states', () => {
  const steps: readonly (readonly [string, 'idle' | 'head' | 'body'])[] = [
    ['', 'idle'],
    ['\r\n', 'idle'],
    ['P', 'head'],
    ['OST / HTTP/1.1\r\n', 'head'],
    ['content-length: 2\r\n', 'head'],
    ['\r', 'head'],
    ['\n', 'body'],
    ['a', 'body'],
    ['b', 'idle'],
    ['GET / HTTP/1.1\r\n\r\n', 'idle'],
    [CHUNKED, 'body'],
    ['1\r\nx\r\n0\r\n', 'body'],
    ['\r\n', 'idle'],
  ];

  it('is idle between messages, and tells head from body', () => {
    const decoder = new Decoder(limits, { ...nothing, onMessage: () => undefined });
    for (const [text, state] of steps) {
      decoder.push(Buffer.from(text));
      assert.equal(decoder.state, state, JSON.stringify(text));
    }
  });

  it('refuses an end in the middle of a message, and only there', () => {
    for (const place of Array.from({ length: PRODUCE.length + 1 }, (_, i) => i)) {
      const decoder = new Decoder(limits, { ...nothing, onMessage: () => undefined });
      decoder.push(Buffer.from(PRODUCE.slice(0, place)));
      const end = () => {
        decoder.end();
      };
      if (place === 0 || place === PRODUCE.length) assert.doesNotThrow(end);
      else assert.throws(end, { status: 400 }, `ended at ${place}`);
    }
  });

  it('is dead behind an error and behind the end', () => {
    const decoder = new Decoder(limits, nothing);
    const push = (text: string) => () => {
      decoder.push(Buffer.from(text));
    };
    assert.throws(push('x\n'), { status: 400 });
    assert.throws(push(AB), { status: 400 });
    const ended = new Decoder(limits, nothing);
    ended.end();
    assert.throws(
      () => {
        ended.push(Buffer.from(AB));
      },
      { status: 400 },
    );
  });

  it('gives the same for 10,000 pipelined requests, cut at any size', () => {
    const bytes = Buffer.from(
      Array.from({ length: 10_000 }, (_, i) => PRODUCE.replace('p1', `p${i}`)).join(''),
    );
    for (const size of [bytes.length, 65_536, 4096, 4095, 1000, 77]) {
      const { messages, outcome } = decodeChunks(cutEvery(bytes, size), limits);
      assert.equal(outcome, 'idle');
      assert.equal(messages.length, 10_000);
      assert.ok(messages.every(({ headers }, i) => headers.get('id') === `p${i}`));
    }
    assert.equal(decodeChunks(cutAt(bytes, [1, 2, 3, 100]), limits).messages.length, 10_000);
  });
});
