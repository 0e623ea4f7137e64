/**
 * Several brokers as one, for applications: what Bus is for one broker. Thin: the servers are those
 * of ServerSet, and the classes beside it do the work. Browser-safe.
 */
import { ServerSet } from './server-set.js';

export type { BrokerEvents, BrokerOptions, TransportOf } from './server-set.js';

export class BrokerClient extends ServerSet {}
