/**
 * The same bytes to our decoder and to Node's own HTTP server: when both take a message, both must
 * see the same end of its body, or a proxy between them could be made to smuggle a request.
 */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import fc from 'fast-check';
import type { Message } from '../../../src/protocol/message.js';
import { decode } from './decoding.js';
import { limits } from './malformed.js';

const numRuns = Math.ceil(Number(process.env.ZBUS_FAST_CHECK_RUNS ?? 10_000) / 2);

interface Taken {
  readonly method: string;
  readonly url: string;
  /** null while it is not complete. */
  body: string | null;
}

/**
 * What follows each generated message: a wrong end of the body before it shows in what becomes of
 * this.
 */
const MARKER = 'GET /marker HTTP/1.1\r\nhost: m\r\nconnection: close\r\n\r\n';

const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nhost: s\r\nx: 1\r\n\r\n';
const CHUNKED = 'POST /a HTTP/1.1\r\nhost: a\r\nTransfer-Encoding: chunked\r\n\r\n';
const valid = [
  'GET /a HTTP/1.1\r\nhost: a\r\n\r\n',
  'POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello',
  `POST /a HTTP/1.1\r\nhost: a\r\nContent-Length: 43\r\n\r\n${SMUGGLED}..`,
  'POST /a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  `${CHUNKED}5;e=1\r\nhello\r\n2\r\n..\r\n0\r\nt: 1\r\nu: 2\r\n\r\n`,
  `${CHUNKED}29\r\n${SMUGGLED}\r\n0\r\n\r\n`,
  'POST /a HTTP/1.0\r\nhost: a\r\ncontent-length: 3\r\nconnection: keep-alive\r\n\r\nabc',
  'OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n',
  'PUT http://a/b?c HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nab',
  `POST /a HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\nhello`,
];
const inserted = [
  '\r',
  '\n',
  '\r\n',
  '\r\n\r\n',
  ' ',
  '\t',
  '\0',
  '\x0b',
  ':',
  ',',
  ';',
  '+',
  '-',
  '0',
  '1',
  '5',
  'a',
  'F',
  'x',
  '0x',
  'content-length: 5\r\n',
  'content-length: 0\r\n',
  'transfer-encoding: chunked\r\n',
  'transfer-encoding: identity\r\n',
  'transfer-encoding:\tchunked\r\n',
  'Content-Length : 5\r\n',
  'expect: 100-continue\r\n',
  'connection: close\r\n',
  'host: b\r\n',
  ' chunked',
  ', chunked',
  '0\r\n\r\n',
  '5\r\n',
  '\x80',
  '\xff',
];

interface Edit {
  readonly place: number;
  readonly removed: number;
  readonly text: string;
}

const edit: fc.Arbitrary<Edit> = fc.record({
  place: fc.nat({ max: 200 }),
  removed: fc.constantFrom(0, 0, 1, 2),
  text: fc.oneof(fc.constant(''), fc.constantFrom(...inserted)),
});
const mutated = fc
  .tuple(fc.constantFrom(...valid), fc.array(edit, { maxLength: 3 }))
  .map(([text, edits]) =>
    edits.reduce((now, { place, removed, text: added }) => {
      const at = place % (now.length + 1);
      return now.slice(0, at) + added + now.slice(at + removed);
    }, text),
  );

function takenOf({ method, url, body }: Message): Taken {
  return { method, url, body: body.toString('latin1') };
}

/** A server that notes, per connection, what it took. */
class Reference {
  readonly #server: Server;
  readonly #taken = new Map<number, Taken[]>();

  constructor() {
    this.#server = createServer({ requireHostHeader: false }, (request, response) => {
      void this.#take(request, () => response.end());
    });
    this.#server.on('clientError', (_, socket) => socket.destroy());
  }

  async listen(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  async close(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }

  /** What Node takes of `bytes` before it answers the last, refuses, or meets their end. */
  async takes(bytes: Buffer): Promise<Taken[]> {
    const { port } = this.#server.address() as AddressInfo;
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    const { localPort = 0 } = socket;
    this.#taken.set(localPort, []);
    socket.on('error', () => socket.destroy());
    socket.resume().end(bytes);
    await once(socket, 'close');
    const taken = this.#taken.get(localPort) ?? [];
    this.#taken.delete(localPort);
    const unfinished = taken.findIndex(({ body }) => body === null);
    return unfinished === -1 ? taken : taken.slice(0, unfinished);
  }

  async #take(request: IncomingMessage, answer: () => void): Promise<void> {
    const { method = '', url = '' } = request;
    const { remotePort = 0 } = request.socket;
    const taken: Taken = { method, url, body: null };
    this.#taken.get(remotePort)?.push(taken);
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer);
    } catch {
      return;
    }
    taken.body = Buffer.concat(chunks).toString('latin1');
    answer();
  }
}

describe('decoder against node:http', function () {
  this.timeout(600_000);
  const reference = new Reference();
  let compared = 0;

  before(() => reference.listen());
  after(() => reference.close());

  for (const text of valid) {
    it(`takes alike: ${JSON.stringify(text.slice(0, 90))}`, async () => {
      const bytes = Buffer.from(text + MARKER, 'latin1');
      const theirs = await reference.takes(bytes);
      assert.equal(theirs.at(-1)?.url, '/marker');
      assert.deepEqual(decode(bytes, limits).messages.map(takenOf), theirs);
    });
  }

  it('takes what it takes with the same body, or not at all', async () => {
    await fc.assert(
      fc.asyncProperty(mutated, async (text) => {
        const bytes = Buffer.from(text + MARKER, 'latin1');
        const ours = decode(bytes, limits).messages.map(takenOf);
        const theirs = await reference.takes(bytes);
        const both = Math.min(ours.length, theirs.length);
        compared += both;
        assert.deepEqual(ours.slice(0, both), theirs.slice(0, both));
      }),
      { numRuns },
    );
  });

  it('compared a message in most runs', () => {
    assert.ok(compared > numRuns / 2, `${compared} messages compared in ${numRuns} runs`);
  });
});
