/**
 * A network that fails when a test says so: forwards TCP connections to a broker, cuts them at a
 * byte or at a word, swallows bytes, or lets nobody in. Closed by cleanUp.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { onCleanUp } from '../../support/cleanup.js';

type Direction = 'requests' | 'replies';

export class CutProxy {
  /** Where it leads; null: connections are closed at once. */
  targetPort: number | null;
  /** Bytes are swallowed in both directions, as by a cable that was pulled. */
  silent = false;
  port = 0;
  /** Connections made so far. */
  accepted = 0;
  readonly #sockets = new Set<Socket>();
  /** The next connection is cut once so many bytes have passed. */
  #cutAt: { readonly direction: Direction; left: number } | null = null;
  /** Connections are cut in place of bytes that hold this. */
  #cutWord: { readonly direction: Direction; readonly word: string } | null = null;

  constructor(targetPort: number) {
    this.targetPort = targetPort;
  }

  static async open(targetPort: number): Promise<CutProxy> {
    const proxy = new CutProxy(targetPort);
    const server = createServer({ noDelay: true }, (socket) => {
      proxy.#accept(socket);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    proxy.port = (server.address() as AddressInfo).port;
    onCleanUp(async () => {
      proxy.targetPort = null;
      proxy.cut();
      server.close();
      await once(server, 'close');
    });
    return proxy;
  }

  get connections(): number {
    return this.#sockets.size / 2;
  }

  /** Ends all connections now. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Cuts, once, in place of the byte with this number from now on. */
  cutAtByte(direction: Direction, number: number): void {
    this.#cutAt = { direction, left: number };
  }

  /** Cuts, once, in place of what holds `word`. */
  cutAtWord(direction: Direction, word: string): void {
    this.#cutWord = { direction, word };
  }

  #accept(client: Socket): void {
    this.accepted++;
    if (this.targetPort === null) {
      client.destroy();
      return;
    }
    const broker = connect({ port: this.targetPort, host: '127.0.0.1', noDelay: true });
    this.#join(client, broker, 'requests');
    this.#join(broker, client, 'replies');
  }

  #join(from: Socket, to: Socket, direction: Direction): void {
    this.#sockets.add(from);
    from.on('data', (chunk: Buffer) => {
      if (!this.silent) this.#forward(chunk, to, direction);
    });
    from.on('error', () => to.destroy());
    from.on('close', () => {
      this.#sockets.delete(from);
      to.destroy();
    });
  }

  #forward(chunk: Buffer, to: Socket, direction: Direction): void {
    if (this.#cutWord?.direction === direction && chunk.includes(this.#cutWord.word)) {
      this.#cutWord = null;
      this.cut();
      return;
    }
    if (this.#cutAt?.direction !== direction) {
      to.write(chunk);
      return;
    }
    if (chunk.length < this.#cutAt.left) {
      this.#cutAt.left -= chunk.length;
      to.write(chunk);
      return;
    }
    to.write(chunk.subarray(0, this.#cutAt.left), () => {
      this.cut();
    });
    this.#cutAt = null;
  }
}
