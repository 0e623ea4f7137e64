/**
 * WebSocket framing as RFC 6455 has it, byte by byte: what is wrong ends that connection with the
 * right code and no other, what is right but unusual works; and peers that are gone are found.
 */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { Peer, startServer, stopAll, type TestServer, until } from './harness.js';

const HANDSHAKE =
  'GET /any HTTP/1.1\r\nhost: localhost\r\nupgrade: WebSocket\r\n' +
  'connection: keep-alive, Upgrade\r\nsec-websocket-version: 13\r\n' +
  `sec-websocket-key: ${Buffer.alloc(16).toString('base64')}\r\n\r\n`;
const OK = 'GET /plain HTTP/1.1\r\nid: 1\r\n\r\n';
const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

interface FrameOptions {
  readonly final?: boolean;
  readonly masked?: boolean;
  readonly reservedBits?: number;
  /** Written instead of the length of the payload, as 64 bits. */
  readonly length64?: bigint;
}

/** A frame as latin1, as a client sends it (masked with zeros). */
function frame(opcode: number, payload: string, options: FrameOptions = {}): string {
  const { final = true, masked = true, reservedBits = 0, length64 } = options;
  const first = (final ? 0x80 : 0) | (reservedBits << 4) | opcode;
  const maskBit = masked ? 0x80 : 0;
  let head: number[];
  if (length64 !== undefined) {
    const bytes = Array.from({ length: 8 }, (_, i) =>
      Number((length64 >> BigInt(56 - 8 * i)) & 0xffn),
    );
    head = [first, maskBit | 127, ...bytes];
  } else if (payload.length < 126) {
    head = [first, maskBit | payload.length];
  } else {
    head = [first, maskBit | 126, payload.length >> 8, payload.length & 0xff];
  }
  return String.fromCharCode(...head) + (masked ? '\0\0\0\0' : '') + payload;
}

/** What is wrong, the bytes, and the code of the close frame that answers them. */
const WRONG: readonly (readonly [what: string, bytes: string, code: number])[] = [
  ['a frame without a mask', frame(BINARY, OK, { masked: false }), 1002],
  ['a reserved bit', frame(BINARY, OK, { reservedBits: 1 }), 1002],
  ['the bit of a compression that was not agreed', frame(BINARY, OK, { reservedBits: 4 }), 1002],
  ['an unknown opcode', frame(3, OK), 1002],
  ['an unknown control opcode', frame(11, ''), 1002],
  ['a control frame of 126 bytes', frame(PING, 'x'.repeat(126)), 1002],
  ['a control frame in fragments', frame(PING, 'x', { final: false }), 1002],
  ['a continuation of nothing', frame(0, OK), 1002],
  ['a message within a message', frame(BINARY, 'a', { final: false }) + frame(BINARY, 'b'), 1002],
  ['a length with its top bit set', frame(BINARY, '', { length64: 1n << 63n }), 1009],
  ['a length of more than the limit', frame(BINARY, '', { length64: 1n << 40n }), 1009],
  ['text that is not UTF-8', frame(TEXT, '\xff\xfe'), 1007],
  ['a close frame of one byte', frame(CLOSE, 'x'), 1002],
  ['a close frame with a code that is none', frame(CLOSE, '\x00\x01'), 1002],
  ['a close frame with a reason that is not UTF-8', frame(CLOSE, '\x03\xe8\xff'), 1007],
];

