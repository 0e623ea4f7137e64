/**
 * A raw client of the broker over TCP, as little as a test needs: frames with a `cmd` header, URLs
 * as curl sends them, replies matched by id. Closed by cleanUp.
 */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { once } from 'node:events';
import { type Socket, connect } from 'node:net';
import { onCleanUp } from './cleanup.js';
import { type Reply, ReplyParser } from './reply-parser.js';

/** Header values are latin1, as they go onto the wire; numbers for convenience. */
export type Headers = Readonly<Record<string, string | number>>;

interface Waiting {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
}

export class Client {
  readonly socket: Socket;
  /** Replies whose id nobody waits for, in the order they came. */
  readonly unclaimed: Reply[] = [];
  readonly #byId = new Map<string, Waiting>();
  readonly #next: Waiting[] = [];
  #ids = 0;
  #closed = false;

  constructor(socket: Socket) {
    this.socket = socket;
    const parser = new ReplyParser((reply) => {
      this.#onReply(reply);
    });
    socket.on('data', (chunk: Buffer) => {
      parser.push(chunk);
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#onClose();
    });
    onCleanUp(() => {
      socket.destroy();
    });
  }

  static async connect(port: number): Promise<Client> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    const client = new Client(socket);
    await once(socket, 'connect');
    return client;
  }

  /** `address:port` as the broker sees this client. */
  get address(): string {
    return `127.0.0.1:${String(this.socket.localPort)}`;
  }

  /** Sends a frame with a fresh id, unless `headers` has one, and waits for the reply to it. */
  request(cmd: string, headers: Headers = {}, body: string | Buffer = ''): Promise<Reply> {
    const id = String(headers.id ?? `req-${this.#ids++}`);
    this.send({ cmd, id, ...headers }, body);
    return this.reply(id);
  }

  /** The reply to `id`, whenever it comes. Rejects when the connection closes before. */
  reply(id: string): Promise<Reply> {
    const place = this.unclaimed.findIndex(({ headers }) => headers.get('id') === id);
    const [there] = place < 0 ? [] : this.unclaimed.splice(place, 1);
    if (there !== undefined) return Promise.resolve(there);
    const promise = new Promise<Reply>((resolve, reject) => {
      if (this.#closed) reject(new Error(`no reply to ${id}: connection closed`));
      else this.#byId.set(id, { resolve, reject });
    });
    // Whoever awaits it sees the failure; a test that leaves a consume waiting does not.
    promise.catch(() => undefined);
    return promise;
  }

  /** As `request`, and asserts the status. */
  async expect(
    status: number,
    cmd: string,
    headers: Headers = {},
    body: string | Buffer = '',
  ): Promise<Reply> {
    const reply = await this.request(cmd, headers, body);
    assert.equal(
      reply.status,
      status,
      `${cmd} ${JSON.stringify(headers)}: ${reply.body.toString()}`,
    );
    return reply;
  }

  /** Sends a frame and waits for nothing. */
  send(headers: Headers, body: string | Buffer = ''): void {
    this.socket.write(frame(headers, body));
  }

  /** A request by URL without id, as curl sends it; replies to these come in order. */
  async get(url: string, headers: Headers = {}, body: string | Buffer = ''): Promise<Reply> {
    const method = body.length > 0 ? 'POST' : 'GET';
    this.socket.write(frame({ host: 'localhost', ...headers }, body, `${method} ${url}`));
    return this.next();
  }

  write(text: string): void {
    this.socket.write(text, 'latin1');
  }

  /** The next reply that no `request` waits for. */
  next(): Promise<Reply> {
    const reply = this.unclaimed.shift();
    if (reply !== undefined) return Promise.resolve(reply);
    return new Promise((resolve, reject) => {
      if (this.#closed) reject(new Error('no reply: connection closed'));
      else this.#next.push({ resolve, reject });
    });
  }

  /** Resolves once everything sent before has been read by the broker and acted on. */
  async fence(): Promise<void> {
    await this.expect(200, 'ping');
  }

  /** The JSON that `query` answers. */
  async query<T = Record<string, unknown>>(topic: string, group?: string): Promise<T> {
    const headers = group === undefined ? { topic } : { topic, consume_group: group };
    const reply = await this.expect(200, 'query', headers);
    return JSON.parse(reply.body.toString()) as T;
  }

  /** Closes in order (FIN) and waits for the other side's end. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.socket.end();
    await once(this.socket, 'close');
  }

  /** Breaks the connection (RST). */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  /** Waits until the broker has closed the connection. */
  async closed(): Promise<void> {
    if (!this.#closed) await once(this.socket, 'close');
  }

  #onReply(reply: Reply): void {
    const id = reply.headers.get('id') ?? '';
    const waiting = this.#byId.get(id);
    if (waiting !== undefined) {
      this.#byId.delete(id);
      waiting.resolve(reply);
      return;
    }
    const next = this.#next.shift();
    if (next === undefined) this.unclaimed.push(reply);
    else next.resolve(reply);
  }

  #onClose(): void {
    this.#closed = true;
    for (const [id, { reject }] of this.#byId) {
      reject(new Error(`no reply to ${id}: connection closed`));
    }
    for (const { reject } of this.#next) reject(new Error('no reply: connection closed'));
    this.#byId.clear();
    this.#next.length = 0;
  }
}

/** The bytes of a request. */
export function frame(headers: Headers, body: string | Buffer = '', start = 'GET /'): Buffer {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  let head = `${start} HTTP/1.1\r\n`;
  for (const [name, value] of Object.entries(headers)) head += `${name}: ${value}\r\n`;
  head += `content-length: ${bytes.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head, 'latin1'), bytes]);
}

/** UTF-8 text as a header value. */
export function utf8(text: string): string {
  return Buffer.from(text).toString('latin1');
}
