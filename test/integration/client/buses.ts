/**
 * The client of the package against a broker of the test, over each transport. Everything that is
 * opened is closed by cleanUp.
 */
import { type Bus, connectOver } from '../../../src/client/bus.js';
import { connect } from '../../../src/client/connect.js';
import type { ConnectOptions } from '../../../src/client/options.js';
import type { ReceivedMessage } from '../../../src/client/stored-message.js';
import type { LinkEvents } from '../../../src/client/transport.js';
import type { TestBroker } from '../../support/broker.js';
import { onCleanUp } from '../../support/cleanup.js';

export const transports = ['TCP', 'WebSocket', 'in process'] as const;
export type TransportName = (typeof transports)[number];

export async function openBus(
  broker: TestBroker,
  transport: TransportName = 'TCP',
  options: ConnectOptions = {},
): Promise<Bus> {
  const bus = await connectBus(broker, transport, options);
  closeLater(bus);
  return bus;
}

/** Over TCP to whatever listens there, with short pauses between attempts. */
export async function openTo(port: number, options: ConnectOptions = {}): Promise<Bus> {
  const reconnect = { minMs: 1, maxMs: 20 };
  const bus = await connect(`127.0.0.1:${port}`, { reconnect, ...options });
  closeLater(bus);
  return bus;
}

function connectBus(
  broker: TestBroker,
  transport: TransportName,
  options: ConnectOptions,
): Promise<Bus> {
  if (transport === 'TCP') return connect(`127.0.0.1:${broker.port}`, options);
  if (transport === 'WebSocket') return connect(`ws://127.0.0.1:${broker.port}`, options);
  const inProcess = {
    address: 'the test broker',
    connect: async (events: LinkEvents) => {
      await Promise.resolve();
      return broker.connectInProcess(events);
    },
  };
  return connectOver([inProcess], options);
}

export function closeLater(bus: Bus): void {
  onCleanUp(() => bus.close({ timeoutMs: 0 }));
}

/** The next `count` messages of an iteration that goes on. */
export async function take<Value>(
  messages: AsyncIterator<ReceivedMessage<Value>, undefined>,
  count: number,
): Promise<ReceivedMessage<Value>[]> {
  const taken: ReceivedMessage<Value>[] = [];
  while (taken.length < count) {
    const { done, value } = await messages.next();
    if (done === true) throw new Error(`the iteration ended behind ${taken.length} messages`);
    taken.push(value);
  }
  return taken;
}

export function texts(messages: readonly ReceivedMessage[]): string[] {
  return messages.map((message) => message.text());
}
