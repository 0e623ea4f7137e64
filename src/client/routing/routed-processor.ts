/**
 * Serves the calls of one topic on several servers: an RpcProcessor a server, all with the same
 * services. Made by BrokerClient.serve. Follows servers that join and leave.
 */
import { BadRequestError, ClosedError } from '../../errors.js';
import { type ProcessorOptions, RpcProcessor } from '../rpc/rpc-processor.js';
import { type RpcHandler, RpcServices, type Schemas } from '../rpc/rpc-service.js';
import { EachServer } from './each-server.js';
import type { ServerChoice } from './on-servers.js';
import type { ServerSet } from './server-set.js';

/** As ProcessorOptions; `concurrency` holds for each server. */
export interface RoutedProcessorOptions extends ProcessorOptions {
  /** Where the topic is made and served. Default: on all servers, also those that join later. */
  readonly servers?: ServerChoice;
}

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** Serves the calls of one topic on several servers, until it is closed; see RpcProcessor. */
export class RoutedProcessor implements AsyncDisposable {
  readonly topic: string;
  /** Resolves when it has ended: with null by `close`, else with the error that ended it. */
  readonly ended: Promise<Error | null>;
  readonly #options: RoutedProcessorOptions;
  readonly #services = new RpcServices();
  readonly #servers: EachServer<RpcProcessor>;
  readonly #open = new Set<RpcProcessor>();
  #state: 'new' | 'open' | 'ending' | 'ended' = 'new';
  #started: Waiting | null = null;
  #closing: Promise<void> | null = null;
  #tellEnd: (error: Error | null) => void = () => undefined;

  /** Throws BadRequestError. */
  constructor(set: ServerSet, topic: string, options: RoutedProcessorOptions = {}) {
    this.topic = topic;
    this.#options = options;
    this.ended = new Promise((resolve) => {
      this.#tellEnd = resolve;
    });
    this.#servers = new EachServer<RpcProcessor>(set, {
      topic,
      servers: options.servers,
      open: (_server, { client }) =>
        this.#begin(
          new RpcProcessor(client, topic, { ...options, signal: undefined }, this.#services),
        ),
      onAllFailed: (error) => {
        this.#finish(error);
      },
      onClosing: () => void this.close(),
    });
  }

  /** As RpcProcessor.add. Throws BadRequestError. */
  add(module: string, handler: RpcHandler): this;
  add<Service extends object>(module: string, service: Service, schemas?: Schemas<Service>): this;
  add(module: string, service: object, schemas: object = {}): this {
    this.#services.add(module, service, schemas);
    return this;
  }

  /**
   * Resolves once one server hands calls to it. Rejects when every server refuses, with the error
   * of the last one.
   */
  start(): Promise<void> {
    if (this.#state !== 'new') {
      return Promise.reject(new BadRequestError('A processor starts once: make another'));
    }
    this.#state = 'open';
    return new Promise((resolve, reject) => {
      this.#started = { resolve, reject };
      const { signal } = this.#options;
      if (signal?.aborted === true) {
        this.#finish(signal.reason as Error);
        return;
      }
      signal?.addEventListener('abort', this.#onAbort, { once: true });
      this.#servers.start();
    });
  }

  /** Calls that are in the hands of its services. */
  get inHandCount(): number {
    return [...this.#open].reduce((sum, { inHandCount }) => sum + inHandCount, 0);
  }

  /** As RpcProcessor.close, on every server. */
  close(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(options);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  // ----------------------------------------------------------------------------------------------

  #begin(processor: RpcProcessor): RpcProcessor {
    this.#open.add(processor);
    processor.start().then(
      () => {
        this.#started?.resolve();
        this.#started = null;
      },
      () => undefined,
    );
    void processor.ended.then((error) => {
      this.#open.delete(processor);
      // Closed: the server has left, or all is being closed.
      if (error === null || error instanceof ClosedError) this.#servers.ended(processor);
      else this.#servers.failed(processor, error);
    });
    return processor;
  }

  readonly #onAbort = (): void => {
    this.#started?.reject(this.#options.signal?.reason as Error);
    this.#started = null;
    void this.close();
  };

  async #close(options: { readonly timeoutMs?: number }): Promise<void> {
    if (this.#state === 'open') this.#state = 'ending';
    this.#servers.stop();
    await Promise.all([...this.#open].map((processor) => processor.close(options)));
    this.#finish(null);
  }

  #finish(error: Error | null): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    this.#servers.stop();
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    this.#started?.reject(error ?? new ClosedError('The processor was closed before it served'));
    this.#started = null;
    this.#tellEnd(error);
  }
}
