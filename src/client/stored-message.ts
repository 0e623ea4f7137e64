/**
 * Messages as an application gets them. Made by MqClient and Consumer from what the broker sends.
 */
import { Header, isPassedOn } from '../protocol/headers.js';
import type { Message } from '../protocol/message.js';
import { textOf } from '../protocol/names.js';

/** A message of a topic. `Value` is the type that `json` promises. */
export class StoredMessage<Value = unknown> {
  readonly #message: Message;
  #headers: Readonly<Record<string, string>> | null = null;

  constructor(message: Message) {
    this.#message = message;
  }

  /** The id it was produced with. */
  get id(): string {
    return this.#text(Header.originId);
  }

  get topic(): string {
    return this.#text(Header.topic);
  }

  /** '' when it has none. */
  get tag(): string {
    return this.#text(Header.tag);
  }

  /** Its number in the topic, from 0. */
  get offset(): number {
    return Number(this.#message.headers.get(Header.offset));
  }

  /** When it was stored, milliseconds since 1970. */
  get timestampMs(): number {
    return Number(this.#message.headers.get(Header.timestamp));
  }

  /** Names the producer's connection. */
  get sender(): string {
    return this.#text(Header.sender);
  }

  /** `application/json`, `text/plain; charset=utf-8`, …; '' when there is none. */
  get contentType(): string {
    return this.#text(Header.contentType);
  }

  /**
   * The producer's own headers by lower-case name, its content type and `traceparent` among them.
   * Read-only; may be given to `produce` as they are.
   */
  get headers(): Readonly<Record<string, string>> {
    if (this.#headers === null) {
      const own: Record<string, string> = {};
      for (const [name, value] of this.#message.headers) {
        if (isPassedOn(name)) own[name] = textOf(value);
      }
      this.#headers = Object.freeze(own);
    }
    return this.#headers;
  }

  /** Any header as it came, those of the broker included; undefined when it is not there. */
  header(name: string): string | undefined {
    const value = this.#message.headers.get(name.toLowerCase());
    return value === undefined ? undefined : textOf(value);
  }

  /** The body; a view on bytes that nobody writes to. */
  get bytes(): Uint8Array {
    return this.#message.body;
  }

  /** The body as UTF-8. */
  text(): string {
    return this.#message.body.toString();
  }

  /** The body as JSON. Throws SyntaxError. */
  json(): Value {
    return JSON.parse(this.text()) as Value;
  }

  #text(name: string): string {
    return this.header(name) ?? '';
  }
}

/** What a message needs of the consumer that received it. */
export interface Receiver {
  acknowledge(message: ReceivedMessage): Promise<void>;
  giveBack(message: ReceivedMessage, delayMs: number): Promise<void>;
  renew(message: ReceivedMessage): Promise<void>;
}

/** A message that a consume group handed to this consumer. */
export class ReceivedMessage<Value = unknown> extends StoredMessage<Value> {
  /** Number of the link on which it came. */
  readonly epoch: number;
  /** The key of the server that it came from, `host:port`; null where there is one alone. */
  readonly server: string | null;
  readonly #receiver: Receiver;

  constructor(message: Message, receiver: Receiver, epoch: number, server: string | null = null) {
    super(message);
    this.#receiver = receiver;
    this.epoch = epoch;
    this.server = server;
  }

  /** How often it was delivered before. */
  get retry(): number {
    return Number(this.header(Header.retry) ?? 0);
  }

  /**
   * Done with it: it does not come again. Resolves once the broker has written that down, and at
   * once where the group acknowledges by itself. Rejects with ConflictError when it went to someone
   * else since (its timeout ended), and with ConnectionLostError when the connection on which it
   * came is gone: it comes again then. Need not be awaited: what is not acknowledged comes again.
   */
  ack(): Promise<void> {
    return this.#receiver.acknowledge(this);
  }

  /** Gives it back, to be delivered again at once or after `delayMs`. Rejects as `ack` does. */
  nack(options: { readonly delayMs?: number } = {}): Promise<void> {
    return this.#receiver.giveBack(this, options.delayMs ?? 0);
  }

  /** Begins its ack timeout anew, for work that takes long. Rejects as `ack` does. */
  renew(): Promise<void> {
    return this.#receiver.renew(this);
  }
}