describe('WebSocket framing', () => {
  let server: TestServer;
  beforeEach(async () => {
    server = await startServer();
  });
  afterEach(stopAll);

  async function upgraded(behind = ''): Promise<Peer> {
    const peer = await Peer.connect(server.port);
    peer.write(HANDSHAKE + behind);
    await until(() => peer.text.includes('\r\n\r\n'));
    assert.match(peer.text, /^HTTP\/1\.1 101 .*\r\nSec-WebSocket-Accept: /s);
    assert.doesNotMatch(peer.text, /permessage-deflate/i);
    peer.received = peer.text.slice(peer.text.indexOf('\r\n\r\n') + 4);
    return peer;
  }

  /** The frames that have come: opcode and payload. */
  function frames(peer: Peer): { opcode: number; payload: string }[] {
    const bytes = Buffer.from(peer.text, 'latin1');
    const found = [];
    for (let at = 0; at < bytes.length;) {
      const short = bytes.readUInt8(at + 1);
      const start = at + (short < 126 ? 2 : 4);
      const length = short < 126 ? short : bytes.readUInt16BE(at + 2);
      const payload = bytes.toString('latin1', start, start + length);
      found.push({ opcode: bytes.readUInt8(at) & 0x0f, payload });
      at = start + length;
    }
    return found;
  }

  for (const [what, bytes, code] of WRONG) {
    it(`with ${what} ends with ${code}`, async () => {
      const peer = await upgraded();
      peer.write(bytes);
      await peer.untilEnd();
      const last = frames(peer).at(-1);
      assert.equal(last?.opcode, CLOSE);
      assert.equal(Buffer.from(last.payload, 'latin1').readUInt16BE(0), code);
      const other = await upgraded();
      other.write(frame(BINARY, OK));
      await until(() => other.text.includes('HTTP/1.1 200 OK'));
    });
  }

  it('takes a message that came in the same packet as the handshake', async () => {
    const peer = await upgraded(frame(BINARY, OK));
    await until(() => peer.text.includes('id: 1'));
  });

  it('takes a message cut at every byte, fragments and pings between them', async () => {
    const peer = await upgraded();
    const bytes =
      frame(BINARY, OK.slice(0, 9), { final: false }) + frame(PING, 'p') + frame(0, OK.slice(9));
    for (const byte of bytes) peer.write(byte);
    await until(() => peer.text.includes('id: 1'));
    assert.deepEqual(frames(peer)[0], { opcode: PONG, payload: 'p' });
  });

  it('answers a close with the same', async () => {
    const peer = await upgraded();
    peer.write(frame(CLOSE, '\x03\xe8bye'));
    await peer.untilEnd();
    assert.deepEqual(frames(peer), [{ opcode: CLOSE, payload: '\x03\xe8bye' }]);
    peer.socket.end();
    await until(() => server.listener.connectionCount === 0);
  });

  it('ends a peer that leaves two pings unanswered, and no other', async () => {
    const connect = (autoPong: boolean): WebSocket =>
      new WebSocket(`ws://127.0.0.1:${server.port}/`, { autoPong });
    const [answers, silent] = [connect(true), connect(false)];
    await Promise.all([once(answers, 'open'), once(silent, 'open')]);
    const gone = once(silent, 'close');
    for (let n = 0; n < 3; n++) {
      const pinged = once(answers, 'ping');
      server.clock.advance(32_000);
      await pinged;
      // The answer to a ping of ours comes behind what was made of its pong.
      answers.ping();
      await once(answers, 'pong');
    }
    await gone;
    answers.send('GET /plain HTTP/1.1\r\nid: 1\r\n\r\n');
    await once(answers, 'message');
    answers.terminate();
  });

  it('does not pile up answers to pings of a peer that does not read', async () => {
    await stopAll();
    server = await startServer({ limits: { unsentBytesMax: 64 * 1024 } });
    const peer = await upgraded();
    peer.socket.pause();
    const flood = frame(PING, 'x'.repeat(125)).repeat(1000);
    const before = process.memoryUsage.rss();
    for (let n = 0; n < 200; n++) {
      if (!peer.socket.write(flood, 'latin1')) await once(peer.socket, 'drain');
    }
    const grownMiB = (process.memoryUsage.rss() - before) / 1024 / 1024;
    assert(grownMiB < 100, `${grownMiB.toFixed()} MiB`);
  });
});
