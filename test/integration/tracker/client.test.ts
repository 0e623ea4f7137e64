/** The client that follows trackers: which servers and topics it knows, and what it is told. */
import assert from 'node:assert/strict';
import { Broker } from '../../../src/client/routing/broker.js';
import type { BrokerOptions } from '../../../src/client/routing/broker-client.js';
import { TimeoutError } from '../../../src/client/errors.js';
import { BadRequestError, ClosedError, NotFoundError } from '../../../src/errors.js';
import { TestBroker } from '../../support/broker.js';
import { Authority } from '../../support/certificates.js';
import { cleanUp, onCleanUp } from '../../support/cleanup.js';
import { tempFolder } from '../../support/temp-folder.js';
import { writeServerFiles } from '../../support/tls.js';
import { tokenFile } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { addressOf, startServer } from './tables.js';

function open(options: BrokerOptions): Broker {
  const broker = new Broker({ reconnect: { minMs: 1, maxMs: 20 }, ...options });
  onCleanUp(() => broker.close({ timeoutMs: 0 }));
  return broker;
}

function startTracker(): Promise<TestBroker> {
  return TestBroker.start({ trackerOnly: true });
}

function keys(broker: Broker): string[] {
  return broker.servers.map(({ key }) => key).sort();
}

async function untilKnown(broker: Broker, servers: readonly TestBroker[]): Promise<void> {
  const wanted = servers.map(addressOf).sort().join();
  await until(
    () => keys(broker).join() === wanted && broker.servers.every((one) => broker.isConnected(one)),
  );
}

describe('a client of trackers', () => {
  afterEach(cleanUp);

  it('knows the servers and where topics are, and has a connection to each', async () => {
    const tracker = await startTracker();
    const servers = [await startServer([tracker]), await startServer([tracker])];
    const broker = open({ trackers: [addressOf(tracker)] });
    await untilKnown(broker, servers);
    const [first, second] = broker.servers;
    assert(first !== undefined && second !== undefined);
    await broker.bus(first).declare('Both');
    await broker.bus(second).declare('Both');
    await broker.bus(second).declare('One');
    await until(() => broker.routesOf('both').length === 2 && broker.routesOf('one').length === 1);
    assert.equal(broker.routesOf('one')[0]?.server.key, second.key);
    assert.deepEqual(broker.routesOf('none'), []);
  });

  it('tells who joins, who leaves, and that routes have changed', async () => {
    const tracker = await startTracker();
    const broker = open({ trackers: [addressOf(tracker)] });
    const told: string[] = [];
    broker.on('serverJoined', ({ key }) => told.push(`joined ${key}`));
    broker.on('serverLeft', ({ key }) => told.push(`left ${key}`));
    const server = await startServer([tracker]);
    const address = addressOf(server);
    await untilKnown(broker, [server]);
    const bus = broker.bus(address);
    await server.stop();
    await until(() => broker.servers.length === 0);
    assert.deepEqual(told, [`joined ${address}`, `left ${address}`]);
    await assert.rejects(bus.produce('t', 'x'), ClosedError);
    assert.throws(() => broker.bus(address), NotFoundError);
  });

  it('goes on with what it knows while no tracker answers, and follows it again', async () => {
    const tracker = await startTracker();
    const { port } = tracker;
    const server = await startServer([tracker]);
    const broker = open({ trackers: [addressOf(tracker)] });
    await untilKnown(broker, [server]);
    await tracker.stop();
    await broker.bus(addressOf(server)).declare('t');
    assert.deepEqual(keys(broker), [addressOf(server)]);
    const again = new TestBroker({ ...tracker.config, serverAddress: `127.0.0.1:${port}` });
    await again.start();
    const second = await startServer([again]);
    await untilKnown(broker, [server, second]);
    await until(() => broker.routesOf('t').length === 1);
  });

  it('follows trackers that are added, and none that was removed', async () => {
    const [one, other] = [await startTracker(), await startTracker()];
    const servers = [await startServer([one]), await startServer([other])];
    const broker = open({ trackers: [addressOf(one)] });
    await untilKnown(broker, servers.slice(0, 1));
    broker.addTracker(addressOf(other));
    broker.addTracker(addressOf(other));
    await untilKnown(broker, servers);
    broker.removeTracker(addressOf(one));
    assert.deepEqual(keys(broker), servers.slice(1).map(addressOf));
    assert.deepEqual(broker.trackers, [addressOf(other)]);
  });

  it('a server that is listed and does not answer is no route', async () => {
    const tracker = await startTracker();
    const server = await startServer([tracker]);
    const broker = open({ trackers: [addressOf(tracker)] });
    await untilKnown(broker, [server]);
    await broker.bus(addressOf(server)).declare('t');
    await until(() => broker.routesOf('t').length === 1);
    const bus = broker.bus(addressOf(server));
    // Nobody tells the client that it is gone, but its connection.
    broker.addServer(addressOf(server));
    await server.stop();
    await until(() => bus.state !== 'connected');
    assert.deepEqual(broker.routesOf('t'), []);
    assert.deepEqual(keys(broker), [addressOf(server)]);
  });

  it('connects with TLS where the table says so', async () => {
    const authority = new Authority();
    const files = writeServerFiles(tempFolder(), authority.issue({ name: 'localhost' }));
    const server = new TestBroker({ ...files });
    server.authority = authority;
    await server.start();
    const tls = { ca: authority.certificatePem };
    const broker = open({ trackers: [addressOf(server)], tls });
    await untilKnown(broker, [server]);
    assert.match(keys(broker)[0] ?? '', /^\[SSL\]/);
    await broker.bus(addressOf(server)).declare('t');
  });

  it('is told when a tracker refuses', async () => {
    const tracker = await TestBroker.start({ trackerOnly: true, tokenFile: tokenFile([]) });
    const broker = open({ trackers: [addressOf(tracker)] });
    const refused = await new Promise<{ address: string; error: Error }>((resolve) => {
      broker.on('refused', resolve);
    });
    assert.equal(refused.address, addressOf(tracker));
    assert.match(refused.error.message, /token is needed/);
  });
});

