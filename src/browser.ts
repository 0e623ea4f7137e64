/**
 * The public interface of `zbus/browser`: the client for pages and workers, over WebSocket.
 * scripts/bundle-client.mjs makes one file of it, which the broker serves as /zbus.js.
 */
import { BrokerClient, type BrokerOptions } from './client/routing/broker-client.js';
import { type Bus, connectOver } from './client/bus.js';
import type { ConnectOptions } from './client/options.js';
import { ownTransport, pageTransportOf } from './client/page-transport.js';

export * from './client/public.js';
export * from './errors.js';
export { Mask } from './protocol/masks.js';

/** Whom a browser trusts is not for a page to say. */
export type PageConnectOptions = Omit<ConnectOptions, 'tls'>;

/**
 * Connects to the broker that the page came from, or to others: `connect()`,
 * `connect('wss://broker.example:15555')`, `connect('broker.example:15555')`; the last over TLS
 * where the page came over TLS. Of several addresses of one broker the first that answers is taken.
 * Rejects with ConnectionLostError when none does (see `waitForBroker`), with BadRequestError for
 * an address that is none or asks for TCP.
 */
export async function connect(
  address?: string | readonly string[],
  options: PageConnectOptions = {},
): Promise<Bus> {
  const { token } = options;
  const addresses = typeof address === 'string' ? [address] : address;
  const transports = addresses?.map((one) => pageTransportOf(one, token)) ?? [ownTransport(token)];
  return connectOver(transports, options);
}

/** Several brokers as one, over WebSocket. */
export class Broker extends BrokerClient {
  /** As connect takes its options; addresses are those that trackers tell: `host:port`. */
  constructor(options: Omit<BrokerOptions, 'tls'>) {
    super(options, ({ address, sslEnabled }, { token }) =>
      pageTransportOf(`${sslEnabled ? 'wss' : 'ws'}://${address}`, token),
    );
  }
}
