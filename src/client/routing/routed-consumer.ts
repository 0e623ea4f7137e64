/**
 * A consumer of one group on several servers as one async iterable: a Consumer a server, of whose
 * messages each in turn is handed out as it comes. Made by BrokerClient. Promises to follow servers
 * that join and leave, and to take at most one message of a server before it is asked for.
 */
import { ClosedError } from '../../errors.js';
import { checkConsume, type ConsumeOptions } from '../consume-options.js';
import { Consumer } from '../consumer.js';
import { asError } from '../errors.js';
import { nothing } from '../requests.js';
import type { ReceivedMessage } from '../stored-message.js';
import { EachServer } from './each-server.js';
import type { ServerChoice } from './on-servers.js';
import type { ServerSet } from './server-set.js';

export interface RoutedConsumeOptions extends ConsumeOptions {
  /**
   * Where topic and group are made and consumed. Default: on all servers, also those that join
   * later.
   */
  readonly servers?: ServerChoice;
}

/** The consumer of one server. */
interface Child<Value> {
  readonly consumer: Consumer<Value>;
  /** It was asked for its next message. */
  asked: boolean;
  /** Taken before it was asked for. */
  ahead: ReceivedMessage<Value> | null;
}

interface Taker<Value> {
  readonly resolve: (result: IteratorResult<ReceivedMessage<Value>, undefined>) => void;
  readonly reject: (error: unknown) => void;
}

const DONE = { done: true, value: undefined } as const;

