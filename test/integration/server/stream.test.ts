/**
 * A reply that is a stream, on the wire: its head and its framing, its place among the replies of
 * the connection, its signs of life, and what a delivery in it is told.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import type { Exchange, ReplyStream } from '../../../src/broker/exchange.js';
import { Peer, RecordedDelivery, SmallBroker, startServer, stopAll, until } from './harness.js';

const SSE = 'text/event-stream';

/** Answers /stream by a stream; the rest as SmallBroker does. */
class StreamingBroker extends SmallBroker {
  readonly streams: ReplyStream[] = [];
  readonly exchanges: Exchange[] = [];
  /** Of requests to /stream that were not asked for as a stream. */
  plain = 0;

  readonly take = (exchange: Exchange): void => {
    const { stream, request } = exchange;
    if (request.url !== '/stream') {
      this.handle(exchange);
    } else if (stream === null || stream === undefined) {
      this.plain++;
      exchange.answer(200, '', 'plain');
    } else {
      this.exchanges.push(exchange);
      this.streams.push(stream);
      if (request.method !== 'HEAD') exchange.wait();
      stream.queue();
    }
  };
}

async function start(options = {}) {
  const streaming = new StreamingBroker();
  const server = await startServer({ handle: streaming.take, ...options });
  return { ...server, streaming, peer: await Peer.connect(server.port) };
}

function ask(url: string, { method = 'GET', version = '1.1', lines = '' } = {}): string {
  return `${method} ${url} HTTP/${version}\r\nhost: localhost\r\n${lines}\r\n`;
}

function askStream(options: Parameters<typeof ask>[1] & { accept?: string } = {}): string {
  const { accept = SSE, lines = '' } = options;
  return ask('/stream', { ...options, lines: `accept: ${accept}\r\n${lines}` });
}

async function firstStream({ streams }: StreamingBroker): Promise<ReplyStream> {
  await until(() => streams.length > 0);
  const [stream] = streams;
  assert(stream);
  return stream;
}

const HEAD =
  'HTTP/1.1 200 OK\r\nx-content-type-options: nosniff\r\ncontent-type: text/event-stream\r\n' +
  'cache-control: no-store\r\nx-accel-buffering: no\r\n';
const DATE_LINE = /^date: .*\r\n/gm;
const CHUNKED_HEAD = `${HEAD}transfer-encoding: chunked\r\nconnection: close\r\n\r\n`;
const OPENING = 'd\r\nretry: 1000\n\n\r\n';

/** Without the date, which each reply has once. */
function dateless(text: string): string {
  assert.equal(text.match(DATE_LINE)?.length, 1);
  return text.replace(DATE_LINE, '');
}

