/**
 * The short way: one object that produces, consumes and declares. Made by `connect`, or by an
 * embedded broker. Thin: MqClient and Consumer do the work.
 */
import type { Body } from './body.js';
import { type InGroup, MqClient, type Produced, type ProduceOptions } from './mq-client.js';
import {
  Connection,
  type ConnectionEvents,
  type ConnectionState,
  type Stream,
} from './connection.js';
import type { ConsumeOptions } from './consume-options.js';
import { Consumer } from './consumer.js';
import type { Listener } from './emitter.js';
import { type ConnectOptions, withDefaults } from './options.js';
import { startTimer } from './timer.js';
import { type AnyService, type Remote, remoteOf } from './rpc/remote.js';
import { RpcInvoker, type RpcOptions } from './rpc/rpc-invoker.js';
import { type ProcessorOptions, RpcProcessor } from './rpc/rpc-processor.js';
import type { RpcHandler, Schemas } from './rpc/rpc-service.js';
import type { Transport } from './transport.js';

const CLOSE_TIMEOUT_MS = 5000;

/** What `connect` of connect.ts and of a page do, over transports of one's own. */
export async function connectOver(
  transports: readonly Transport[],
  options: ConnectOptions = {},
): Promise<Bus> {
  const { signal } = options;
  signal?.throwIfAborted();
  const connection = new Connection(transports, withDefaults(options));
  const onAbort = (): void => void connection.close(0);
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    await connection.open();
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
  return new Bus(new MqClient(connection));
}

/** How a service is served: ProcessorOptions, and what RpcProcessor.add takes. */
export interface ServeOptions<Service> extends ProcessorOptions {
  /** The module under which it is called; default ''. For several: RpcProcessor.add. */
  readonly module?: string;
  /** By method, of the list of its parameters. */
  readonly schemas?: Schemas<Service>;
}

/** A connection to one broker, kept up until `close`. Made by `connect`. */
export class Bus implements AsyncDisposable {
  /** Every command that is not here. */
  readonly client: MqClient;
  /** Makes a topic, or a group of it, or changes what is there. */
  readonly declare: MqClient['declare'];
  /** What is known of the topic, of a group of it, or of the broker. Rejects with NotFoundError. */
  readonly query: MqClient['query'];
  readonly #connection: Connection;
  #closing: Promise<void> | null = null;

  constructor(client: MqClient) {
    this.client = client;
    this.declare = client.declare.bind(client);
    this.query = client.query.bind(client);
    this.#connection = client.connection;
  }

  /** Whether there is a connection now, and whether there will be one. */
  get state(): ConnectionState {
    return this.#connection.state;
  }

  /** Calls `listener` at each `name`, until the returned function is called. */
  on<Name extends keyof ConnectionEvents>(
    name: Name,
    listener: Listener<ConnectionEvents[Name]>,
  ): () => void {
    return this.#connection.events.on(name, listener);
  }

  /**
   * Stores a message: text, bytes, or a value as JSON. Resolves once it has reached its ack level.
   * When the connection is lost meanwhile it is sent again under the same id, and `attempts` says
   * so. Rejects with NotFoundError when there is no such topic, with BadRequestError or LimitError
   * before anything is sent, and with TimeoutError when it is not known whether it was stored.
   */
  produce(topic: string, body?: Body, options?: ProduceOptions): Promise<Produced> {
    return this.client.produce(topic, body, options);
  }

  /**
   * The messages of a group, to iterate over. Topic and group are made, or changed, as the options
   * say, when the iteration begins and after each loss of the connection. Throws BadRequestError.
   */
  consume<Value = unknown>(topic: string, options?: ConsumeOptions): Consumer<Value> {
    return new Consumer<Value>(this.#connection, topic, options);
  }

  /**
   * The methods of the services behind the topic, as methods: `await calc.plus(1, 2)`. Options hold
   * for all calls; RpcInvoker takes them for each. Throws BadRequestError.
   */
  rpc<Service = AnyService>(topic: string, options?: RpcOptions): Remote<Service> {
    return remoteOf<Service>(new RpcInvoker(this.client, topic, options));
  }

  /**
   * Serves the calls of the topic with the methods of `service`, or with a function that gets each
   * call as it is: see RpcProcessor. Resolves once the broker hands calls to it.
   */
  serve(
    topic: string,
    handler: RpcHandler,
    options?: Omit<ServeOptions<object>, 'schemas'>,
  ): Promise<RpcProcessor>;
  serve<Service extends object>(
    topic: string,
    service: Service,
    options?: ServeOptions<Service>,
  ): Promise<RpcProcessor>;
  async serve(
    topic: string,
    service: object,
    options: ServeOptions<object> = {},
  ): Promise<RpcProcessor> {
    const processor = new RpcProcessor(this.client, topic, options);
    processor.add(options.module ?? '', service, options.schemas);
    await processor.start();
    return processor;
  }

  /** Removes the topic with all in it, or a group of it. Rejects with NotFoundError. */
  remove(topic: string, options?: InGroup): Promise<void> {
    return this.client.remove(topic, options);
  }

  /** Drops all messages of the topic, or moves the group to its end. Rejects with NotFoundError. */
  empty(topic: string, options?: InGroup): Promise<void> {
    return this.client.empty(topic, options);
  }

  /**
   * Ends in good order: consumers ask for no more, what is in the application's hands may still be
   * settled, calls get their answers; then the connection ends. What takes longer than `timeoutMs`
   * (default 5000) fails with ClosedError. Twice is once.
   */
  close(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(options.timeoutMs ?? CLOSE_TIMEOUT_MS);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(timeoutMs: number): Promise<void> {
    const { clock } = this.#connection.options;
    const endMs = clock.nowMs() + timeoutMs;
    const streams = [...this.#connection.streams];
    if (streams.length > 0 && timeoutMs > 0) await this.#endStreams(streams, timeoutMs);
    await this.#connection.close(Math.max(0, endMs - clock.nowMs()));
  }

  /** Meanwhile calls are taken: what is in hand may lead to messages before it is acknowledged. */
  async #endStreams(streams: readonly Stream[], timeoutMs: number): Promise<void> {
    const settled = Promise.all(streams.map((one) => one.drain()));
    let stopTimer = (): void => undefined;
    const late = new Promise<void>((resolve) => {
      stopTimer = startTimer(this.#connection.options.clock, timeoutMs, resolve);
    });
    await Promise.race([settled, late]);
    stopTimer();
  }
}
