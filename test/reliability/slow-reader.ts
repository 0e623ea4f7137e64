/**
 * A consumer that reads little or nothing from its socket, and can be told to read all of it. Used
 * by slow-consumer.test.ts. Knows how much of what the broker handed to its connection has left the
 * broker: read here, or in the buffers of the kernel.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type Socket, connect } from 'node:net';
import { onCleanUp } from '../support/cleanup.js';
import { type Headers, frame } from '../support/client.js';
import { ReplyParser, type Reply } from '../support/reply-parser.js';

const READ_BYTES = 64 * 1024;
/** Messages it asks for: more than ever come. */
export const PREFETCH = 10_000_000;

export class SlowReader {
  readonly #socket: Socket;
  readonly #brokerPort: number;
  #timer: NodeJS.Timeout | null = null;
  #fast = false;

  /** Reads `bytesPerSecond`, one read a second; with 0 nothing but what Node reads ahead. */
  private constructor(
    brokerPort: number,
    bytesPerSecond: number,
    onMessage: (reply: Reply) => void,
  ) {
    this.#brokerPort = brokerPort;
    const parser = new ReplyParser(onMessage);
    const slow = Buffer.alloc(Math.max(1, bytesPerSecond));
    const buffer = (): Buffer => (this.#fast ? Buffer.allocUnsafe(READ_BYTES) : slow);
    const callback = (bytes: number, from: Uint8Array): boolean => {
      parser.push(Buffer.from(from.subarray(0, bytes)));
      return this.#fast;
    };
    this.#socket = connect({
      port: brokerPort,
      host: '127.0.0.1',
      noDelay: true,
      onread: { buffer, callback },
    });
    this.#socket.on('error', () => undefined);
    if (bytesPerSecond > 0) this.#timer = setInterval(() => this.#socket.resume(), 1000);
    onCleanUp(() => {
      this.leave();
    });
  }

  /** Asks for all messages of the group that `headers` name. */
  static async start(
    brokerPort: number,
    headers: Headers,
    bytesPerSecond: number,
    onMessage: (reply: Reply) => void,
  ): Promise<SlowReader> {
    const reader = new SlowReader(brokerPort, bytesPerSecond, onMessage);
    await once(reader.#socket, 'connect');
    const id = 'slow';
    reader.#socket.write(frame({ cmd: 'consume', id, ...headers, prefetch: PREFETCH }));
    return reader;
  }

  /** Bytes of this connection that the broker has got rid of. */
  get leftBrokerBytes(): number {
    const { localPort = 0, bytesRead } = this.#socket;
    return bytesRead + kernelBytes(localPort, this.#brokerPort);
  }

  /** Reads on as fast as it can. */
  hurry(): void {
    this.#fast = true;
    this.#socket.resume();
  }

  /** Breaks the connection. */
  leave(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#socket.resetAndDestroy();
  }
}

/** Ends of a connection in /proc/net/tcp: addresses with ports, state, then both queues. */
const CONNECTION = /: [0-9A-F]{8}:([0-9A-F]{4}) [0-9A-F]{8}:([0-9A-F]{4}) \S+ (\S+):(\S+) /u;

/** Bytes on their way from the broker's port to this one, sent or received and not yet read. */
function kernelBytes(port: number, brokerPort: number): number {
  let bytes = 0;
  for (const line of readFileSync('/proc/net/tcp', 'latin1').split('\n')) {
    const [own = -1, peer = -1, unsent = 0, unread = 0] = (CONNECTION.exec(line) ?? [])
      .slice(1)
      .map((hex) => parseInt(hex, 16));
    if (own === brokerPort && peer === port) bytes += unsent;
    if (own === port && peer === brokerPort) bytes += unread;
  }
  return bytes;
}
