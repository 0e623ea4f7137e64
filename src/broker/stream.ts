/**
 * The command consume as a stream: a consumer of a group that is sent messages in one endless reply
 * instead of a reply each. Called by consume.ts when the request asks for it.
 */
import type { Buffer } from 'node:buffer';
import { BadRequestError, ClosedError } from '../errors.js';
import { Header } from '../protocol/headers.js';
import { latin1Of } from '../protocol/names.js';
import type { Call } from './call.js';
import type { Delivery, Exchange, ReplyStream } from './exchange.js';
import type { ConsumeGroup } from './group.js';

/**
 * Streams the group's messages: as many as `prefetch` says, until none came for `timeoutMs`, or
 * without end. Throws ForbiddenError, LimitError, and BadRequestError for a group that asks for
 * acks.
 */
export function consumeAsStream(
  call: Call,
  group: ConsumeGroup,
  stream: ReplyStream,
  timeoutMs: number | null,
): void {
  const { exchange } = call;
  const credits = call.number(Header.prefetch) ?? Infinity;
  if (credits === 0) throw new BadRequestError('Bad prefetch "0": must be at least 1');
  if (group.explicit) throw new BadRequestError(needsAcks(group));
  // The answer to HEAD takes no message.
  if (exchange.request.method !== 'HEAD') {
    call.wait();
    const lastSeen = lastEventId(call);
    group.consume(new StreamExchange(exchange, stream, group), { credits, timeoutMs, lastSeen });
  }
  stream.queue();
}

/** What a peer saw last; undefined when it says nothing that could be an offset. */
function lastEventId(call: Call): number | undefined {
  const value = call.get(Header.lastEventId);
  return value !== undefined && /^[0-9]{1,15}$/.test(value) ? Number(value) : undefined;
}

function needsAcks({ name }: ConsumeGroup): string {
  return (
    `ConsumeGroup(${name}) asks for acknowledgements, which a stream cannot take: ` +
    'consume over TCP or a WebSocket, or from a group without ack_required'
  );
}

/** To the group an exchange like any other, of which each message becomes a piece of the stream. */
class StreamExchange implements Exchange {
  readonly #inner: Exchange;
  readonly #stream: ReplyStream;
  readonly #group: ConsumeGroup;

  constructor(inner: Exchange, stream: ReplyStream, group: ConsumeGroup) {
    this.#inner = inner;
    this.#stream = stream;
    this.#group = group;
  }

  get session(): Exchange['session'] {
    return this.#inner.session;
  }

  get grant(): Exchange['grant'] {
    return this.#inner.grant;
  }

  get request(): Exchange['request'] {
    return this.#inner.request;
  }

  get id(): string {
    return this.#inner.id;
  }

  get alive(): boolean {
    return this.#stream.begun ? this.#stream.open : this.#inner.alive;
  }

  get congested(): boolean {
    return !this.#stream.begun || this.#inner.congested;
  }

  /** 204 ends the stream in good order; anything else is told to the reader first. */
  answer(status: number, headerLines: string, body: string | Buffer): void {
    if (!this.#stream.begun) {
      this.#inner.answer(status, headerLines, body);
      return;
    }
    const text = typeof body === 'string' ? body : body.toString('latin1');
    if (status !== 204) this.#stream.write(this.#stream.format.failure(status, text), null);
    this.#stream.end();
  }

  answerPlain(status: number, headerLines: string, body: string | Buffer): void {
    this.answer(status, headerLines, body);
  }

  deliver(
    headerLines: string,
    bytes: Buffer,
    start: number,
    end: number,
    delivery: Delivery | null,
    more = false,
  ): void {
    // The group asks for acks since the stream began: this reader could send none.
    if (this.#group.explicit) {
      delivery?.undelivered();
      this.answer(400, '', latin1Of(needsAcks(this.#group)));
      return;
    }
    const stream = this.#stream;
    let last = '';
    for (const piece of stream.format.message(headerLines, bytes, start, end)) {
      if (last !== '') stream.write(last, null);
      last = piece;
    }
    stream.write(last, delivery);
    if (!more) stream.end();
  }

  /** The connection ends, or the broker does: nothing else takes a stream out of its group. */
  silence(): void {
    const { status } = new ClosedError('');
    this.answer(status, '', 'The broker ends the connection');
  }

  wait(): boolean {
    return this.#inner.wait();
  }
}
