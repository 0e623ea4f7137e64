/** Producing to several brokers as one: who gets a message, and who when that one fails. */
import assert from 'node:assert/strict';
import { addressOf, startServer, untilListed } from '../tracker/tables.js';
import { TimeoutError } from '../../../src/client/errors.js';
import {
  BadRequestError,
  ClosedError,
  NotFoundError,
  StorageFullError,
} from '../../../src/errors.js';
import { Mask } from '../../../src/protocol/masks.js';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';
import { until, watch } from '../../support/wait.js';
import { openBus } from './buses.js';
import { type Behind, openBroker, startBehind, startSeveral, untilRouted } from './several.js';

const TOPIC = 'orders';

async function depth({ server }: Behind, topic = TOPIC): Promise<number> {
  return (await (await openBus(server)).query(topic)).messageDepth;
}

/** The id of the message with this number. */
async function idAt({ server }: Behind, offset: number): Promise<string> {
  return (await (await openBus(server)).client.read(TOPIC, offset)).id;
}

/** The server with this key, and the others. */
function split(all: readonly Behind[], key: string): { home: Behind; others: Behind[] } {
  const home = all.find((one) => one.key === key);
  assert(home !== undefined);
  return { home, others: all.filter((one) => one !== home) };
}

describe('producing to several brokers', () => {
  afterEach(cleanUp);

  it('goes where the topic has the most consumers', async () => {
    const { broker, all } = await startSeveral(3);
    await broker.declare(TOPIC);
    const [, busy] = all;
    assert(busy !== undefined);
    const consumer = (await openBus(busy.server)).consume(TOPIC);
    void consumer.next();
    await until(() => broker.routes.at(TOPIC).get(busy.key)?.topic.consumerCount === 1);
    for (let n = 0; n < 20; n++) {
      assert.equal((await broker.produce(TOPIC, 'x')).server, busy.key);
    }
  });

  it('goes only where the topic is, also before the tables tell of it', async () => {
    const { broker, all } = await startSeveral(3);
    const [one] = all;
    assert(one !== undefined);
    await broker.declare(TOPIC, { servers: [one.key] });
    for (let n = 0; n < 5; n++) assert.equal((await broker.produce(TOPIC, 'x')).server, one.key);
    assert.equal(await depth(one), 5);
    await assert.rejects(broker.produce('none', 'x'), NotFoundError);
  });

  it('follows the rule of the broker, and that of a producer', async () => {
    const { broker, all } = await startSeveral(3, { rules: { produce: 'roundRobin' } });
    await broker.declare(TOPIC);
    await untilRouted(broker, TOPIC, 3);
    for (let n = 0; n < 6; n++) await broker.produce(TOPIC, 'x');
    for (const one of all) assert.equal(await depth(one), 2);
    const sticky = broker.producer(TOPIC, { rule: 'sticky' });
    const homes = new Set<string>();
    for (let n = 0; n < 5; n++) homes.add((await sticky.produce('x', { key: 'tea' })).server);
    assert.equal(homes.size, 1);
    const own = broker.producer(TOPIC, {
      rule: (candidates) => candidates.find(({ server }) => server.key === all[2]?.key),
    });
    assert.equal((await own.produce('x')).server, all[2]?.key);
    assert.throws(() => broker.producer(TOPIC, { rule: 'any' as 'sticky' }), BadRequestError);
  });

  it('sends a message under the same id to another server when the first one is cut', async () => {
    const { broker, all } = await startSeveral(2);
    await broker.declare(TOPIC);
    await untilRouted(broker, TOPIC, 2);
    const sticky = broker.producer(TOPIC, { rule: 'sticky', headers: { mark: 'cut-here' } });
    const { server } = await broker.producer(TOPIC, { rule: 'sticky' }).produce('a', { key: 'k' });
    const { home, others } = split(all, server);
    const [other] = others;
    assert(other !== undefined);
    // The message is stored; its answer is lost on the way.
    home.proxy.cutAtWord('replies', 'offset');
    const produced = await sticky.produce('b', { key: 'k', id: 'one' });
    assert.deepEqual(
      [produced.server, produced.id, produced.attempts, produced.offset],
      [other.key, 'one', 2, 0],
    );
    assert.deepEqual([await idAt(home, 1), await idAt(other, 0)], ['one', 'one']);
  });

  it('sends it once where nothing had left when the server was found to be gone', async () => {
    const { broker, all } = await startSeveral(2);
    await broker.declare(TOPIC);
    await untilRouted(broker, TOPIC, 2);
    const [gone, other] = all;
    assert(gone !== undefined && other !== undefined);
    gone.proxy.targetPort = null;
    gone.proxy.cut();
    for (let n = 0; n < 20; n++) {
      const { server, attempts } = await broker.produce(TOPIC, 'x');
      if (attempts === 1) assert.equal(server, other.key);
    }
    await until(() => broker.servers.filter((one) => broker.isConnected(one)).length === 1);
    assert.equal((await broker.produce(TOPIC, 'x')).attempts, 1);
  });

  it('sends to another what a server leaves unanswered for attemptTimeoutMs', async () => {
    const { broker, all } = await startSeveral(2, { heartbeatMs: Infinity });
    await broker.declare(TOPIC);
    await untilRouted(broker, TOPIC, 2);
    const [silent, other] = all;
    assert(silent !== undefined && other !== undefined);
    silent.proxy.silent = true;
    const producer = broker.producer(TOPIC, { attemptTimeoutMs: 50, rule: 'roundRobin' });
    const produced = [];
    for (let n = 0; n < 10; n++) produced.push(await producer.produce('x'));
    assert(produced.every(({ server }) => server === other.key));
    const attempts = produced.reduce((sum, one) => sum + one.attempts, 0);
    // It rests, so that not every message waits for it: ten would be sent twice.
    assert(attempts > 10 && attempts < 20, `${attempts} attempts`);
  });

  it('loses no call when a server stops in good order under load', async () => {
    const { broker, all } = await startSeveral(3, { rules: { produce: 'roundRobin' } });
    await broker.declare(TOPIC);
    await untilRouted(broker, TOPIC, 3);
    const [stopping] = all;
    assert(stopping !== undefined);
    const calls = [];
    for (let n = 0; n < 300; n++) {
      calls.push(broker.produce(TOPIC, String(n)));
      if (n === 100) calls.push(stopping.server.stop());
      if (n % 10 === 0) await new Promise(setImmediate);
    }
    await Promise.all(calls);
    assert.notEqual((await broker.produce(TOPIC, 'x')).server, stopping.key);
  });

  it('waits while no server is there, and says so when its time is over', async () => {
    const { broker, all } = await startSeveral(1);
    await broker.declare(TOPIC);
    const [only] = all;
    assert(only !== undefined);
    only.proxy.targetPort = null;
    only.proxy.cut();
    await until(() => broker.servers.every((one) => !broker.isConnected(one)));
    await assert.rejects(
      broker.produce(TOPIC, 'x', { timeoutMs: 30 }),
      (error) => error instanceof TimeoutError && error.message.includes('nothing was sent'),
    );
    const waiting = broker.produce(TOPIC, 'y');
    const watched = watch(waiting);
    await new Promise(setImmediate);
    assert.equal(watched.fulfilled, false);
    only.proxy.targetPort = only.server.port;
    assert.equal((await waiting).server, only.key);
    assert.equal(await depth(only), 1);
  });

  it('waits for the server that has the topic, though others say it is not there', async () => {
    const { broker, all } = await startSeveral(2);
    const [one, other] = all;
    assert(one !== undefined && other !== undefined);
    await broker.declare(TOPIC, { servers: [one.key] });
    await untilRouted(broker, TOPIC, 1);
    one.proxy.targetPort = null;
    one.proxy.cut();
    await until(() => broker.servers.filter((it) => broker.isConnected(it)).length === 1);
    const waiting = broker.produce(TOPIC, 'x');
    one.proxy.targetPort = one.server.port;
    assert.equal((await waiting).server, one.key);
  });

  it('goes to another server when one has no room, and fails when none has', async () => {
    const full = await startBehind(await TestBroker.start({ memoryTopicBytesMax: 1 }));
    const free = await startBehind();
    const broker = openBroker({ servers: [full.key, free.key] });
    await broker.ready();
    await until(() => broker.servers.every((one) => broker.isConnected(one)));
    await broker.declare(TOPIC, { topicMask: Mask.memory });
    await untilRouted(broker, TOPIC, 2);
    for (let n = 0; n < 10; n++) {
      assert.equal((await broker.produce(TOPIC, 'x')).server, free.key);
    }
    await free.server.stop();
    await until(() => broker.servers.filter((one) => broker.isConnected(one)).length === 1);
    broker.removeServer(free.key);
    await assert.rejects(broker.produce(TOPIC, 'x'), StorageFullError);
  });

  it('ends with the signal, and with ClosedError when the client is closed', async () => {
    const { broker, all } = await startSeveral(1);
    for (const { proxy } of all) {
      proxy.targetPort = null;
      proxy.cut();
    }
    await until(() => broker.servers.every((one) => !broker.isConnected(one)));
    const abort = new AbortController();
    const aborted = broker.produce(TOPIC, 'x', { signal: abort.signal });
    abort.abort(new Error('enough'));
    await assert.rejects(aborted, /enough/);
    const closed = broker.produce(TOPIC, 'x');
    closed.catch(() => undefined);
    await broker.close({ timeoutMs: 0 });
    await assert.rejects(closed, ClosedError);
  });
});

