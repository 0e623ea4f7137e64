/**
 * One connection's view of one consume group: the commands on it with its names filled in, and what
 * it was given. Used by the tests of acknowledgements.
 */
import assert from 'node:assert/strict';
import type { Client, Headers } from './client.js';
import type { Reply } from './reply-parser.js';

/** Bits of `topic_mask` and `group_mask`. */
export const MaskBit = {
  memory: 1,
  pause: 8,
  exclusive: 16,
  deleteOnExit: 32,
  ackRequired: 64,
} as const;

export interface Taken {
  readonly offset: number;
  /** Of the header; 0 when it is absent. */
  readonly retry: number;
  readonly body: string;
  readonly headers: ReadonlyMap<string, string>;
}

/** What `query` answers for one group with explicit acks. */
export interface AckGroupJson {
  groupName: string;
  mask: number;
  messageCount: number;
  consumerCount: number;
  consumerList: string[] | null;
  ackWindow: number;
  ackTimeoutMs: number;
  maxAttempts: number;
  deadTopic: string;
  settledOffset: number;
  nextOffset: number;
  inFlightCount: number;
  returnedCount: number;
  redeliveredCount: number;
  deadCount: number;
  inFlight: { offset: number; retry: number; consumer: string; timeoutInMs: number }[];
  returned: { offset: number; retry: number; dueInMs: number }[];
}

export class GroupClient {
  readonly client: Client;
  readonly #names: { readonly topic: string; readonly consume_group: string };
  #grants = 0;

  constructor(client: Client, topic: string, group: string) {
    this.client = client;
    this.#names = { topic, consume_group: group };
  }

  expect(status: number, cmd: string, headers: Headers = {}): Promise<Reply> {
    return this.client.expect(status, cmd, { ...this.#names, ...headers });
  }

  /** Declares the group, with explicit acks unless `headers` say otherwise. */
  async declare(headers: Headers = {}): Promise<AckGroupJson> {
    const reply = await this.expect(200, 'declare', { group_mask: 64, ...headers });
    return JSON.parse(reply.body.toString()) as AckGroupJson;
  }

  query(): Promise<AckGroupJson> {
    const { topic, consume_group: group } = this.#names;
    return this.client.query<AckGroupJson>(topic, group);
  }

  /** One consume; waits for its message. */
  async take(headers: Headers = {}): Promise<Taken> {
    return taken(await this.expect(200, 'consume', headers));
  }

  /** As many consumes, one after the other. */
  async takeMany(count: number): Promise<Taken[]> {
    const messages: Taken[] = [];
    while (messages.length < count) messages.push(await this.take());
    return messages;
  }

  /** Grants `prefetch` messages under `id`; they come by `next`. */
  grant(id: string, prefetch: number, headers: Headers = {}): void {
    this.client.send({ cmd: 'consume', ...this.#names, id, prefetch, ...headers });
  }

  /** The next message under the id of a grant. */
  async next(id: string): Promise<Taken> {
    const reply = await this.client.reply(id);
    assert.equal(reply.status, 200, reply.body.toString());
    return taken(reply);
  }

  async nextMany(id: string, count: number): Promise<Taken[]> {
    const messages: Taken[] = [];
    while (messages.length < count) messages.push(await this.next(id));
    return messages;
  }

  /** Asserts that a consume gets no message now. It leaves the line again. */
  async getsNothing(): Promise<void> {
    const id = `nothing-${this.#grants++}`;
    this.client.send({ cmd: 'consume', ...this.#names, id });
    await this.client.fence();
    const came = this.client.unclaimed.find(({ headers }) => headers.get('id') === id);
    assert.equal(came?.body.toString(), undefined, 'a message came');
    this.unconsume();
    await this.client.fence();
  }

  unconsume(): void {
    this.client.send({ cmd: 'unconsume', ...this.#names, id: 'unconsume' });
  }

  /** `offsets` as the header has it: one, or a list with ranges. */
  ack(offsets: number | string): Promise<Reply> {
    return this.expect(200, 'ack', { offsets });
  }

  nack(offsets: number | string, delayMs = 0): Promise<Reply> {
    return this.expect(200, 'nack', { offsets, delay: delayMs });
  }

  renew(offsets: number | string): Promise<Reply> {
    return this.expect(200, 'renew', { offsets });
  }

  /** Asserts that the command is answered 409, and returns its text. */
  async refused(cmd: 'ack' | 'nack' | 'renew', offsets: number | string): Promise<string> {
    return (await this.expect(409, cmd, { offsets })).body.toString();
  }
}

export function taken({ headers, body }: Reply): Taken {
  return {
    offset: Number(headers.get('offset')),
    retry: Number(headers.get('retry') ?? 0),
    body: body.toString(),
    headers,
  };
}

export function offsetsOf(messages: readonly Taken[]): number[] {
  return messages.map(({ offset }) => offset);
}

/** Offset and `retry` of each. */
export function retriesOf(messages: readonly Taken[]): [number, number][] {
  return messages.map(({ offset, retry }) => [offset, retry]);
}

/** The numbers from `first` to `last`. */
export function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, n) => first + n);
}
