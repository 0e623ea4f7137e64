/**
 * A client of the broker over WebSocket, as little as a test needs: each message in a frame of its
 * own, replies matched by id. Closed by cleanUp.
 */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { once } from 'node:events';
import { type ClientOptions, WebSocket } from 'ws';
import { frame, type Headers } from './client.js';
import { onCleanUp } from './cleanup.js';
import { type Reply, ReplyParser } from './reply-parser.js';
import { trustedAt } from './tls.js';

export class WebSocketClient {
  readonly webSocket: WebSocket;
  /** Replies that nobody waited for yet, in the order they came. */
  readonly #replies: Reply[] = [];
  readonly #waiting: { readonly id: string | null; readonly resolve: (reply: Reply) => void }[] =
    [];
  #ids = 0;

  constructor(webSocket: WebSocket) {
    this.webSocket = webSocket;
    webSocket.on('message', (data, isBinary) => {
      assert(isBinary && Buffer.isBuffer(data), 'a reply that is no binary frame');
      let replies = 0;
      const parser = new ReplyParser((reply) => {
        replies++;
        this.#onReply(reply);
      });
      parser.push(data);
      assert.equal(replies, 1, 'a frame that is not one whole reply');
    });
    webSocket.on('error', () => undefined);
    onCleanUp(() => {
      webSocket.terminate();
    });
  }

  static async connect(port: number, options: ClientOptions = {}): Promise<WebSocketClient> {
    const trust = trustedAt(port);
    const url = `${trust === null ? 'ws' : 'wss'}://127.0.0.1:${port}/any/path`;
    const client = new WebSocketClient(new WebSocket(url, { ...trust, ...options }));
    await once(client.webSocket, 'open');
    return client;
  }

  /** Sends a message with a fresh id, unless `headers` has one, and waits for the reply to it. */
  async request(cmd: string, headers: Headers = {}, body: string | Buffer = ''): Promise<Reply> {
    const id = String(headers.id ?? `req-${this.#ids++}`);
    this.webSocket.send(frame({ cmd, id, ...headers }, body));
    return this.reply(id);
  }

  async expect(
    status: number,
    cmd: string,
    headers: Headers = {},
    body: string | Buffer = '',
  ): Promise<Reply> {
    const reply = await this.request(cmd, headers, body);
    assert.equal(reply.status, status, reply.body.toString());
    return reply;
  }

  /** The next reply with this id; null: the next of any. */
  reply(id: string | null): Promise<Reply> {
    const place = this.#replies.findIndex(({ headers }) => id === null || headers.get('id') === id);
    const [there] = place < 0 ? [] : this.#replies.splice(place, 1);
    if (there !== undefined) return Promise.resolve(there);
    return new Promise((resolve) => this.#waiting.push({ id, resolve }));
  }

  #onReply(reply: Reply): void {
    const id = reply.headers.get('id');
    const place = this.#waiting.findIndex((waiting) => waiting.id === null || waiting.id === id);
    const [waiting] = place < 0 ? [] : this.#waiting.splice(place, 1);
    if (waiting === undefined) this.#replies.push(reply);
    else waiting.resolve(reply);
  }
}
