/**
 * A service over a raw connection, as the recorded clients are ones: it consumes the topic and
 * routes each answer to the request's sender, under the request's id.
 */
import assert from 'node:assert/strict';
import type { Buffer } from 'node:buffer';
import type { Client, Headers } from './client.js';
import type { Reply } from './reply-parser.js';

export const RPC_MASK = 2;

/** `rpc` of a topic's JSON. */
export interface RpcJson {
  queuedCount: number;
  inHandCount: number;
  requestBytes: number;
  answeredCount: number;
  timedOutCount: number;
  unservedCount: number;
  failedCount: number;
  abandonedCount: number;
  refusedCount: number;
  retriedCount: number;
  lateCount: number;
}

export const NO_CALLS: RpcJson = {
  queuedCount: 0,
  inHandCount: 0,
  requestBytes: 0,
  answeredCount: 0,
  timedOutCount: 0,
  unservedCount: 0,
  failedCount: 0,
  abandonedCount: 0,
  refusedCount: 0,
  retriedCount: 0,
  lateCount: 0,
};

/** Makes the request's answer. */
export type Serve = (request: Reply) => string | Buffer;

export class RpcService {
  readonly client: Client;
  /** Requests that `serve` answered. */
  served = 0;
  readonly #topic: string;
  #ids = 0;

  constructor(client: Client, topic = 'calc') {
    this.client = client;
    this.#topic = topic;
  }

  /** Asks for one request, and gets it now or later. */
  async take(headers: Headers = {}): Promise<Reply> {
    const request = await this.client.request('consume', { topic: this.#topic, ...headers });
    assert.equal(request.status, 200, request.body.toString());
    return request;
  }

  /** Waits in line, and the broker knows; the request comes under the id that is returned. */
  async wait(headers: Headers = {}): Promise<string> {
    const id = `wait-${this.#ids++}`;
    this.client.send({ cmd: 'consume', topic: this.#topic, id, ...headers });
    await this.client.fence();
    return id;
  }

  answer(request: Reply, body: string | Buffer = '', headers: Headers = {}): void {
    this.client.send({ ...addressOf(request), cmd: 'route', ack: 'false', ...headers }, body);
  }

  /** Answers whatever comes, `credits` at once, until the connection ends. */
  async serve(serve: Serve, credits = 16): Promise<void> {
    const names = { cmd: 'consume', topic: this.#topic, id: 'serving' };
    this.client.send({ ...names, prefetch: credits });
    for (;;) {
      let request: Reply;
      try {
        request = await this.client.reply('serving');
      } catch {
        return;
      }
      if (request.status !== 200) return;
      this.answer(request, serve(request));
      this.served++;
      this.client.send({ ...names, prefetch: 1 });
    }
  }
}

/** Where the answer to a request goes. */
export function addressOf({ headers }: Reply): { recver: string; id: string } {
  return { recver: headers.get('sender') ?? '', id: headers.get('origin_id') ?? '' };
}

export async function rpcJson(client: Client, topic = 'calc'): Promise<RpcJson> {
  return (await client.query<{ rpc: RpcJson }>(topic)).rpc;
}

/** Asserts the figures of the topic: those not named are 0, but for the bytes of what is queued. */
export async function assertRpc(
  client: Client,
  figures: Partial<RpcJson>,
  topic = 'calc',
): Promise<void> {
  const actual = await rpcJson(client, topic);
  const requestBytes = figures.queuedCount === undefined ? 0 : actual.requestBytes;
  assert.deepEqual(actual, { ...NO_CALLS, requestBytes, ...figures });
}
