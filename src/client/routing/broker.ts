/** Several brokers as one, over TCP and TLS: BrokerClient as Node connects. */
import { transportOf } from '../node-transport.js';
import { BrokerClient, type BrokerOptions } from './broker-client.js';

export class Broker extends BrokerClient {
  /**
   * Connects at once, and goes on for ever: `new Broker({ trackers: ['t1:15555', '[SSL]t2:15555']
   * })`. Throws BadRequestError for an address that is none.
   */
  constructor(options: BrokerOptions) {
    super(options, ({ address, sslEnabled }, { tls }) =>
      sslEnabled && tls !== undefined
        ? transportOf(`tls://${address}`, { tls })
        : transportOf(`${sslEnabled ? 'tls' : 'tcp'}://${address}`),
    );
  }
}
