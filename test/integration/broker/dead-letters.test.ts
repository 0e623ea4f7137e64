/**
 * Messages that were delivered as often as their group allows: what their letters carry, where
 * these go, and that none is lost on the way. Sending them back is in redrive.test.ts.
 */
import assert from 'node:assert/strict';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';
import { type Client, type Headers, utf8 } from '../../support/client.js';
import { numbered, produceAll } from '../../support/consumer.js';
import { GroupClient, MaskBit, range, retriesOf } from '../../support/group-client.js';
import { ManualClock } from '../../support/manual-clock.js';
import { turn, until } from '../../support/wait.js';

/** After this a message whose letter could not be stored is tried again. */
const BURY_RETRY_MS = 10_000;

let broker: TestBroker;
let clock: ManualClock;
let client: Client;
let group: GroupClient;

async function start(headers: Headers = {}): Promise<void> {
  clock = new ManualClock();
  broker = await TestBroker.start({ memoryTopicBytesMax: 64 * 1024 }, clock);
  await connect();
  await client.expect(200, 'declare', { topic: 't' });
  await group.declare({ group_ack_timeout: 1000, group_max_attempts: 1, ...headers });
}

async function connect(): Promise<void> {
  client = await broker.connect();
  group = new GroupClient(client, 't', 'g');
}

function letters(topic = 't.dead'): GroupClient {
  return new GroupClient(client, topic, topic);
}

/** Waits until `topic` and its group are there, and takes a letter. */
async function letter(topic = 't.dead') {
  const names = { topic, consume_group: topic };
  await until(async () => (await client.request('query', names)).status === 200);
  return letters(topic).take();
}

/** Produces one message and lets it die of a nack. */
async function die(headers: Headers = {}, body = 'x'): Promise<void> {
  const { headers: reply } = await client.expect(200, 'produce', { topic: 't', ...headers }, body);
  const offset = Number(reply.get('offset'));
  assert.equal((await group.take()).offset, offset);
  await group.nack(offset);
}

