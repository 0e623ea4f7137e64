/** Consuming from several brokers as one: from whom, and what becomes of it when they change. */
import assert from 'node:assert/strict';
import { ForbiddenError, NotFoundError } from '../../../src/errors.js';
import { Mask } from '../../../src/protocol/masks.js';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';
import { token, tokenFile } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { addressOf, startServer } from '../tracker/tables.js';
import { openBus, take, texts } from './buses.js';
import {
  type Behind,
  openBroker,
  startBehind,
  startSeveral,
  untilReached,
  untilRouted,
} from './several.js';

const TOPIC = 'jobs';
const ACKED = { group: 'g', mask: Mask.ackRequired };

async function produceTo({ server }: Pick<Behind, 'server'>, ...bodies: string[]): Promise<void> {
  const bus = await openBus(server);
  for (const body of bodies) await bus.produce(TOPIC, body);
}

/** Messages of the group that are neither settled nor in anybody's hands, and those that are. */
async function left({ server }: Behind): Promise<[waiting: number, inFlight: number]> {
  const bus = await openBus(server);
  const { messageCount, inFlightCount = 0 } = await bus.query(TOPIC, { group: 'g' });
  return [messageCount, inFlightCount];
}

describe('consuming from several brokers', () => {
  afterEach(cleanUp);

  it('takes the messages of all, each once, those of one server in their order', async () => {
    const { broker, all } = await startSeveral(3, { rules: { produce: 'roundRobin' } });
    await broker.declare(TOPIC, ACKED);
    await untilRouted(broker, TOPIC, 3);
    const count = 3000;
    const producing = Promise.all(
      Array.from({ length: count }, (_, n) =>
        broker.produce(TOPIC, String(n), { ackLevel: 'page' }),
      ),
    );
    const last = new Map<string | null, number>();
    const seen = new Set<string>();
    const consumer = broker.consume(TOPIC, ACKED);
    for await (const message of consumer) {
      seen.add(message.text());
      assert(message.offset > (last.get(message.server) ?? -1), 'out of order');
      last.set(message.server, message.offset);
      const acked = message.ack();
      if (seen.size < count) continue;
      await acked;
      break;
    }
    await producing;
    assert.equal(seen.size, count);
    assert.deepEqual([...last.keys()].sort(), all.map(({ key }) => key).sort());
    for (const one of all) assert.deepEqual(await left(one), [0, 0]);
  });

  it('makes topic and group everywhere, or where it is told to', async () => {
    const { broker, all } = await startSeveral(2);
    const [one, other] = all;
    assert(one !== undefined && other !== undefined);
    const consumer = broker.consume(TOPIC, { ...ACKED, servers: [one.key] });
    const next = consumer.next();
    await untilRouted(broker, TOPIC, 1);
    const all2 = broker.consume('everywhere', ACKED);
    const waiting = all2.next();
    await untilRouted(broker, 'everywhere', 2);
    assert.deepEqual([...broker.routes.at(TOPIC).keys()], [one.key]);
    await consumer.return();
    await all2.return();
    assert.deepEqual([(await next).done, (await waiting).done], [true, true]);
  });

  it('follows servers that join, and those that leave', async () => {
    const tracker = await TestBroker.start({ trackerOnly: true });
    const first = await startServer([tracker]);
    const broker = openBroker({ trackers: [addressOf(tracker)] });
    await broker.ready();
    const consumer = broker.consume(TOPIC, ACKED);
    const begun = consumer.next();
    await untilRouted(broker, TOPIC, 1);
    const second = await startServer([tracker]);
    await untilRouted(broker, TOPIC, 2);
    await produceTo({ server: second }, 'of the second');
    assert.equal((await begun).value?.text(), 'of the second');
    await second.stop();
    await until(() => broker.servers.length === 1);
    await produceTo({ server: first }, 'of the first');
    const [message] = await take(consumer, 1);
    assert.deepEqual([message?.text(), message?.server], ['of the first', addressOf(first)]);
    await message?.ack();
  });

  it('goes on when a server is cut off, and gets what was in its hands again', async () => {
    const { broker, all } = await startSeveral(2);
    const [cut, there] = all;
    assert(cut !== undefined && there !== undefined);
    await broker.declare(TOPIC, ACKED);
    await produceTo(cut, 'again');
    const consumer = broker.consume(TOPIC, ACKED);
    const [held] = await take(consumer, 1);
    cut.proxy.targetPort = null;
    cut.proxy.cut();
    await produceTo(there, 'meanwhile');
    const [meanwhile] = await take(consumer, 1);
    assert.equal(meanwhile?.text(), 'meanwhile');
    await meanwhile.ack();
    await assert.rejects(held?.ack() ?? Promise.resolve(), /comes again/);
    cut.proxy.targetPort = cut.server.port;
    const [again] = await take(consumer, 1);
    assert.deepEqual([again?.text(), again?.retry], ['again', 1]);
    await again?.ack();
  });

  it('gives back what it took ahead when the loop is left', async () => {
    const { broker, all } = await startSeveral(2);
    await broker.declare(TOPIC, ACKED);
    for (const one of all) await produceTo(one, 'a', 'b', 'c');
    for await (const message of broker.consume(TOPIC, ACKED)) {
      await message.ack();
      break;
    }
    await until(async () => {
      const groups = await Promise.all(all.map(left));
      const waiting = groups.reduce((sum, [count]) => sum + count, 0);
      return waiting === 5 && groups.every(([, inFlight]) => inFlight === 0);
    });
  });

  it('hands out what it took ahead before it ends where the groups take nothing back', async () => {
    const { broker, all } = await startSeveral(2);
    await broker.declare(TOPIC, { group: 'g' });
    for (const one of all) await produceTo(one, 'a', 'b', 'c');
    const consumer = broker.consume(TOPIC, { group: 'g', prefetch: 2 });
    const got = texts(await take(consumer, 1));
    await consumer.close();
    for await (const message of consumer) got.push(message.text());
    const counts = await Promise.all(all.map(left));
    const waiting = counts.reduce((sum, [count]) => sum + count, 0);
    assert.equal(got.length + waiting, 6, `${got.length} got, ${waiting} left`);
  });

  it('ends when the topic was removed everywhere, not when it was on one server', async () => {
    const { broker, all } = await startSeveral(2);
    const [one, other] = all;
    assert(one !== undefined && other !== undefined);
    await broker.declare(TOPIC, ACKED);
    await untilRouted(broker, TOPIC, 2);
    const consumer = broker.consume(TOPIC, ACKED);
    const next = consumer.next();
    await until(() =>
      [...broker.routes.at(TOPIC).values()].every(({ topic }) => topic.consumerCount === 1),
    );
    await broker.remove(TOPIC, { servers: [one.key] });
    await untilRouted(broker, TOPIC, 1);
    await produceTo(other, 'still');
    assert.equal((await next).value?.text(), 'still');
    // Made again it is consumed again.
    await broker.declare(TOPIC, { ...ACKED, servers: [one.key] });
    await produceTo(one, 'anew');
    assert.deepEqual(texts(await take(consumer, 1)), ['anew']);
    const end = consumer.next();
    await broker.remove(TOPIC);
    await assert.rejects(end, NotFoundError);
    assert.equal((await consumer.next()).done, true);
  });

  it('leaves out a server that refuses and tells of it; ends when all refuse', async () => {
    const all = token('all', ['*']);
    const free = await startBehind();
    const closed = await startBehind(
      await TestBroker.start({ tokenFile: tokenFile([all, token('no', ['query', 'track_sub'])]) }),
    );
    await (await openBus(closed.server, 'TCP', { token: all.secret })).declare(TOPIC, ACKED);
    const { secret } = token('no', []);
    const broker = openBroker({ servers: [free.key, closed.key], token: secret });
    await untilReached(broker, [free, closed]);
    const refused: string[] = [];
    broker.on('refused', ({ address }) => refused.push(address));
    const consumer = broker.consume(TOPIC, ACKED);
    const next = consumer.next();
    await until(() => refused.length > 0);
    assert.deepEqual(refused, [closed.key]);
    await until(() => broker.routes.at(TOPIC).has(free.key));
    await produceTo(free, 'x');
    assert.equal((await next).value?.text(), 'x');
    await consumer.return();
    const alone = broker.consume(TOPIC, { ...ACKED, servers: [closed.key] });
    await assert.rejects(alone.next(), ForbiddenError);
  });

  it('ends with its signal, and when the client is closed', async () => {
    const { broker } = await startSeveral(2);
    const abort = new AbortController();
    const aborted = broker.consume(TOPIC, { ...ACKED, signal: abort.signal });
    const rejected = assert.rejects(aborted.next(), /enough/);
    await untilRouted(broker, TOPIC, 2);
    abort.abort(new Error('enough'));
    await rejected;
    assert.equal((await aborted.next()).done, true);
    const waiting = broker.consume(TOPIC, ACKED).next();
    await until(() =>
      [...broker.routes.at(TOPIC).values()].every(({ topic }) => topic.consumerCount === 1),
    );
    await broker.close();
    assert.equal((await waiting).done, true);
  });
});

describe('serving calls on several brokers', () => {
  afterEach(cleanUp);

  it('answers on every server, and on those that join later', async () => {
    const tracker = await TestBroker.start({ trackerOnly: true });
    const first = await startServer([tracker]);
    const broker = openBroker({ trackers: [addressOf(tracker)] });
    const processor = await broker.serve('calc', { plus: (a: number, b: number) => a + b });
    const second = await startServer([tracker]);
    await untilRouted(broker, 'calc', 2);
    for (const server of [first, second]) {
      const calc = (await openBus(server)).rpc<{ plus(a: number, b: number): number }>('calc', {
        waitMs: 5000,
      });
      assert.equal(await calc.plus(1, 2), 3);
    }
    await processor.close();
    assert.equal(await processor.ended, null);
  });

  it('rejects when every server refuses', async () => {
    const file = tokenFile([token('no', ['query', 'track_sub'])]);
    const closed = await startBehind(await TestBroker.start({ tokenFile: file }));
    const broker = openBroker({ servers: [closed.key], token: token('no', []).secret });
    await assert.rejects(broker.serve('calc', {}), ForbiddenError);
  });
});
