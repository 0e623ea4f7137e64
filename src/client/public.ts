/**
 * What of the client is public, wherever it runs: exported by index.ts and by browser.ts. `await
 * using` needs its types also where a program has not those of Node, which bring them.
 */
/// <reference lib="esnext.disposable" preserve="true" />
export type { Body } from './body.js';
export {
  BrokerClient,
  type BrokerEvents,
  type BrokerOptions,
  type RoutedRpcOptions,
  type RoutedServeOptions,
} from './routing/broker-client.js';
export { type RoutedConsumeOptions, RoutedConsumer } from './routing/routed-consumer.js';
export { RoutedProcessor, type RoutedProcessorOptions } from './routing/routed-processor.js';
export type { OnServer, OnServersOptions, ServerChoice } from './routing/on-servers.js';
export {
  type RoutedProduced,
  type RoutedProduceOptions,
  RoutedProducer,
  type RoutedProducerOptions,
} from './routing/routed-producer.js';
export type { Candidate, ChooseServer, Choosing, ServerRule } from './routing/server-choice.js';
export { Bus, type ServeOptions } from './bus.js';
export type { ConnectionEvents, ConnectionState } from './connection.js';
export type { ConsumeOptions } from './consume-options.js';
export { Consumer } from './consumer.js';
export type { GroupOptions, StartOptions, TopicOptions } from './declaration.js';
export { BufferFullError, ConnectionLostError, ReplyError, TimeoutError } from './errors.js';
export type {
  GroupInfo,
  RpcInfo,
  ServerAddress,
  ServerInfo,
  TopicInfo,
  TrackerInfo,
} from './info.js';
export {
  type AskedLevel,
  type CallLimits,
  type InGroup,
  MqClient,
  type Produced,
  type ProduceOptions,
} from './mq-client.js';
export type { ConnectOptions, TlsOptions } from './options.js';
export { Producer } from './producer.js';
export type { HeaderValues } from './requests.js';
export { type Route, type RoutedServer, RouteTable } from './routing/route-table.js';
export type { AnyService, Remote } from './rpc/remote.js';
export { RpcAnswer } from './rpc/rpc-answer.js';
export { RpcError, RpcErrorCode, type RpcErrorOptions, type RpcIssue } from './rpc/rpc-error.js';
export { type RequestOptions, RpcInvoker, type RpcOptions } from './rpc/rpc-invoker.js';
export { type ProcessorOptions, RpcProcessor } from './rpc/rpc-processor.js';
export { RpcReply, RpcRequest } from './rpc/rpc-request.js';
export type { ParamsSchema, RpcHandler, Schemas } from './rpc/rpc-service.js';
export { ReceivedMessage, StoredMessage } from './stored-message.js';