describe('a stream', () => {
  afterEach(stopAll);

  it('sends its head at once, pieces as they come, and the last chunk', async () => {
    const { peer, streaming } = await start();
    peer.write(askStream());
    const stream = await firstStream(streaming);
    await until(() => peer.text.length > 0);
    assert.equal(dateless(peer.text), CHUNKED_HEAD + OPENING);
    stream.write('piece', null);
    await until(() => peer.text.endsWith('5\r\npiece\r\n'));
    stream.write('x'.repeat(16), null);
    stream.end();
    const all = await peer.untilEnd();
    assert.equal(
      dateless(all),
      `${CHUNKED_HEAD}${OPENING}5\r\npiece\r\n10\r\n${'x'.repeat(16)}\r\n0\r\n\r\n`,
    );
  });

  it('lasts to the end of the connection for HTTP/1.0, also with keep-alive', async () => {
    const { peer, streaming } = await start();
    peer.write(askStream({ version: '1.0', lines: 'connection: keep-alive\r\n' }));
    const stream = await firstStream(streaming);
    stream.write('piece', null);
    stream.end();
    assert.equal(
      dateless(await peer.untilEnd()),
      `${HEAD}connection: close\r\n\r\nretry: 1000\n\npiece`,
    );
  });

  it('of JSON lines says so and has no opening', async () => {
    const { peer, streaming } = await start();
    peer.write(askStream({ accept: 'application/x-ndjson' }));
    (await firstStream(streaming)).end();
    const head = CHUNKED_HEAD.replace(SSE, 'application/x-ndjson; charset=utf-8');
    assert.equal(dateless(await peer.untilEnd()), `${head}0\r\n\r\n`);
  });

  it('answers HEAD with its head alone', async () => {
    const { peer, streaming } = await start();
    peer.write(askStream({ method: 'HEAD' }));
    assert.equal(dateless(await peer.untilEnd()), CHUNKED_HEAD);
    const delivery = new RecordedDelivery();
    (await firstStream(streaming)).write('late', delivery);
    assert.equal(delivery.undeliveredCount, 1);
  });

  it('repeats an id, and has none that was not asked for', async () => {
    const { peer, streaming } = await start();
    peer.write(askStream({ lines: 'id: 42\r\n' }));
    (await firstStream(streaming)).end();
    assert.match(await peer.untilEnd(), /^HTTP\/1\.1 200 OK\r\nid: 42\r\n/);
  });

  it('begins behind every reply that was asked for before it, named or not', async () => {
    const { peer, streaming } = await start();
    const named = ask('/hold', { lines: 'id: n\r\n' });
    peer.write(ask('/echo') + ask('/hold') + named + askStream());
    const stream = await firstStream(streaming);
    const [first, second] = streaming.held;
    await peer.reply();
    assert.equal(stream.begun, false);
    first?.answer(200, '', 'one');
    assert.equal(stream.begun, false);
    second?.answer(200, '', 'two');
    assert.equal(stream.begun, true);
    assert.deepEqual(
      (await peer.replies(2)).map(({ body }) => body),
      ['one', 'two'],
    );
    await until(() => peer.text.includes(OPENING));
    assert.equal(dateless(peer.text), CHUNKED_HEAD + OPENING);
  });

  it('tells who passed it over when it begins', async () => {
    const { peer, streaming } = await start();
    peer.write(ask('/hold') + askStream());
    await firstStream(streaming);
    let writable = 0;
    streaming.exchanges[0]?.session.onWritable(() => writable++);
    streaming.held[0]?.answer(200, '', '');
    assert.equal(writable, 1);
  });

  it('is the last thing on its connection: what comes behind is not carried out', async () => {
    const { peer, streaming } = await start();
    peer.write(askStream() + ask('/echo') + ask('/echo', { lines: 'id: n\r\n' }));
    const stream = await firstStream(streaming);
    stream.end();
    assert.equal(dateless(await peer.untilEnd()), `${CHUNKED_HEAD}${OPENING}0\r\n\r\n`);
    assert.equal(streaming.handled, 0);
  });

  it('leaves no room for another answer once it has begun', async () => {
    const { peer, streaming } = await start();
    peer.write(askStream());
    const stream = await firstStream(streaming);
    const [exchange] = streaming.exchanges;
    assert.equal(exchange?.alive, false);
    exchange.answer(500, '', 'no');
    exchange.silence();
    stream.write('still', null);
    stream.end();
    stream.end();
    assert.equal(
      dateless(await peer.untilEnd()),
      `${CHUNKED_HEAD}${OPENING}5\r\nstill\r\n0\r\n\r\n`,
    );
  });

  it('may be answered otherwise before it has begun', async () => {
    const { peer, streaming } = await start();
    peer.write(ask('/hold') + askStream());
    await firstStream(streaming);
    streaming.exchanges[0]?.answer(404, '', 'gone');
    streaming.held[0]?.answer(200, '', '');
    const [, reply] = await peer.replies(2);
    assert.deepEqual([reply?.status, reply?.body], [404, 'gone']);
    assert.equal(await peer.untilEnd(), '');
  });

  it('does not begin for a peer that left while it waited for its turn', async () => {
    const { peer, streaming } = await start();
    peer.write(ask('/hold', { lines: 'id: n\r\n' }) + askStream({ lines: 'id: s\r\n' }));
    const stream = await firstStream(streaming);
    peer.socket.end();
    await until(() => streaming.exchanges[0]?.session.ended === true);
    streaming.held[0]?.answer(200, '', 'owed');
    assert.equal((await peer.reply()).body, 'owed');
    assert.equal(await peer.untilEnd(), '');
    assert.equal(stream.begun, false);
  });

  it('is not for WebSocket frames, which stay one message each', async () => {
    const { streaming, port } = await start();
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
    await once(socket, 'open');
    for (let n = 0; n < 2; n++) {
      const reply = once(socket, 'message');
      socket.send(askStream({ lines: `id: ${n}\r\n` }));
      assert.match(String(await reply), /\r\nconnection: Keep-Alive\r\n[^]*\r\n\r\nplain/);
    }
    assert.equal(streaming.plain, 2);
    socket.close();
  });
});

