/**
 * Several brokers of a test as one, each behind a network that fails when the test says so. What is
 * opened is closed by cleanUp.
 */
import type { Config } from '../../../src/config/config.js';
import { Broker } from '../../../src/client/routing/broker.js';
import type { BrokerOptions } from '../../../src/client/routing/broker-client.js';
import { TestBroker } from '../../support/broker.js';
import { onCleanUp } from '../../support/cleanup.js';
import { until } from '../../support/wait.js';
import { CutProxy } from './cut-proxy.js';

export interface Behind {
  readonly server: TestBroker;
  readonly proxy: CutProxy;
  /** What the client knows the server by. */
  readonly key: string;
}

export function openBroker(options: BrokerOptions): Broker {
  const broker = new Broker({ reconnect: { minMs: 1, maxMs: 20 }, ...options });
  onCleanUp(() => broker.close({ timeoutMs: 0 }));
  return broker;
}

export async function startBehind(server?: TestBroker): Promise<Behind> {
  const there = server ?? (await TestBroker.start());
  const proxy = await CutProxy.open(there.port);
  return { server: there, proxy, key: `127.0.0.1:${proxy.port}` };
}

/** Servers behind proxies, and a client that is connected to all and has been told by all. */
export async function startSeveral(
  count: number,
  options: Omit<BrokerOptions, 'servers'> = {},
  config: Partial<Config> = {},
): Promise<{ broker: Broker; all: Behind[] }> {
  const all = await Promise.all(
    Array.from({ length: count }, async () => startBehind(await TestBroker.start(config))),
  );
  const broker = openBroker({ ...options, servers: all.map(({ key }) => key) });
  await untilReached(broker, all);
  return { broker, all };
}

export async function untilReached(broker: Broker, all: readonly Behind[]): Promise<void> {
  await until(() =>
    all.every(({ key }) => {
      const server = broker.routes.servers.get(key);
      if (server === undefined || server.info === null) return false;
      return broker.isConnected(server);
    }),
  );
}

/** Waits until the client knows the topic to be on so many servers. */
export async function untilRouted(broker: Broker, topic: string, count: number): Promise<void> {
  await until(() => broker.routes.at(topic).size === count);
}
