/**
 * A connection to the broker whose replies are handled one by one, in the order of their bytes, as
 * they come: what a consumer with prefetch needs, where many replies have one id. Used by the
 * consumers of this folder; closed by cleanUp.
 */
import { once } from 'node:events';
import { type Socket, connect } from 'node:net';
import { onCleanUp } from '../support/cleanup.js';
import { type Headers, frame } from '../support/client.js';
import { type Reply, ReplyParser } from '../support/reply-parser.js';

export class Peer {
  readonly socket: Socket;
  readonly #fences = new Map<string, () => void>();

  private constructor(socket: Socket, onReply: (reply: Reply, id: string) => void) {
    this.socket = socket;
    const parser = new ReplyParser((reply) => {
      const id = reply.headers.get('id') ?? '';
      const passed = this.#fences.get(id);
      if (passed === undefined) onReply(reply, id);
      else passed();
    });
    socket.on('data', (chunk: Buffer) => {
      parser.push(chunk);
    });
    // A killed broker resets its connections: that is an end like any other here.
    socket.on('error', () => undefined);
    onCleanUp(() => {
      socket.destroy();
    });
  }

  static async connect(port: number, onReply: (reply: Reply, id: string) => void): Promise<Peer> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    const peer = new Peer(socket, onReply);
    await once(socket, 'connect');
    return peer;
  }

  /** Sends a frame; bytes for a connection that is gone are dropped. */
  send(headers: Headers, body: string | Buffer = ''): void {
    if (this.socket.writable) this.socket.write(frame(headers, body));
  }

  /** Resolves once everything the broker sent before has been handled. */
  fence(): Promise<void> {
    const id = `fence-${this.#fences.size}`;
    return new Promise((resolve) => {
      this.#fences.set(id, resolve);
      this.send({ cmd: 'ping', id });
    });
  }

  /** Closes in order and waits for the other side's end. */
  async close(): Promise<void> {
    this.socket.end();
    await this.closed();
  }

  async closed(): Promise<void> {
    if (!this.socket.closed) await once(this.socket, 'close');
  }
}
