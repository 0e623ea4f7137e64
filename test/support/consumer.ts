/** Consumers of one group that keep asking, and what they got, in the order it came. */
import type { Client, Headers } from './client.js';
import type { Reply } from './reply-parser.js';
import { until } from './wait.js';

export interface Delivered {
  readonly offset: number;
  readonly body: string;
  /** Index of the client that got it. */
  readonly consumer: number;
  readonly reply: Reply;
}

/** Consume requests that each client keeps waiting. */
const WINDOW = 32;

export class Consumers {
  readonly delivered: Delivered[] = [];
  readonly #clients: readonly Client[];
  #stopped = false;

  /** Starts at once. `headers` name topic and group. */
  constructor(clients: readonly Client[], headers: Headers, window = WINDOW) {
    this.#clients = clients;
    for (const [consumer, client] of clients.entries()) {
      for (let n = 0; n < window; n++) void this.#consume(client, consumer, headers);
    }
  }

  /** Waits until `count` were delivered, and until what came too much has come too. */
  async got(count: number): Promise<Delivered[]> {
    await until(() => this.delivered.length >= count);
    for (const client of this.#clients) await client.fence();
    return this.delivered;
  }

  /** Asks no more; what waits goes on waiting. */
  stop(): void {
    this.#stopped = true;
  }

  async #consume(client: Client, consumer: number, headers: Headers): Promise<void> {
    while (!this.#stopped) {
      let reply: Reply;
      try {
        reply = await client.request('consume', headers);
      } catch {
        return;
      }
      if (reply.status !== 200) return;
      const offset = Number(reply.headers.get('offset'));
      this.delivered.push({ offset, body: reply.body.toString(), consumer, reply });
    }
  }
}

export interface ProducedMessage {
  readonly body: string;
  readonly headers?: Headers;
}

/** `count` messages with the bodies `0`, `1`, …, tagged by `tagOf` where it is given. */
export function numbered(count: number, tagOf?: (n: number) => string): ProducedMessage[] {
  return Array.from({ length: count }, (_, n) => {
    const headers = tagOf === undefined ? {} : { tag: tagOf(n) };
    return { body: String(n), headers };
  });
}

/** Produces all, pipelined; resolves once all are acknowledged. */
export async function produceAll(
  client: Client,
  topic: string,
  messages: readonly ProducedMessage[],
  ackLevel = 'page',
): Promise<Reply[]> {
  return Promise.all(
    messages.map(({ body, headers = {} }) =>
      client.expect(200, 'produce', { topic, ack_level: ackLevel, ...headers }, body),
    ),
  );
}
