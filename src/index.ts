/**
 * The public interface of the package: what is not exported here may change in any release.
 */
export type { Body } from './client/body.js';
export { Broker } from './client/broker.js';
export { BrokerClient, type BrokerEvents, type BrokerOptions } from './client/broker-client.js';
export { Bus, connect, type ServeOptions } from './client/bus.js';
export type { ConnectionEvents, ConnectionState } from './client/connection.js';
export { Consumer, type ConsumeOptions } from './client/consumer.js';
export type { GroupOptions, StartOptions, TopicOptions } from './client/declaration.js';
export { BufferFullError, ConnectionLostError, ReplyError, TimeoutError } from './client/errors.js';
export type {
  GroupInfo,
  RpcInfo,
  ServerAddress,
  ServerInfo,
  TopicInfo,
  TrackerInfo,
} from './client/info.js';
export {
  type AskedLevel,
  type CallLimits,
  type InGroup,
  MqClient,
  type Produced,
  type ProduceOptions,
} from './client/mq-client.js';
export type { ConnectOptions, TlsOptions } from './client/options.js';
export { Producer } from './client/producer.js';
export type { HeaderValues } from './client/requests.js';
export { type Route, type RoutedServer, RouteTable } from './client/route-table.js';
export type { AnyService, Remote } from './client/rpc/remote.js';
export { RpcAnswer } from './client/rpc/rpc-answer.js';
export { RpcError, RpcErrorCode, type RpcIssue } from './client/rpc/rpc-error.js';
export { type RequestOptions, RpcInvoker, type RpcOptions } from './client/rpc/rpc-invoker.js';
export { type ProcessorOptions, RpcProcessor } from './client/rpc/rpc-processor.js';
export { RpcReply, RpcRequest } from './client/rpc/rpc-request.js';
export type { ParamsSchema, RpcHandler, Schemas } from './client/rpc/rpc-service.js';
export { ReceivedMessage, StoredMessage } from './client/stored-message.js';
export { type Config, defaultConfig } from './config/config.js';
export { ConfigError, type ConfigSources, loadConfig } from './config/sources.js';
export { EmbeddedBroker, type EmbeddedOptions, startBroker } from './embedded.js';
export * from './errors.js';
export { createLog, type Log, type LogOptions, type ReopenableLog } from './log.js';
export { Mask } from './protocol/masks.js';
export type { HostPort } from './server/address.js';
export { Server } from './server/server.js';
export { version } from './version.js';
