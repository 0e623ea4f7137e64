/**
 * A consumer that reads a stream of messages with Node's own HTTP client: server-sent events or
 * JSON lines. Closed by cleanUp.
 */
import assert from 'node:assert/strict';
import { type IncomingMessage, type OutgoingHttpHeaders, request } from 'node:http';
import { request as secureRequest } from 'node:https';
import type { Authority } from './certificates.js';
import { onCleanUp } from './cleanup.js';
import { EventParser } from './event-parser.js';
import { trusting } from './tls.js';
import { until } from './wait.js';

export interface StreamedMessage {
  readonly offset: number;
  readonly id: string;
  readonly group: string;
  readonly topic: string;
  readonly tag?: string;
  readonly retry?: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly bodyBase64?: string;
}

export interface StreamFailure {
  readonly status: number;
  readonly error: string;
}

/** A broker as a client reaches it. */
export interface Reached {
  readonly port: number;
  /** Whom the client trusts; without one it speaks plain TCP. */
  readonly authority?: Authority | null;
}

export interface StreamOptions {
  readonly format?: 'events' | 'lines';
  readonly headers?: OutgoingHttpHeaders;
}

export class StreamClient {
  readonly response: IncomingMessage;
  readonly messages: StreamedMessage[] = [];
  readonly failures: StreamFailure[] = [];
  /** How the stream ended: `whole` with its last chunk, `cut` without; null while it goes on. */
  end: 'whole' | 'cut' | null = null;

  constructor(response: IncomingMessage, format: 'events' | 'lines') {
    this.response = response;
    if (format === 'events') this.#readEvents();
    else this.#readLines();
    response.on('error', () => undefined);
    response.on('close', () => {
      this.end = response.complete ? 'whole' : 'cut';
    });
    onCleanUp(() => {
      response.destroy();
    });
  }

  /** Asks for `path` and waits for the head of a stream. */
  static async open(
    broker: Reached,
    path: string,
    options: StreamOptions = {},
  ): Promise<StreamClient> {
    const { format = 'events', headers } = options;
    const accept = format === 'events' ? 'text/event-stream' : 'application/x-ndjson';
    const response = await ask(broker, path, { accept, ...headers });
    assert.equal(response.statusCode, 200, path);
    return new StreamClient(response, format);
  }

  get offsets(): number[] {
    return this.messages.map(({ offset }) => offset);
  }

  get bodies(): (string | undefined)[] {
    return this.messages.map(({ body }) => body);
  }

  /** Waits until `count` messages have come. */
  async got(count: number): Promise<StreamedMessage[]> {
    await until(() => this.messages.length >= count || this.end !== null);
    assert(this.messages.length >= count, `${this.messages.length} of ${count} messages came`);
    return this.messages;
  }

  async ended(): Promise<'whole' | 'cut'> {
    await until(() => this.end !== null);
    return this.end ?? 'cut';
  }

  #readEvents(): void {
    const parser = new EventParser(({ type, data, lastEventId }) => {
      const json: unknown = JSON.parse(data);
      if (type === 'zbus-error') {
        this.failures.push(json as StreamFailure);
        return;
      }
      assert.equal(type, 'message');
      this.#take(json as StreamedMessage);
      assert.equal(lastEventId, String(this.messages.at(-1)?.offset));
    });
    this.response.on('data', (chunk: Buffer) => {
      parser.push(chunk);
    });
  }

  #readLines(): void {
    let text = '';
    this.response.setEncoding('utf8').on('data', (chunk: string) => {
      const lines = (text + chunk).split('\n');
      text = lines.pop() ?? '';
      for (const line of lines) {
        if (line === '') continue;
        const json = JSON.parse(line) as StreamedMessage | StreamFailure;
        if ('error' in json) this.failures.push(json);
        else this.#take(json);
      }
    });
  }

  #take(message: StreamedMessage): void {
    this.messages.push(message);
  }
}

/** One request on a connection of its own; resolves with the head of the answer. */
export function ask(
  { port, authority = null }: Reached,
  path: string,
  headers: OutgoingHttpHeaders,
  method = 'GET',
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const to = { port, host: '127.0.0.1', path, headers, method, agent: false };
    const sent =
      authority === null
        ? request(to, resolve)
        : secureRequest({ ...to, ...trusting(authority) }, resolve);
    sent.on('error', reject);
    sent.end();
    onCleanUp(() => {
      sent.destroy();
    });
  });
}

/** The status and the text of an answer that is no stream. */
export async function askText(
  broker: Reached,
  path: string,
  headers: OutgoingHttpHeaders,
  method = 'GET',
): Promise<readonly [number | undefined, string]> {
  const response = await ask(broker, path, headers, method);
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += chunk as string;
  return [response.statusCode, text];
}