describe('a message that dies', () => {
  beforeEach(() => start());
  afterEach(cleanUp);

  it('keeps id, tag, headers and body, and gets where it died, how often and why', async () => {
    const headers = { id: 'mine', tag: 'a.b', 'x-own': utf8('ä'), 'content-type': 'text/x' };
    await die(headers, 'body');
    const dead = await letter();
    const { id, timestamp, sender, ...rest } = Object.fromEntries(dead.headers);
    assert(Number(timestamp) > 0 && sender !== undefined && id !== 'mine');
    assert.deepEqual(rest, {
      connection: 'Keep-Alive',
      'content-length': '4',
      'content-type': 'text/x',
      consume_group: 't.dead',
      dead_attempts: '1',
      dead_reason: 'nack',
      host: `127.0.0.1:${broker.port}`,
      offset: '0',
      origin_group: 'g',
      origin_id: 'mine',
      origin_method: 'GET',
      origin_offset: '0',
      origin_topic: 't',
      origin_url: '/',
      tag: 'a.b',
      topic: 't.dead',
      'x-own': utf8('ä'),
    });
    assert.equal(dead.body, 'body');
  });

  it('leaves its group: nobody gets it again, and the window has room', async () => {
    await group.declare({ group_ack_window: 1 });
    await die();
    await until(async () => (await group.query()).settledOffset === 1);
    const { deadCount, inFlightCount, returnedCount, messageCount } = await group.query();
    assert.deepEqual([deadCount, inFlightCount, returnedCount, messageCount], [1, 0, 0, 0]);
    await group.refused('ack', 0);
    await die();
  });

  it('dies after as many deliveries as the group allows, not before', async () => {
    await group.declare({ group_max_attempts: 3 });
    await client.expect(200, 'produce', { topic: 't' }, 'x');
    for (const retry of [0, 1, 2]) {
      await client.expect(404, 'query', { topic: 't.dead' });
      assert.deepEqual(retriesOf([await group.take()]), [[0, retry]]);
      await group.nack(0);
    }
    assert.equal((await letter()).headers.get('dead_attempts'), '3');
    await group.getsNothing();
  });

  it('never dies where the group sets no end', async () => {
    await group.declare({ group_max_attempts: 0 });
    await client.expect(200, 'produce', { topic: 't' }, 'x');
    for (let retry = 0; retry < 20; retry++) {
      assert.equal((await group.take()).retry, retry);
      await group.nack(0);
    }
    await client.expect(404, 'query', { topic: 't.dead' });
  });

  it('dies at once, though it was given back with a delay', async () => {
    await client.expect(200, 'produce', { topic: 't' }, 'x');
    await group.take();
    await group.nack(0, 60_000);
    assert.equal((await letter()).headers.get('origin_offset'), '0');
  });

  it('dies of its timeout, also while nobody consumes and the group is paused', async () => {
    await client.expect(200, 'produce', { topic: 't' }, 'x');
    await group.take();
    group.unconsume();
    await group.declare({ group_mask: MaskBit.ackRequired | MaskBit.pause });
    clock.advance(1000);
    assert.equal((await letter()).headers.get('dead_reason'), 'timeout');
  });

  it('dies with its consumer', async () => {
    await client.expect(200, 'produce', { topic: 't' }, 'x');
    const gone = new GroupClient(await broker.connect(), 't', 'g');
    await gone.take();
    gone.client.reset();
    assert.equal((await letter()).headers.get('dead_reason'), 'consumer gone');
  });

  it('dies with the broker: its letter is there after the next start', async () => {
    await client.expect(200, 'produce', { topic: 't' }, 'x');
    await group.take();
    broker = await TestBroker.start({ mqDir: broker.crashedFolder() });
    await connect();
    const dead = await letter();
    assert.equal(dead.headers.get('dead_reason'), 'restart');
    assert.equal(dead.headers.get('dead_attempts'), '1');
  });

  it('counts no delivery that never left the broker', async () => {
    const body = Buffer.alloc(256 * 1024, 'b');
    const count = 100;
    for (let n = 0; n < count; n++) {
      await client.expect(200, 'produce', { topic: 't', ack_level: 'page' }, body);
    }
    const stuck = new GroupClient(await broker.connect(), 't', 'g');
    stuck.client.socket.pause();
    stuck.grant('stuck', count);
    await until(async () => (await group.query()).inFlightCount > 0);
    const { nextOffset } = await group.query();
    stuck.client.reset();
    await until(async () => (await group.query()).inFlightCount === 0);
    await until(async () => (await group.query()).settledOffset > 0);
    group.grant('all', count);
    const first = await group.next('all');
    assert(first.offset < nextOffset && first.retry === 0, `first left is ${first.offset}`);
    assert.equal((await letter()).headers.get('origin_offset'), '0');
  });

  it('of a filtered group leaves those that are not for it where they are', async () => {
    await group.declare({ group_filter: 'bad.#' });
    await client.expect(200, 'produce', { topic: 't', tag: 'good' }, 'good');
    await client.expect(200, 'produce', { topic: 't', tag: 'bad.one' }, 'bad');
    await group.take();
    await group.nack(1);
    const dead = await letter();
    assert.deepEqual(
      [dead.headers.get('origin_offset'), dead.headers.get('tag')],
      ['1', 'bad.one'],
    );
    await until(async () => (await group.query()).settledOffset === 2);
  });

  it('dies in a memory topic too', async () => {
    await client.expect(200, 'declare', { topic: 'm', topic_mask: MaskBit.memory });
    const memory = new GroupClient(client, 'm', 'g');
    await memory.declare({ group_max_attempts: 1 });
    await client.expect(200, 'produce', { topic: 'm', id: 'one' }, 'x');
    await memory.take();
    await memory.nack(0);
    const dead = await letter('m.dead');
    assert.deepEqual([dead.body, dead.headers.get('origin_id')], ['x', 'one']);
  });

  it('may not carry such headers of its producer', async () => {
    await die({ dead_reason: 'forged', origin_topic: 'other', origin_offset: 7, retry: 9 });
    const { headers } = await letter();
    const [reason, topic, offset] = ['dead_reason', 'origin_topic', 'origin_offset'].map((name) =>
      headers.get(name),
    );
    assert.deepEqual([reason, topic, offset], ['nack', 't', '0']);
    assert(!headers.has('retry'));
  });
});

