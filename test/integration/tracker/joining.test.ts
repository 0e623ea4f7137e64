/** Brokers that find each other through a tracker: who is listed, with what, and until when. */
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { ConfigError } from '../../../src/config/config-error.js';
import { TestBroker } from '../../support/broker.js';
import { cleanUp, onCleanUp } from '../../support/cleanup.js';
import { ManualClock } from '../../support/manual-clock.js';
import { turn, until } from '../../support/wait.js';
import {
  addressOf,
  publish,
  serverInfo,
  startServer,
  Subscription,
  tableOf,
  untilListed,
} from './tables.js';

/** A port where nobody listens. */
async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return address !== null && typeof address === 'object' ? address.port : 0;
}

describe('servers of a tracker', () => {
  afterEach(cleanUp);

  it('a broker is in its own table', async () => {
    const broker = await TestBroker.start();
    const { serverTable } = await tableOf(broker);
    assert.deepEqual(Object.keys(serverTable), [addressOf(broker)]);
  });

  it('a server that joins is listed with what it has', async () => {
    const tracker = await TestBroker.start();
    const server = await startServer([tracker]);
    await (await server.connect()).expect(200, 'declare', { topic: 'Orders' });
    await untilListed(tracker, [server]);
    await until(async () => {
      const { serverTable } = await tableOf(tracker);
      return 'Orders' in (serverTable[addressOf(server)]?.topicTable ?? {});
    });
  });

  it('the JSON of a server names the trackers that it joins', async () => {
    const tracker = await TestBroker.start();
    const server = await startServer([tracker]);
    const { body } = await (await server.connect()).expect(200, 'server');
    const { trackerList } = JSON.parse(body.toString()) as { trackerList: unknown };
    const address = {
      address: `127.0.0.1:${tracker.port}`,
      sslEnabled: tracker.authority !== null,
    };
    assert.deepEqual(trackerList, [address]);
  });

  it('two trackers of each other both list both', async () => {
    const first = await TestBroker.start();
    const second = await startServer([first]);
    await untilListed(first, [second]);
    const port = first.port;
    await first.stop();
    const again = new TestBroker({
      ...first.config,
      serverAddress: `127.0.0.1:${port}`,
      trackerList: [addressOf(second)],
    });
    await again.start();
    await untilListed(again, [second]);
    await untilListed(second, [again]);
  });

  it('a server that stops leaves at once, and its subscribers are told', async () => {
    const tracker = await TestBroker.start();
    const server = await startServer([tracker]);
    await untilListed(tracker, [server]);
    const subscription = await Subscription.open(tracker);
    const { serverTable } = await subscription.next();
    assert(addressOf(server) in serverTable);
    const address = addressOf(server);
    await server.stop();
    assert(!(address in (await subscription.next()).serverTable));
  });

  it('a tracker that comes back is joined again', async () => {
    const tracker = await TestBroker.start();
    const server = await startServer([tracker]);
    await untilListed(tracker, [server]);
    const { port } = tracker;
    await tracker.stop();
    const again = new TestBroker({ ...tracker.config, serverAddress: `127.0.0.1:${port}` });
    await again.start();
    await untilListed(again, [server]);
  });

  it('a server that nobody can reach is never listed', async () => {
    const tracker = await TestBroker.start();
    const client = await tracker.connect();
    await publish(client, serverInfo(`127.0.0.1:${await closedPort()}`));
    await until(() => tracker.warnings.some((line) => line.includes('cannot be reached')));
    await untilListed(tracker, []);
  });

  it('a server whose connection breaks leaves, and returns with what it tells then', async () => {
    const tracker = await TestBroker.start();
    const server = await TestBroker.start();
    const client = await tracker.connect();
    const address = `127.0.0.1:${server.port}`;
    await publish(client, serverInfo(address, { infoVersion: 1000 }));
    await untilListed(tracker, [server]);
    await server.stop();
    await untilListed(tracker, []);
    // Its clock was set back meanwhile.
    await publish(client, serverInfo(address, { infoVersion: 10 }));
    const again = new TestBroker({ ...server.config, serverAddress: address });
    await again.start();
    await untilListed(tracker, [again]);
    const { serverTable } = await tableOf(tracker);
    assert.equal(serverTable[address]?.infoVersion, 10);
  });

  it('older news of a server does not replace newer', async () => {
    const tracker = await TestBroker.start();
    const server = await TestBroker.start();
    const client = await tracker.connect();
    const address = `127.0.0.1:${server.port}`;
    await publish(client, serverInfo(address, { infoVersion: 7 }));
    await untilListed(tracker, [server]);
    await publish(client, serverInfo(address, { infoVersion: 6 }));
    assert.equal((await tableOf(tracker)).serverTable[address]?.infoVersion, 7);
    await publish(client, serverInfo(address, { infoVersion: 8 }));
    assert.equal((await tableOf(tracker)).serverTable[address]?.infoVersion, 8);
  });

  it('a server that is silent for three intervals is dropped, and not before', async () => {
    const clock = new ManualClock();
    const tracker = await TestBroker.start({}, clock);
    const server = await TestBroker.start();
    const client = await tracker.connect();
    await publish(client, serverInfo(`127.0.0.1:${server.port}`));
    await untilListed(tracker, [server]);
    // One interval at a time: the connection's signs of life must be answered in between.
    for (let passed = 0; passed < 90; passed++) {
      clock.advance(1000);
      for (let turns = 0; turns < 20; turns++) await turn();
    }
    await untilListed(tracker, [server]);
    clock.advance(30_000);
    await untilListed(tracker, []);
  });

  it('a restart begins with a version above all before', async () => {
    const broker = await TestBroker.start();
    const before = (await tableOf(broker)).serverTable[addressOf(broker)]?.infoVersion ?? NaN;
    const client = await broker.connect();
    for (const topic of ['a', 'b', 'c']) await client.expect(200, 'declare', { topic });
    const grown = (await tableOf(broker)).serverTable[addressOf(broker)]?.infoVersion ?? NaN;
    assert(grown > before);
    await broker.restart();
    const after = (await tableOf(broker)).serverTable[addressOf(broker)]?.infoVersion ?? NaN;
    assert(after > grown, `${after} > ${grown}`);
  });
});