describe('a client of servers that are named', () => {
  afterEach(cleanUp);

  it('knows their topics without a tracker, and of no server beside them', async () => {
    const servers = [await TestBroker.start(), await TestBroker.start()];
    const stranger = await startServer(servers);
    const broker = open({ servers: servers.map(addressOf) });
    await broker.ready();
    await untilKnown(broker, servers);
    await broker.bus(addressOf(servers[1] ?? stranger)).declare('t');
    await until(() => broker.routesOf('t').length === 1);
    assert.deepEqual(keys(broker), servers.map(addressOf).sort());
  });

  it('keeps one that is down, and drops one that is named no more', async () => {
    const server = await TestBroker.start();
    const broker = open({ servers: [addressOf(server)] });
    await broker.ready();
    await server.stop();
    await until(() => broker.servers.every((one) => !broker.isConnected(one)));
    assert.deepEqual(keys(broker), [addressOf(server)]);
    broker.removeServer(addressOf(server));
    assert.deepEqual(keys(broker), []);
  });

  it('refuses what is no address, and to be without any', () => {
    for (const options of [{}, { trackers: [] }, { servers: ['a'] }, { trackers: ['a:b'] }]) {
      assert.throws(() => new Broker(options), BadRequestError, JSON.stringify(options));
    }
  });

  it('is ready in time, or says that it is not', async () => {
    const server = await TestBroker.start();
    const address = addressOf(server);
    await server.stop();
    const broker = open({ servers: [address] });
    await assert.rejects(broker.ready({ timeoutMs: 50 }), TimeoutError);
    const waiting = broker.ready();
    await Promise.all([assert.rejects(waiting, ClosedError), broker.close()]);
    await assert.rejects(broker.ready(), ClosedError);
    assert.throws(() => {
      broker.addServer(address);
    }, ClosedError);
  });
});