/** The messages of a group on several servers, for `for await`; see Consumer. */
export class RoutedConsumer<Value = unknown>
  implements AsyncIterableIterator<ReceivedMessage<Value>>, AsyncDisposable
{
  readonly topic: string;
  readonly group: string;
  readonly #options: RoutedConsumeOptions;
  readonly #servers: EachServer<Child<Value>>;
  /** Children with a message that was not asked for yet, in the order in which these came. */
  #ready: Child<Value>[] = [];
  #takers: Taker<Value>[] = [];
  /** All that were opened and have not ended, those of servers that left included. */
  readonly #open = new Set<Child<Value>>();
  #state: 'new' | 'open' | 'ending' | 'ended' = 'new';
  #failure: { readonly error: unknown } | null = null;
  #closing: Promise<void> | null = null;

  /** Throws BadRequestError. */
  constructor(set: ServerSet, topic: string, options: RoutedConsumeOptions = {}) {
    ({ topic: this.topic, group: this.group } = checkConsume(topic, options));
    this.#options = options;
    this.#servers = new EachServer<Child<Value>>(set, {
      topic: this.topic,
      servers: options.servers,
      open: ({ key }, { client }) => {
        const own = { ...options, signal: undefined };
        const consumer = new Consumer<Value>(client.connection, topic, own, key);
        return this.#begin({ consumer, asked: false, ahead: null });
      },
      onAllFailed: (error) => {
        this.#end({ error });
      },
      onClosing: () => {
        if (this.#state === 'open') this.#state = 'ending';
        this.#giveBack();
        this.#endIfDone();
      },
    });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /**
   * The next message; whoever asks is done with the one before. Rejects with the error that ended
   * the consumer: when the topic was removed on every server, or every server refuses.
   */
  next(): Promise<IteratorResult<ReceivedMessage<Value>, undefined>> {
    if (this.#state === 'new') this.#start();
    return new Promise((resolve, reject) => {
      this.#takers.push({ resolve, reject });
      this.#handOut();
    });
  }

  /** Called by `break` and the like: what was fetched ahead goes back where the groups take it. */
  async return(): Promise<IteratorResult<ReceivedMessage<Value>, undefined>> {
    await this.#leave();
    return DONE;
  }

  /** As Consumer.close, on every server. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** As Consumer.idle. */
  async idle(): Promise<void> {
    await Promise.all([...this.#open].map(({ consumer }) => consumer.idle()));
  }

  // ---- messages --------------------------------------------------------------------------------

  #start(): void {
    this.#state = 'open';
    const { signal } = this.#options;
    if (signal?.aborted === true) {
      this.#end({ error: signal.reason });
      return;
    }
    signal?.addEventListener('abort', this.#onAbort, { once: true });
    this.#servers.start();
  }

  #begin(child: Child<Value>): Child<Value> {
    this.#open.add(child);
    if (this.#takers.length > 0) void this.#ask(child);
    return child;
  }

  /** Gives what is there to who waits, and asks every server that has nothing ready. */
  #handOut(): void {
    while (this.#takers.length > 0) {
      const message = this.#takeReady();
      if (message === null) break;
      this.#takers.shift()?.resolve({ done: false, value: message });
    }
    // Also where nobody waits any more: the application is done with the message before.
    for (const child of this.#open) {
      if (!child.asked && child.ahead === null) void this.#ask(child);
    }
    if (this.#state === 'ended') this.#end(null);
    else this.#endIfDone();
  }

  #takeReady(): ReceivedMessage<Value> | null {
    for (let child = this.#ready.shift(); child !== undefined; child = this.#ready.shift()) {
      const { ahead, consumer } = child;
      child.ahead = null;
      // It comes again, on another connection.
      if (ahead !== null && !consumer.isStale(ahead)) return ahead;
    }
    return null;
  }

  async #ask(child: Child<Value>): Promise<void> {
    child.asked = true;
    try {
      const { done, value } = await child.consumer.next();
      child.asked = false;
      if (done === true) this.#ended(child);
      else this.#came(child, value);
    } catch (error) {
      this.#open.delete(child);
      // The server has left, or the client is closed.
      if (error instanceof ClosedError) this.#servers.ended(child);
      else this.#servers.failed(child, asError(error));
      this.#endIfDone();
    }
  }

  #came(child: Child<Value>, message: ReceivedMessage<Value>): void {
    const taker = this.#takers.shift();
    if (taker === undefined) {
      child.ahead = message;
      this.#ready.push(child);
      return;
    }
    taker.resolve({ done: false, value: message });
    if (this.#takers.length > 0) void this.#ask(child);
  }

  #ended(child: Child<Value>): void {
    this.#open.delete(child);
    this.#servers.ended(child);
    this.#endIfDone();
  }

  // ---- ending ----------------------------------------------------------------------------------

  readonly #onAbort = (): void => {
    this.#end({ error: this.#options.signal?.reason });
    void this.#leave();
  };

  /** All that was handed over is handed out, and nothing more comes. */
  #endIfDone(): void {
    const isDone = this.#open.size === 0 && this.#ready.length === 0;
    if (this.#state === 'ending' && isDone) this.#end(null);
  }

  #end(failure: { readonly error: unknown } | null): void {
    if (this.#state !== 'ended') {
      this.#state = 'ended';
      this.#failure = failure;
      this.#servers.stop();
      this.#options.signal?.removeEventListener('abort', this.#onAbort);
    }
    const takers = this.#takers;
    this.#takers = [];
    for (const { resolve, reject } of takers) {
      const told = this.#failure;
      this.#failure = null;
      if (told === null) resolve(DONE);
      else reject(told.error);
    }
  }

  /** Gives back what the application will not take. */
  #giveBack(): void {
    const kept: Child<Value>[] = [];
    for (const child of this.#ready) {
      if (child.consumer.takesBack) {
        child.ahead?.nack().catch(nothing);
        child.ahead = null;
      } else kept.push(child);
    }
    this.#ready = kept;
  }

  async #leave(): Promise<void> {
    this.#giveBack();
    this.#ready = [];
    const open = [...this.#open];
    this.#open.clear();
    this.#end(null);
    await Promise.all(open.map(({ consumer }) => consumer.return()));
  }

  async #close(): Promise<void> {
    this.#servers.stop();
    if (this.#state === 'new') this.#state = 'open';
    if (this.#state === 'open') this.#state = 'ending';
    this.#giveBack();
    await Promise.all([...this.#open].map(({ consumer }) => consumer.close()));
    // What came meanwhile.
    this.#giveBack();
    if (this.#state === 'ending') this.#handOut();
  }
}