describe('a dead-letter topic', () => {
  afterEach(cleanUp);

  it('is made with a group of its own name, once for many that die at once', async () => {
    await start();
    await produceAll(client, 't', numbered(50));
    await group.takeMany(50);
    await group.nack('0-49');
    await until(async () => (await group.query()).deadCount === 50);
    const { consumeGroupList, messageDepth } = await client.query<{
      consumeGroupList: { groupName: string }[];
      messageDepth: number;
    }>('t.dead');
    assert.equal(messageDepth, 50);
    assert.deepEqual(
      consumeGroupList.map(({ groupName }) => groupName),
      ['t.dead'],
    );
  });

  it('is the one that the group names, in any case, and may serve several', async () => {
    await start({ group_dead_topic: 'Lost%2Ffound' });
    await client.expect(200, 'declare', { topic: 'lost/FOUND' });
    await die();
    const other = new GroupClient(client, 't', 'other');
    await other.declare({
      group_max_attempts: 1,
      group_dead_topic: 'lost/found',
      group_start_offset: 0,
    });
    await other.take();
    await other.nack(0);
    const dead = await letters('lost/FOUND').takeMany(2);
    assert.deepEqual(
      dead.map(({ headers }) => headers.get('origin_group')),
      ['g', 'other'],
    );
    await client.expect(404, 'query', { topic: 't.dead' });
  });

  it('that is changed takes the letters from then on; empty is the default', async () => {
    await start({ group_dead_topic: 'one' });
    await die({}, 'first');
    assert.equal((await letter('one')).body, 'first');
    await group.declare({ group_dead_topic: '' });
    assert.equal((await group.query()).deadTopic, 't.dead');
    await die({}, 'second');
    assert.equal((await letter('t.dead')).body, 'second');
  });

  it('that is paused takes letters and delivers them later', async () => {
    await start();
    await client.expect(200, 'declare', { topic: 't.dead', topic_mask: MaskBit.pause });
    await die();
    await until(async () => (await group.query()).deadCount === 1);
    await letters().getsNothing();
    await client.expect(200, 'declare', { topic: 't.dead', topic_mask: 0 });
    await letters().take();
  });

  it('that was removed is made again', async () => {
    await start();
    await die({}, 'first');
    await letter();
    await client.expect(200, 'remove', { topic: 't.dead' });
    await die({}, 'second');
    assert.equal((await letter()).body, 'second');
  });

  it('may have dead letters of its own', async () => {
    await start();
    await die();
    await letter();
    const dead = letters();
    await dead.declare({ group_max_attempts: 1, group_start_offset: 0 });
    const { offset } = await dead.take();
    await dead.nack(offset);
    const { headers } = await letter('t.dead.dead');
    const [topic, deadGroup] = [headers.get('origin_topic'), headers.get('origin_group')];
    assert.deepEqual([topic, deadGroup], ['t.dead', 't.dead']);
    assert.equal(
      headers.get('origin_id'),
      (
        await client.expect(200, 'consume', {
          topic: 't',
          offset: 0,
        })
      ).headers.get('origin_id'),
    );
  });

  it('that is full loses nothing: the messages stay and are tried again', async () => {
    await start();
    await client.expect(200, 'declare', { topic: 't.dead', topic_mask: MaskBit.memory });
    const body = 'b'.repeat(20_000);
    for (let n = 0; n < 5; n++) await die({}, body);
    await until(async () => (await group.query()).returnedCount === 2);
    await until(() => broker.failures.length > 0);
    assert.match(broker.failures.splice(0).join(), /t\.dead.*memoryTopicBytesMax/);
    assert.equal((await group.query()).deadCount, 3);
    await group.getsNothing();
    const dead = await letters().takeMany(3);
    clock.advance(BURY_RETRY_MS - 1);
    await connect();
    assert.equal((await group.query()).returnedCount, 2);
    clock.advance(1);
    dead.push(...(await letters().takeMany(2)));
    assert.deepEqual(
      dead.map(({ headers }) => Number(headers.get('origin_offset'))),
      range(0, 4),
    );
    await until(async () => (await group.query()).settledOffset === 5);
  });

  it('that is full keeps no message that the group may deliver again after all', async () => {
    await start();
    await client.expect(200, 'declare', { topic: 't.dead', topic_mask: MaskBit.memory });
    await die({}, 'b'.repeat(70_000));
    await until(() => broker.failures.splice(0).length > 0);
    await group.declare({ group_max_attempts: 2 });
    clock.advance(BURY_RETRY_MS);
    await connect();
    assert.deepEqual(retriesOf([await group.take()]), [[0, 1]]);
    await group.ack(0);
  });
});

describe('an end while messages die', () => {
  const COUNT = 6;
  afterEach(cleanUp);

  it('by a crash loses none, and doubles none by more than one', async () => {
    await start();
    await client.expect(200, 'declare', { topic: 't.dead' });
    await produceAll(client, 't', numbered(COUNT));
    await group.takeMany(COUNT);
    const folders = [broker.crashedFolder()];
    client.send({ cmd: 'nack', topic: 't', consume_group: 'g', offsets: '0-5', id: 'nack' });
    while ((await group.query()).deadCount < COUNT) {
      folders.push(broker.crashedFolder());
      await turn();
    }
    folders.push(broker.crashedFolder());
    const depths: number[] = [];
    for (const mqDir of folders) depths.push(await lettersAfterStart(mqDir));
    assert.equal(depths.at(-1), COUNT, 'the last crash came after all had died');
  });

  it('in good order makes one letter of each', async () => {
    await start();
    await produceAll(client, 't', numbered(COUNT));
    await group.takeMany(COUNT);
    await group.nack('0-5');
    await broker.stop();
    assert.equal(await lettersAfterStart(broker.config.mqDir), COUNT);
  });

  it('of their topic is no error', async () => {
    await start();
    await produceAll(client, 't', numbered(COUNT));
    await group.takeMany(COUNT);
    client.send({ cmd: 'nack', topic: 't', consume_group: 'g', offsets: '0-5', id: 'nack' });
    await client.expect(200, 'remove', { topic: 't' });
    await client.fence();
    await client.expect(404, 'query', { topic: 't' });
  });

  /** Starts a broker on the folder, waits until all have died, and counts their letters. */
  async function lettersAfterStart(mqDir: string): Promise<number> {
    broker = await TestBroker.start({ mqDir });
    await connect();
    await until(async () => (await group.query()).settledOffset === COUNT);
    const { messageDepth } = await client.query<{ messageDepth: number }>('t.dead');
    const offsets = (await letters().takeMany(messageDepth)).map(({ headers }) =>
      Number(headers.get('origin_offset')),
    );
    const copies = range(0, COUNT - 1).map((n) => offsets.filter((offset) => offset === n).length);
    const right = copies.every((count) => count === 1 || count === 2);
    assert(right, `letters of each message: ${copies.join(' ')}`);
    await broker.stop();
    return messageDepth;
  }
});
