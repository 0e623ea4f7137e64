/** What those who subscribe to a tracker are sent, and when. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';
import { ManualClock } from '../../support/manual-clock.js';
import { turn, until } from '../../support/wait.js';
import { secretOf, token, tokenFile } from '../../support/tokens.js';
import {
  addressOf,
  publish,
  serverInfo,
  startServer,
  Subscription,
  tableOf,
  topicInfo,
  untilListed,
} from './tables.js';

describe('a subscription to a tracker', () => {
  afterEach(cleanUp);

  it('is sent many changes as one', async () => {
    const clock = new ManualClock();
    const tracker = await TestBroker.start({}, clock);
    const subscription = await Subscription.open(tracker);
    await subscription.next();
    const client = await tracker.connect();
    const topics = Array.from({ length: 20 }, (_, i) => `t${i}`);
    await Promise.all(topics.map((topic) => client.expect(200, 'declare', { topic })));
    clock.advance(49);
    await client.fence();
    assert.equal(subscription.waiting, 0);
    clock.advance(1);
    const seen = (await subscription.next()).serverTable[addressOf(tracker)]?.topicTable ?? {};
    assert.deepEqual(Object.keys(seen).sort(), [...topics].sort());
    assert.equal(subscription.waiting, 0);
  });

  it('is sent a change of topics, groups and consumers, and not of messages', async () => {
    const tracker = await TestBroker.start();
    const subscription = await Subscription.open(tracker);
    await subscription.next();
    const client = await tracker.connect();
    const own = addressOf(tracker);
    await client.expect(200, 'declare', { topic: 't' });
    assert('t' in ((await subscription.next()).serverTable[own]?.topicTable ?? {}));
    await client.expect(200, 'declare', { topic: 't', consume_group: 'g' });
    const groups = (await subscription.next()).serverTable[own]?.topicTable.t?.consumeGroupList;
    assert.deepEqual(
      groups?.map(({ groupName }) => groupName),
      ['t', 'g'],
    );
    await client.expect(200, 'produce', { topic: 't' }, 'x');
    client.send({ cmd: 'consume', topic: 't', consume_group: 'g', id: 'c', offset: '0' });
    client.send({ cmd: 'consume', topic: 't', consume_group: 'g', id: 'c2', prefetch: '5' });
    const topic = (await subscription.next()).serverTable[own]?.topicTable.t;
    assert.equal(topic?.consumerCount, 1);
    assert.equal(topic.messageDepth, 1);
    await client.close();
    const left = (await subscription.next()).serverTable[own]?.topicTable.t;
    assert.equal(left?.consumerCount, 0);
  });

  it('with delta is sent the whole table once, then what changes and what goes', async () => {
    const tracker = await TestBroker.start();
    const first = await startServer([tracker]);
    await untilListed(tracker, [first]);
    const subscription = await Subscription.open(tracker, { delta: 'true' });
    const whole = await subscription.next();
    assert.deepEqual(Object.keys(whole.serverTable), [tracker, first].map(addressOf));
    assert.equal(whole.removedList, undefined);
    const second = await startServer([tracker]);
    const joined = await subscription.next();
    assert.deepEqual(Object.keys(joined.serverTable), [addressOf(second)]);
    assert.deepEqual(joined.removedList, []);
    const address = addressOf(second);
    await second.stop();
    const left = await subscription.next();
    assert.deepEqual(left.serverTable, {});
    assert.deepEqual(left.removedList, [address]);
    assert(left.infoVersion > joined.infoVersion);
  });

  it('ends with its connection', async () => {
    const tracker = await TestBroker.start();
    const client = await tracker.connect();
    await client.expect(200, 'track_sub', { id: 's' });
    await client.close();
    await (await tracker.connect()).expect(200, 'declare', { topic: 't' });
    await tableOf(tracker);
  });

  it('by URL without an id is one answer, and the connection goes on', async () => {
    const tracker = await TestBroker.start();
    const client = await tracker.connect();
    assert.equal((await client.get('/track_sub')).headers.get('cmd'), 'track_pub');
    assert.equal((await client.get('/ping')).body.toString(), 'OK');
    await client.expect(200, 'declare', { topic: 't' });
    const other = await Subscription.open(tracker);
    await other.next();
    await client.expect(200, 'declare', { topic: 'u' });
    await other.next();
    assert.deepEqual(client.unclaimed, []);
  });

  it('that is not read is sent the newest table, and no pile of old ones', async () => {
    const tracker = await TestBroker.start();
    const slow = await tracker.connect();
    slow.socket.pause();
    slow.send({ cmd: 'track_sub', id: 'slow' });
    const server = await TestBroker.start();
    const client = await tracker.connect();
    const address = `127.0.0.1:${server.port}`;
    const filler = 'x'.repeat(4 * 1024 * 1024);
    const watcher = await Subscription.open(tracker);
    await watcher.next();
    const changes = 12;
    for (let infoVersion = 1; infoVersion <= changes; infoVersion++) {
      await publish(client, serverInfo(address, { infoVersion, serverVersion: filler }));
      while ((await watcher.next()).serverTable[address]?.infoVersion !== infoVersion);
    }
    slow.socket.resume();
    const versions: (number | undefined)[] = [];
    while (versions.at(-1) !== changes) {
      const { body } = await slow.next();
      const table = JSON.parse(body.toString()) as {
        serverTable: Record<string, { infoVersion: number }>;
      };
      versions.push(table.serverTable[address]?.infoVersion);
    }
    // What the kernel took, one under way, and the newest.
    assert(versions.length <= 5, versions.join());
    await turn();
    assert.deepEqual(slow.unclaimed, []);
  });

  it('sees the topics and groups of its token, and no others', async () => {
    const reader = token('reader', ['track_sub', 'tracker'], { topics: ['open.#'], groups: ['g'] });
    const writer = token('writer', ['*']);
    const tracker = await TestBroker.start({ tokenFile: tokenFile([reader, writer]) });
    const client = await tracker.connect();
    const asWriter = { token: secretOf('writer') };
    const topics = ['open.a', 'secret'];
    for (const topic of topics) {
      await client.expect(200, 'declare', { topic, consume_group: 'g', ...asWriter });
      await client.expect(200, 'declare', { topic, consume_group: 'h', ...asWriter });
    }
    const server = await TestBroker.start();
    const published = { 'open.b': topicInfo('open.b'), 'secret.b': topicInfo('secret.b') };
    const info = serverInfo(`127.0.0.1:${server.port}`, { topicTable: published });
    await publish(client, info, { token: secretOf('writer') });
    const subscription = await Subscription.open(tracker, { token: secretOf('reader') });
    let table = await subscription.next();
    while (!(addressOf(server) in table.serverTable)) table = await subscription.next();
    const shown = Object.values(table.serverTable).flatMap(({ topicTable }) =>
      Object.values(topicTable),
    );
    assert.deepEqual(shown.map(({ topicName }) => topicName).sort(), ['open.a', 'open.b']);
    const groups = shown.flatMap(({ consumeGroupList }) => consumeGroupList);
    assert.deepEqual(
      groups.map(({ groupName }) => groupName),
      ['g'],
    );
    assert(!JSON.stringify(table).includes('secret'));
  });

  it('is for tokens with the operation alone', async () => {
    const tracker = await TestBroker.start({
      tokenFile: tokenFile([token('other', ['produce'])]),
    });
    const client = await tracker.connect();
    for (const cmd of ['track_sub', 'track_pub', 'tracker']) {
      await client.expect(401, cmd);
      await client.expect(403, cmd, { token: secretOf('other') });
    }
  });

  it('does not keep a broker from stopping', async () => {
    const tracker = await TestBroker.start();
    const client = await tracker.connect();
    await client.expect(200, 'track_sub', { id: 's' });
    const closed = once(client.socket, 'close');
    await tracker.stop();
    await closed;
    await until(() => client.socket.destroyed);
  });
});
