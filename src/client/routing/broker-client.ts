/**
 * Several brokers as one, for applications: what Bus is for one broker. Thin: the servers are those
 * of ServerSet, and the classes beside it do the work. Browser-safe.
 */
import type { Body } from '../body.js';
import type { ServeOptions } from '../bus.js';
import type { GroupOptions, StartOptions, TopicOptions } from '../declaration.js';
import type { GroupInfo, TopicInfo } from '../info.js';
import type { InGroup } from '../mq-client.js';
import { type AnyService, type Remote, remoteOf } from '../rpc/remote.js';
import { RpcInvoker, type RpcOptions } from '../rpc/rpc-invoker.js';
import type { RpcHandler } from '../rpc/rpc-service.js';
import { type OnServer, onServers, type OnServersOptions, whereFound } from './on-servers.js';
import { type RoutedConsumeOptions, RoutedConsumer } from './routed-consumer.js';
import { RoutedProcessor, type RoutedProcessorOptions } from './routed-processor.js';
import {
  type RoutedProduced,
  type RoutedProduceOptions,
  RoutedProducer,
  type RoutedProducerOptions,
} from './routed-producer.js';
import { RoutedRpc } from './routed-rpc.js';
import type { ServerRule } from './server-choice.js';
import { ServerSet } from './server-set.js';

export type { BrokerEvents, BrokerOptions, TransportOf } from './server-set.js';

type DeclareGroupOptions = TopicOptions &
  GroupOptions &
  StartOptions &
  OnServersOptions & { readonly group: string };

/** As ServeOptions of a bus; `concurrency` holds for each server. */
export type RoutedServeOptions<Service> = ServeOptions<Service> &
  Pick<RoutedProcessorOptions, 'servers'>;

export interface RoutedRpcOptions extends RpcOptions {
  /** Which of the servers with a service gets a call. Default: that of the broker, `leastBusy`. */
  readonly rule?: ServerRule;
}

export class BrokerClient extends ServerSet {
  /**
   * Stores a message at one server, by the rule of this broker; at another under the same id when
   * that one does not answer, so that it may be stored twice (`attempts`). Rejects as Bus.produce.
   */
  async produce(
    topic: string,
    body?: Body,
    options?: RoutedProduceOptions,
  ): Promise<RoutedProduced> {
    return this.producer(topic).produce(body, options);
  }

  /** Produces to one topic, with a rule and options of its own. Throws BadRequestError. */
  producer(topic: string, options?: RoutedProducerOptions): RoutedProducer {
    return new RoutedProducer(this, topic, options);
  }

  /** As Bus.rpc: each call goes to a server with a service. Throws BadRequestError. */
  rpc<Service = AnyService>(topic: string, options?: RoutedRpcOptions): Remote<Service> {
    return remoteOf<Service>(this.invoker(topic, options));
  }

  /** What makes calls of a topic, for options of each call. Throws BadRequestError. */
  invoker(topic: string, { rule, ...options }: RoutedRpcOptions = {}): RpcInvoker {
    return new RpcInvoker({ connection: new RoutedRpc(this, rule) }, topic, options);
  }

  /**
   * The messages of a group on all servers, to iterate over, those of servers that join later
   * included; of each server in its order. Topic and group are made there. Throws BadRequestError.
   */
  consume<Value = unknown>(topic: string, options?: RoutedConsumeOptions): RoutedConsumer<Value> {
    return new RoutedConsumer<Value>(this, topic, options);
  }

  /** As Bus.serve, on all servers. Resolves once one of them hands calls to it. */
  serve(
    topic: string,
    handler: RpcHandler,
    options?: Omit<RoutedServeOptions<object>, 'schemas'>,
  ): Promise<RoutedProcessor>;
  serve<Service extends object>(
    topic: string,
    service: Service,
    options?: RoutedServeOptions<Service>,
  ): Promise<RoutedProcessor>;
  async serve(
    topic: string,
    service: object,
    options: RoutedServeOptions<object> = {},
  ): Promise<RoutedProcessor> {
    const { module = '', schemas, ...rest } = options;
    const processor = new RoutedProcessor(this, topic, rest);
    processor.add(module, service, schemas);
    await processor.start();
    return processor;
  }

  /**
   * Makes a topic, or a group of it, on the servers that are chosen, or changes what is there.
   * Resolves with what each says; rejects when one refuses, those that went away left out.
   */
  declare(topic: string, options: DeclareGroupOptions): Promise<OnServer<GroupInfo>[]>;
  declare(topic: string, options?: TopicOptions & OnServersOptions): Promise<OnServer<TopicInfo>[]>;
  declare(
    topic: string,
    options: TopicOptions & Partial<DeclareGroupOptions> = {},
  ): Promise<OnServer<TopicInfo | GroupInfo>[]> {
    return onServers<TopicInfo | GroupInfo>(this, options, (bus, limits) =>
      bus.client.declare(topic, { ...options, ...limits }),
    );
  }

  /** Removes the topic, or the group, wherever it is. NotFoundError when it is nowhere. */
  remove(topic: string, options: InGroup & OnServersOptions = {}): Promise<void> {
    return whereFound(this, options, (bus, limits) => bus.remove(topic, { ...options, ...limits }));
  }

  /** As Bus.empty, wherever the topic is. NotFoundError when it is nowhere. */
  empty(topic: string, options: InGroup & OnServersOptions = {}): Promise<void> {
    return whereFound(this, options, (bus, limits) => bus.empty(topic, { ...options, ...limits }));
  }
}