describe('servers that a tracker does not take', () => {
  afterEach(cleanUp);

  it('one more than trackedServersMax', async () => {
    const tracker = await TestBroker.start({ trackedServersMax: 1 });
    const client = await tracker.connect();
    await publish(client, serverInfo('127.0.0.1:1'));
    assert.match(
      await publish(client, serverInfo('127.0.0.1:2'), { status: 429 }),
      /trackedServersMax/,
    );
    await publish(client, serverInfo('127.0.0.1:1'), { live: false });
    await publish(client, serverInfo('127.0.0.1:2'));
  });

  it('one that tells more than trackPubBytesMax', async () => {
    const tracker = await TestBroker.start({ trackPubBytesMax: 1024 });
    const info = serverInfo('127.0.0.1:1', { serverVersion: 'x'.repeat(1024) });
    const text = await publish(await tracker.connect(), info, { status: 429 });
    assert.match(text, /trackPubBytesMax/);
  });

  it('one with the address of the tracker, or of every machine', async () => {
    const tracker = await TestBroker.start();
    const client = await tracker.connect();
    const own = serverInfo(`127.0.0.1:${tracker.port}`);
    const speaksTls = tracker.authority !== null;
    await publish(
      client,
      { ...own, serverAddress: { ...own.serverAddress, sslEnabled: speaksTls } },
      { status: 409 },
    );
    const text = await publish(client, serverInfo('0.0.0.0:15555'), { status: 400 });
    assert.match(text, /--server-name/);
  });

  it('what is no JSON of a server', async () => {
    const client = await (await TestBroker.start()).connect();
    const good = serverInfo('127.0.0.1:1');
    for (const serverInfo of [
      undefined,
      null,
      [],
      { ...good, serverAddress: 'a:1' },
      { ...good, serverAddress: { address: 'no port' } },
      { ...good, infoVersion: '1' },
      { ...good, topicTable: [] },
      { ...good, topicTable: { t: { topicName: 1 } } },
    ]) {
      const body = JSON.stringify({ serverInfo, live: true });
      const reply = await client.expect(400, 'track_pub', {}, body);
      assert.match(reply.body.toString(), /^Bad /);
    }
    await client.expect(400, 'track_pub', {}, '{"serverInfo":');
  });
});

describe('a broker that others could not reach does not join', () => {
  afterEach(cleanUp);

  for (const [what, config] of Object.entries({
    'a loopback address and a tracker elsewhere': { trackerList: ['tracker.example.com:15555'] },
    'every address of the machine': {
      serverAddress: '0.0.0.0:0',
      allowUnauthenticated: true,
      trackerList: ['127.0.0.1:1'],
    },
    'a name without a port': { serverName: 'mq.example.com', trackerList: ['127.0.0.1:1'] },
  })) {
    it(what, async () => {
      const advised = (error: unknown): boolean =>
        error instanceof ConfigError && error.message.includes('--server-name');
      await assert.rejects(TestBroker.start(config), advised);
    });
  }

  it('a tracker only that is to join others', async () => {
    const config = { trackerOnly: true, trackerList: ['127.0.0.1:1'] };
    await assert.rejects(TestBroker.start(config), ConfigError);
  });
});

describe('a tracker only', () => {
  afterEach(cleanUp);

  it('has no topics, says so, and does not list itself', async () => {
    const tracker = await TestBroker.start({ trackerOnly: true });
    const client = await tracker.connect();
    for (const cmd of ['produce', 'consume', 'declare', 'query', 'remove', 'empty', 'rpc']) {
      const reply = await client.expect(400, cmd, { topic: 't' });
      assert.match(reply.body.toString(), /tracker only/, cmd);
    }
    const reply = await client.get('/orders/plus/1');
    assert.match(reply.body.toString(), /tracker only/);
    await client.expect(200, 'query');
    assert.deepEqual((await tableOf(tracker)).serverTable, {});
  });

  it('lists those who join', async () => {
    const tracker = await TestBroker.start({ trackerOnly: true });
    const server = await startServer([tracker]);
    await until(async () => addressOf(server) in (await tableOf(tracker)).serverTable);
  });

  it('touches no data folder', async () => {
    const mqDir = '/proc/cannot-be-made';
    const tracker = new TestBroker({ trackerOnly: true, mqDir });
    onCleanUp(() => tracker.stop());
    await tracker.start();
  });
});
