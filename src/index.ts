/**
 * The public interface of the package: what is not exported here may change in any release.
 */
export { Broker } from './client/routing/broker.js';
export { connect } from './client/connect.js';
export * from './client/public.js';
export { type Config, defaultConfig } from './config/config.js';
export { ConfigError } from './config/config-error.js';
export { type ConfigSources, loadConfig } from './config/sources.js';
export { EmbeddedBroker, type EmbeddedOptions, startBroker } from './embedded.js';
export * from './errors.js';
export { createLog, type Log, type LogOptions, type ReopenableLog } from './log.js';
export { Mask } from './protocol/masks.js';
export type { HostPort } from './server/address.js';
export { Server } from './server/server.js';
export { version } from './version.js';
