/**
 * What the server's tests share: a Listener on a free port of 127.0.0.1 with a small broker of its
 * own, a clock that the test moves, and a raw peer that counts what it gets.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Delivery, Exchange } from '../../../src/broker/exchange.js';
import { Listener, type ListenerOptions } from '../../../src/server/listener.js';
import { Turn } from '../../../src/turn.js';
import { ManualClock } from '../../support/manual-clock.js';

/** A delivery that remembers what it was told. */
export class RecordedDelivery implements Delivery {
  deliveredCount = 0;
  undeliveredCount = 0;

  delivered(): void {
    this.deliveredCount++;
  }

  undelivered(): void {
    this.undeliveredCount++;
  }

  get settled(): number {
    return this.deliveredCount + this.undeliveredCount;
  }
}

/**
 * A broker of a few URLs: /echo answers the body, /plain answers without an id of its own, /silent
 * nothing, /big/N answers N bytes, /hold and /wait leave the exchange to the test, /throw breaks
 * its promise.
 */
export class SmallBroker {
  readonly held: Exchange[] = [];
  readonly waiting: Exchange[] = [];
  handled = 0;

  readonly handle = (exchange: Exchange): void => {
    this.handled++;
    const { url, body } = exchange.request;
    const [, command, argument] = url.split('/');
    if (command === 'echo') exchange.answer(200, 'x-echo: 1\r\n', body);
    else if (command === 'plain') exchange.answerPlain(200, '', 'OK');
    else if (command === 'silent') exchange.silence();
    else if (command === 'none') exchange.answer(204, '', '');
    else if (command === 'big') exchange.answer(200, '', Buffer.alloc(Number(argument), 'b'));
    else if (command === 'hold') this.held.push(exchange);
    else if (command === 'wait') this.#wait(exchange);
    else if (command === 'throw') throw new Error('a broker with a bug');
    else exchange.answer(400, '', `unknown ${url}`);
  };

  #wait(exchange: Exchange): void {
    if (exchange.wait()) this.waiting.push(exchange);
    else exchange.answer(429, '', 'too many wait');
  }
}

export interface LogLine {
  readonly level: 'debug' | 'warn' | 'error';
  readonly message: string;
}

export interface TestServer {
  readonly listener: Listener;
  readonly port: number;
  readonly broker: SmallBroker;
  readonly clock: ManualClock;
  readonly turn: Turn;
  readonly log: LogLine[];
}

const servers: TestServer[] = [];
const peers: Peer[] = [];

export async function startServer(options: Partial<ListenerOptions> = {}): Promise<TestServer> {
  const broker = new SmallBroker();
  const clock = new ManualClock();
  const turn = new Turn();
  const log: LogLine[] = [];
  const write = (level: LogLine['level']) => (_fields: object, message: string) => {
    log.push({ level, message });
  };
  const listener = new Listener({
    host: '127.0.0.1',
    port: 0,
    turn,
    handle: broker.handle,
    log: { debug: write('debug'), warn: write('warn'), error: write('error') },
    clock,
    ...options,
  });
  const { port } = await listener.listen();
  const server = { listener, port, broker, clock, turn, log };
  servers.push(server);
  return server;
}

/** For afterEach: nothing of a test outlives it, however it ended. */
export async function stopAll(): Promise<void> {
  for (const peer of peers.splice(0)) peer.socket.destroy();
  for (const { listener, clock } of servers.splice(0)) {
    const closed = listener.close(0);
    clock.advance(1);
    await closed;
  }
}

export interface Reply {
  readonly status: number;
  readonly headers: Map<string, string>;
  readonly body: string;
}

export class Peer {
  readonly socket: Socket;
  received = '';
  receivedBytes = 0;
  /** Set to false by a test that only counts. */
  keeps = true;
  ended = false;
  closed = false;
  error: Error | null = null;
  #chunks: string[] = [];

  constructor(socket: Socket) {
    this.socket = socket;
    peers.push(this);
    socket.on('data', (chunk: Buffer) => {
      this.receivedBytes += chunk.length;
      if (this.keeps) this.#chunks.push(chunk.toString('latin1'));
    });
    socket.on('end', () => (this.ended = true));
    socket.on('close', () => (this.closed = true));
    socket.on('error', (error) => (this.error = error));
  }

  static async connect(port: number): Promise<Peer> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    const peer = new Peer(socket);
    await once(socket, 'connect');
    return peer;
  }

  write(text: string): void {
    this.socket.write(text, 'latin1');
  }

  get #length(): number {
    return this.#chunks.reduce((sum, chunk) => sum + chunk.length, this.received.length);
  }

  /** All that has come so far and was not taken. */
  get text(): string {
    if (this.#chunks.length > 0) {
      this.received += this.#chunks.join('');
      this.#chunks = [];
    }
    return this.received;
  }

  /** Waits for `count` replies and takes them. `bodyless`: replies to HEAD. */
  async replies(count: number, bodyless = false): Promise<Reply[]> {
    const replies: Reply[] = [];
    while (replies.length < count) {
      const parsed = parseReply(this.text, bodyless);
      if (typeof parsed === 'object') {
        replies.push(parsed.reply);
        this.received = this.text.slice(parsed.bytes);
        continue;
      }
      while (this.#length < parsed) {
        assert(!this.ended && !this.closed, `ended after ${replies.length} of ${count} replies`);
        await this.#change();
      }
    }
    return replies;
  }

  async reply(): Promise<Reply> {
    const [reply] = await this.replies(1);
    assert(reply);
    return reply;
  }

  /** Waits for the server's end and returns what came before it. */
  async untilEnd(): Promise<string> {
    while (!this.ended && !this.closed) await this.#change();
    return this.text;
  }

  async untilClosed(): Promise<void> {
    if (!this.closed) await once(this.socket, 'close');
  }

  async #change(): Promise<void> {
    const { socket } = this;
    await new Promise<void>((resolve) => {
      const settle = (): void => {
        socket.off('data', settle);
        socket.off('end', settle);
        socket.off('close', settle);
        resolve();
      };
      socket.on('data', settle);
      socket.on('end', settle);
      socket.on('close', settle);
    });
  }
}

/**
 * The first reply in `text` and its length, or how long the text must be before one is worth
 * looking for.
 */
function parseReply(text: string, bodyless: boolean): { reply: Reply; bytes: number } | number {
  const blank = text.indexOf('\r\n\r\n');
  if (blank < 0) return text.length + 1;
  const [statusLine = '', ...lines] = text.slice(0, blank).split('\r\n');
  const status = Number(/^HTTP\/1\.1 (\d{3}) /u.exec(statusLine)?.[1]);
  assert(status > 0, `not a status line: ${statusLine}`);
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(': ');
    const name = line.slice(0, colon);
    assert(!headers.has(name), `header twice: ${name}`);
    headers.set(name, line.slice(colon + 2));
  }
  const length = bodyless ? 0 : Number(headers.get('content-length') ?? 0);
  const bytes = blank + 4 + length;
  if (text.length < bytes) return bytes;
  return { reply: { status, headers, body: text.slice(blank + 4, bytes) }, bytes };
}

/**
 * Lets the loop turn until `condition` holds; a test that waits in vain ends by mocha's timeout.
 */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

/** A request with headers, latin1. */
export function request(url: string, headers: Record<string, string> = {}, body = ''): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const length = body === '' ? '' : `content-length: ${body.length}\r\n`;
  return `POST ${url} HTTP/1.1\r\nhost: localhost\r\n${lines.join('')}${length}\r\n${body}`;
}
