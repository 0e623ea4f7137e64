/**
 * The types of the public interface of the client, checked by the compiler (`npm run typecheck`);
 * nothing here is run.
 */
import { expectTypeOf } from 'expect-type';
import {
  type AskedLevel,
  type Body,
  type Bus,
  connect,
  type ConnectOptions,
  type Consumer,
  type GroupInfo,
  type MqClient,
  Producer,
  type Produced,
  type ReceivedMessage,
  type ServerInfo,
  startBroker,
  type StoredMessage,
  type TopicInfo,
  type ZbusError,
} from '../../src/index.js';
import { connect as connectPage, type PageConnectOptions } from '../../src/browser.js';

interface Order {
  readonly item: string;
}

export function connecting(): void {
  expectTypeOf(connect).returns.resolves.toEqualTypeOf<Bus>();
  expectTypeOf(connect).parameter(0).toEqualTypeOf<string | readonly string[]>();
  expectTypeOf(connectPage).parameter(0).toEqualTypeOf<string | readonly string[] | undefined>();
  expectTypeOf(connectPage).returns.resolves.toEqualTypeOf<Bus>();
  expectTypeOf<ConnectOptions>().toHaveProperty('tls');
  expectTypeOf<PageConnectOptions>().not.toHaveProperty('tls');
  expectTypeOf(startBroker).returns.resolves.toHaveProperty('connect');
  // @ts-expect-error in Node there is no server that the program came from
  void connect();
}

export function producing(bus: Bus): void {
  expectTypeOf(bus.produce('t', { item: 'tea' })).resolves.toEqualTypeOf<Produced>();
  expectTypeOf<Produced['attempts']>().toBeNumber();
  expectTypeOf<AskedLevel>().toEqualTypeOf<'disk' | 'page' | 'none'>();
  expectTypeOf<string | Uint8Array | ArrayBuffer | Order | null | undefined>().toExtend<Body>();
  expectTypeOf(new Producer(bus.client, 't').produce(1)).resolves.toEqualTypeOf<Produced>();
  // @ts-expect-error a symbol is no body
  void bus.produce('t', Symbol('s'));
  // @ts-expect-error there is no such level
  void bus.produce('t', '', { ackLevel: 'memory' });
}

export function consuming(bus: Bus): void {
  const orders = bus.consume<Order>('t', { group: 'g', signal: AbortSignal.timeout(1) });
  expectTypeOf(orders).toEqualTypeOf<Consumer<Order>>();
  expectTypeOf(orders).toExtend<AsyncIterable<ReceivedMessage<Order>>>();
  expectTypeOf(bus.consume('t').next()).resolves.toEqualTypeOf<
    IteratorResult<ReceivedMessage, undefined>
  >();
}

export function reading(message: ReceivedMessage<Order>, unknown: ReceivedMessage): void {
  expectTypeOf(message).toExtend<StoredMessage<Order>>();
  expectTypeOf(message.json()).toEqualTypeOf<Order>();
  expectTypeOf(unknown.json()).toBeUnknown();
  expectTypeOf(message.bytes).toEqualTypeOf<Uint8Array>();
  expectTypeOf(message.headers).toEqualTypeOf<Readonly<Record<string, string>>>();
  expectTypeOf(message.header('x')).toEqualTypeOf<string | undefined>();
  expectTypeOf(message.ack()).resolves.toBeVoid();
  expectTypeOf<MqClient['read']>().returns.resolves.toEqualTypeOf<StoredMessage>();
}

export function asking(bus: Bus): void {
  expectTypeOf(bus.query()).resolves.toEqualTypeOf<ServerInfo>();
  expectTypeOf(bus.query('t')).resolves.toEqualTypeOf<TopicInfo>();
  expectTypeOf(bus.query('t', { group: 'g' })).resolves.toEqualTypeOf<GroupInfo>();
  expectTypeOf(bus.declare('t')).resolves.toEqualTypeOf<TopicInfo>();
  expectTypeOf(bus.declare('t', { topicMask: 1 })).resolves.toEqualTypeOf<TopicInfo>();
  expectTypeOf(bus.declare('t', { group: 'g' })).resolves.toEqualTypeOf<GroupInfo>();
  // @ts-expect-error a filter is of a group
  void bus.declare('t', { filter: 'a.*' });
}

export function listening(bus: Bus): void {
  bus.on('retrying', (detail) => {
    expectTypeOf(detail).toEqualTypeOf<{ readonly error: Error; readonly delayMs: number }>();
  });
  expectTypeOf(bus.on('closed', () => undefined)).toEqualTypeOf<() => void>();
  // @ts-expect-error there is no such event
  bus.on('opened', () => undefined);
  expectTypeOf<ZbusError['code']>().toEqualTypeOf<`ZBUS_${string}`>();
}