describe('signs of life in a stream', () => {
  afterEach(stopAll);

  it('come after 15 seconds without a message, again and again, and end no stream', async () => {
    const { peer, clock, streaming } = await start({ timeouts: { idleMs: 10_000 } });
    peer.write(askStream());
    const stream = await firstStream(streaming);
    await until(() => peer.text.endsWith(OPENING));
    clock.advance(15_000);
    stream.write('busy', null);
    clock.advance(15_000);
    await until(() => peer.text.endsWith('4\r\nbusy\r\n'));
    const before = peer.text.length;
    clock.advance(3000);
    await until(() => peer.text.length > before);
    assert.equal(peer.text.slice(before), '3\r\n:\n\n\r\n');
    clock.advance(600_000);
    await until(() => peer.text.length > before + 30 * 8);
    assert.match(peer.text.slice(before), /^(3\r\n:\n\n\r\n)+$/);
    assert.equal(peer.ended, false);
  });
});

describe('a delivery in a stream', () => {
  afterEach(stopAll);

  it('is delivered once the kernel has its bytes', async () => {
    const { peer, streaming } = await start();
    peer.write(askStream());
    const stream = await firstStream(streaming);
    const deliveries = Array.from({ length: 3 }, () => new RecordedDelivery());
    for (const delivery of deliveries) stream.write('x', delivery);
    assert(deliveries.every(({ settled }) => settled === 0));
    await until(() => deliveries.every(({ deliveredCount }) => deliveredCount === 1));
  });

  it('comes back when the connection breaks first, and when it broke before', async () => {
    const { peer, streaming } = await start();
    peer.socket.pause();
    peer.write(askStream());
    const stream = await firstStream(streaming);
    const deliveries: RecordedDelivery[] = [];
    // More than any socket takes.
    for (let n = 0; n < 256; n++) {
      const delivery = new RecordedDelivery();
      deliveries.push(delivery);
      stream.write('x'.repeat(64 * 1024), delivery);
    }
    assert.equal(streaming.exchanges[0]?.congested, true);
    await until(() => deliveries.some(({ deliveredCount }) => deliveredCount === 1));
    peer.socket.resetAndDestroy();
    await until(() => deliveries.every(({ settled }) => settled === 1));
    const back = deliveries.filter(({ undeliveredCount }) => undeliveredCount === 1);
    assert(back.length > 0 && back.length < deliveries.length);
    assert.equal(stream.open, false);
    const late = new RecordedDelivery();
    stream.write('x', late);
    assert.deepEqual([late.deliveredCount, late.undeliveredCount], [0, 1]);
  });

  it('holds up no other: a peer that does not read for too long is cut off', async () => {
    const { peer, clock, streaming } = await start({ timeouts: { stalledWriteMs: 5000 } });
    peer.socket.pause();
    peer.write(askStream());
    const stream = await firstStream(streaming);
    const delivery = new RecordedDelivery();
    stream.write('x'.repeat(32 * 1024 * 1024), delivery);
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(8000);
    await until(() => delivery.undeliveredCount === 1);
  });
});