describe('declaring on several brokers', () => {
  afterEach(cleanUp);

  it('is done on all, on those that are named, and on those that a function chooses', async () => {
    const { broker, all } = await startSeveral(3);
    const keys = all.map(({ key }) => key).sort();
    const declared = await broker.declare('all', { group: 'g' });
    assert.deepEqual(declared.map(({ server }) => server).sort(), keys);
    assert(declared.every(({ result }) => result.groupName === 'g'));
    const named = await broker.declare('named', { servers: keys.slice(0, 1) });
    assert.deepEqual(
      named.map(({ server }) => server),
      keys.slice(0, 1),
    );
    const rest = await broker.declare('rest', { servers: ({ key }) => key !== keys[0] });
    assert.deepEqual(rest.map(({ server }) => server).sort(), keys.slice(1));
  });

  it('is done on all that can be reached, also when the client has just begun', async () => {
    const tracker = await TestBroker.start();
    const servers = [await startServer([tracker]), await startServer([tracker])];
    await untilListed(tracker, servers);
    const broker = openBroker({ trackers: [addressOf(tracker), '127.0.0.1:1'] });
    const declared = await broker.declare('t');
    assert.equal(declared.length, 3);
  });

  it('leaves out a server that is away, but not one that is named', async () => {
    const { broker, all } = await startSeveral(2);
    const [away, there] = all;
    assert(away !== undefined && there !== undefined);
    away.proxy.targetPort = null;
    away.proxy.cut();
    await until(() => broker.servers.filter((one) => broker.isConnected(one)).length === 1);
    const declared = await broker.declare('t');
    assert.deepEqual(
      declared.map(({ server }) => server),
      [there.key],
    );
    const named = { servers: [away.key, there.key], timeoutMs: 50 };
    await assert.rejects(broker.declare('t', named), TimeoutError);
    const unknown = { servers: ['127.0.0.1:1'], timeoutMs: 50 };
    await assert.rejects(broker.declare('t', unknown), TimeoutError);
  });

  it('removes and empties wherever the topic is, and says when it is nowhere', async () => {
    const { broker, all } = await startSeveral(2);
    const [one, other] = all;
    assert(one !== undefined && other !== undefined);
    await broker.declare('t', { servers: [one.key] });
    await broker.produce('t', 'x');
    await broker.empty('t');
    assert.equal(await depth(one, 't'), 0);
    await broker.remove('t');
    await assert.rejects(broker.remove('t'), NotFoundError);
    await assert.rejects(broker.empty('t'), NotFoundError);
  });
});
