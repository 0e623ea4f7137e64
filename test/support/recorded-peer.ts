/**
 * Programs of the family that have never heard of this one's client: every request is the bytes of
 * a row of test/data/transcripts-*.jsonl, with the values exchanged that a test needs, written to a
 * bare socket. Nothing here comes from src/protocol or src/client, so a fault that the client and
 * the broker share shows.
 */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { Client } from './client.js';
import type { Reply } from './reply-parser.js';
import { addressOf } from './rpc-service.js';
import { readTranscript } from './transcript.js';

export const versions = ['0.8', '0.11'] as const;
export type Version = (typeof versions)[number];

/** The row that shows how a program of this version does it. */
const ROWS = {
  '0.8': {
    produce: 'produce by header with tag',
    produceOwnHeader: 'produce with own header kept',
    consume: 'consume third',
    serve: 'rpc service consumes (waits)',
    call: 'produce by header with tag',
    callUrl: 'rpc by URL /rpc/Rpc1/plus/1/2?module=calc as the service gets it',
    answer: 'service routes the result back (no reply to it)',
    fail: 'service routes an error with origin_status 500',
    ack: null,
  },
  '0.11': {
    produce: 'produce by header, url-encoded tag',
    produceOwnHeader: null,
    consume: 'consume from g2 (acks)',
    serve: 'rpc service waits',
    call: 'produce by header, url-encoded tag',
    callUrl: null,
    answer: 'service routes the result',
    fail: null,
    ack: 'ack it',
  },
} as const satisfies Record<Version, Record<string, string | null>>;

export type Action = keyof (typeof ROWS)['0.8'];

const recordings = new Map<Version, ReadonlyMap<string, string>>();

/** The recorded bytes, as latin1. */
function recorded(version: Version, action: Action): string {
  let rows = recordings.get(version);
  if (rows === undefined) {
    const transcript = readTranscript(`transcripts-${version}.jsonl`);
    rows = new Map(transcript.flatMap(({ name, send }) => (send === null ? [] : [[name, send]])));
    recordings.set(version, rows);
  }
  const name = ROWS[version][action];
  const send = name === null ? undefined : rows.get(name);
  assert(send !== undefined, `no recording shows how a program of ${version} does ${action}`);
  return send;
}

type Values = Readonly<Record<string, string | null>>;

/**
 * The recorded request with other values and another body. Only headers that were recorded can be
 * exchanged; null leaves one out.
 */
export function likeRecorded(
  version: Version,
  action: Action,
  values: Values,
  body: string | Buffer = '',
): Buffer {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  const sent = recorded(version, action);
  const [start = '', ...lines] = sent.slice(0, sent.indexOf('\r\n\r\n')).split('\r\n');
  const exchanged: Record<string, string | null> = {
    ...values,
    'content-length': String(bytes.length),
  };
  const left = new Map(Object.entries(exchanged));
  const kept = lines.flatMap((line) => {
    const name = line.slice(0, line.indexOf(':'));
    const value = left.get(name);
    left.delete(name);
    if (value === null) return [];
    return value === undefined ? [line] : [`${name}: ${value}`];
  });
  assert.deepEqual([...left.keys()], [], `${action} of ${version} has no such headers`);
  return Buffer.concat([Buffer.from([start, ...kept, '', ''].join('\r\n'), 'latin1'), bytes]);
}

/** The recorded call by URL with another URL: those of both versions have the same headers. */
function urlLikeRecorded(url: string): string {
  return recorded('0.8', 'callUrl').replace(/(?<=^GET )\S+/, url);
}

/** What a service answers with, as JSON unless it says otherwise. */
export interface Answer {
  readonly body: string | Buffer;
  readonly contentType?: string;
}

export class RecordedPeer {
  readonly client: Client;
  readonly #version: Version;
  #ids = 0;

  private constructor(version: Version, client: Client) {
    this.#version = version;
    this.client = client;
  }

  static async connect(port: number, version: Version): Promise<RecordedPeer> {
    return new RecordedPeer(version, await Client.connect(port));
  }

  /** Sends the request under an id of its own and waits for the reply to it. */
  ask(action: Action, values: Values, body: string | Buffer = ''): Promise<Reply> {
    const id = `${this.#ids++}`;
    this.client.socket.write(likeRecorded(this.#version, action, { ...values, id }, body));
    return this.client.reply(id);
  }

  async produce(topic: string, body: string | Buffer, tag: string | null = null): Promise<void> {
    const reply = await this.ask('produce', { topic, tag }, body);
    assert.equal(reply.status, 200, reply.body.toString());
  }

  /** The group's next message, now or later. */
  consume(topic: string, group = topic): Promise<Reply> {
    return this.ask('consume', { topic, consume_group: group });
  }

  /** Calls with any body, as a program of the family does: a produce to a topic of calls. */
  call(topic: string, body: string | Buffer): Promise<Reply> {
    return this.ask('call', { topic, tag: null }, body);
  }

  /** Calls by URL, as curl and browsers do. Answers keep the order of these calls. */
  callUrl(url: string): Promise<Reply> {
    this.client.write(urlLikeRecorded(url));
    return this.client.next();
  }

  /** A service's next call, now or later. */
  takeCall(topic: string): Promise<Reply> {
    const group = this.#version === '0.8' ? {} : { consume_group: topic };
    return this.ask('serve', { topic, ...group });
  }

  answer(call: Reply, { body, contentType = 'application/json' }: Answer): void {
    this.#tell('answer', { ...addressOf(call), 'content-type': contentType }, body);
  }

  /** Answers that the call failed; how is recorded of 0.8 alone. */
  fail(call: Reply, status: number, body: string | Buffer): void {
    this.#tell('fail', { ...addressOf(call), origin_status: String(status) }, body);
  }

  /** Answers whatever comes, `slots` calls at once, until the connection ends. */
  async serve(topic: string, run: (call: Reply) => Answer, slots = 1): Promise<void> {
    const slot = async (): Promise<void> => {
      for (;;) {
        const call = await this.takeCall(topic).catch(() => null);
        if (call?.status !== 200) return;
        this.answer(call, run(call));
      }
    };
    await Promise.all(Array.from({ length: slots }, slot));
  }

  /** Sends a request that has no reply. */
  #tell(action: Action, values: Values, body: string | Buffer): void {
    this.client.socket.write(likeRecorded(this.#version, action, values, body));
  }
}
