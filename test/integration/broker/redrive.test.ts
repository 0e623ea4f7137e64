/** Dead letters that are sent back: to their group alone, each once, as they were. */
import assert from 'node:assert/strict';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';
import type { Client, Headers } from '../../support/client.js';
import { numbered, produceAll } from '../../support/consumer.js';
import { GroupClient, MaskBit, type Taken, range } from '../../support/group-client.js';
import { until } from '../../support/wait.js';

let broker: TestBroker;
let client: Client;
let group: GroupClient;

async function start(topicMask = 0): Promise<void> {
  broker = await TestBroker.start();
  await connect();
  await client.expect(200, 'declare', { topic: 't', topic_mask: topicMask });
  await group.declare({ group_max_attempts: 1 });
}

async function connect(): Promise<void> {
  client = await broker.connect();
  group = new GroupClient(client, 't', 'g');
}

/** The next `count` messages of the group die. */
async function die(count: number, dying = group): Promise<Taken[]> {
  const { deadCount } = await dying.query();
  const messages = await dying.takeMany(count);
  await dying.nack(messages.map(({ offset }) => offset).join(','));
  await until(async () => (await dying.query()).deadCount === deadCount + count);
  return messages;
}

async function redrive(headers: Headers = {}, sending = group): Promise<number> {
  const { body } = await sending.expect(200, 'redrive', headers);
  const { redriven, ...rest } = JSON.parse(body.toString()) as { redriven: number };
  assert.deepEqual(rest, {});
  return redriven;
}

function bodiesOf(messages: readonly Taken[]): string[] {
  return messages.map(({ body }) => body);
}

/** Those that are not of one delivery. */
function lastingHeaders({ headers }: Taken): unknown {
  const varying = ['id', 'offset', 'timestamp'];
  return Object.fromEntries([...headers].filter(([name]) => !varying.includes(name)));
}

for (const [kind, mask] of [
  ['disk', 0],
  ['memory', MaskBit.memory],
] as const) {
  describe(`redrive of a ${kind} topic`, () => {
    beforeEach(() => start(mask));
    afterEach(cleanUp);

    it('sends back what died as it was, with a new offset and no attempt counted', async () => {
      const own = { tag: 'a.b', id: 'mine', 'x-own': '1' };
      await client.expect(200, 'produce', { topic: 't', ...own }, 'body');
      const [before] = await die(1);
      assert(before);
      assert.equal(await redrive(), 1);
      const again = await group.take();
      assert.deepEqual([again.body, again.offset, again.retry], ['body', 1, 0]);
      assert.deepEqual(lastingHeaders(again), lastingHeaders(before));
      await group.ack(1);
    });

    it('sends to that group alone, also past groups that are made later', async () => {
      const other = new GroupClient(client, 't', 'other');
      await other.declare();
      await produceAll(client, 't', numbered(3));
      await die(3);
      assert.equal(await redrive(), 3);
      await client.expect(200, 'produce', { topic: 't' }, 'new');
      assert.deepEqual(bodiesOf(await other.takeMany(4)), ['0', '1', '2', 'new']);
      const late = new GroupClient(client, 't', 'late');
      await late.declare({ group_start_offset: 0 });
      assert.deepEqual(bodiesOf(await late.takeMany(4)), ['0', '1', '2', 'new']);
      assert.deepEqual(bodiesOf(await group.takeMany(4)), ['0', '1', '2', 'new']);
    });

    it('sends each once, oldest first, as many as are asked for', async () => {
      await produceAll(client, 't', numbered(5));
      await die(5);
      assert.equal(await redrive({ limit: 0 }), 0);
      await group.getsNothing();
      assert.equal(await redrive({ limit: 2 }), 2);
      assert.deepEqual(bodiesOf(await group.takeMany(2)), ['0', '1']);
      await group.getsNothing();
      assert.equal(await redrive({ limit: 100 }), 3);
      assert.deepEqual(bodiesOf(await group.takeMany(3)), ['2', '3', '4']);
      assert.equal(await redrive(), 0);
      await group.getsNothing();
    });

    it('leaves the letters to those who read the dead-letter topic', async () => {
      await produceAll(client, 't', numbered(2));
      await die(2);
      const letters = new GroupClient(client, 't.dead', 't.dead');
      assert.equal((await letters.take()).body, '0');
      assert.equal(await redrive(), 2);
      assert.equal((await letters.take()).body, '1');
      assert.deepEqual(bodiesOf(await group.takeMany(2)), ['0', '1']);
    });

    it('of many sends all', async () => {
      const count = 700;
      const pad = 'p'.repeat(1000);
      const messages = numbered(count).map(({ body }) => ({ body: `${body} ${pad}` }));
      await group.declare({ group_ack_window: count });
      await produceAll(client, 't', messages);
      group.grant('all', count);
      await group.nextMany('all', count);
      await group.nack(`0-${count - 1}`);
      await until(async () => (await group.query()).deadCount === count);
      assert.equal(await redrive({ limit: 650 }), 650);
      assert.equal(await redrive(), 50);
      group.grant('again', count);
      const again = bodiesOf(await group.nextMany('again', count));
      assert.deepEqual(
        again.map((body) => parseInt(body, 10)),
        range(0, count - 1),
      );
    });
  });
}

describe('redrive', () => {
  beforeEach(() => start());
  afterEach(cleanUp);

  it('sends what died again after it was sent back', async () => {
    await client.expect(200, 'produce', { topic: 't' }, 'stubborn');
    for (let round = 0; round < 3; round++) {
      await die(1);
      assert.equal(await redrive(), 1);
      assert.equal(await redrive(), 0);
    }
    assert.equal((await group.take()).body, 'stubborn');
    const letters = await new GroupClient(client, 't.dead', 't.dead').takeMany(3);
    const origins = letters.map(({ headers }) => [
      headers.get('origin_offset'),
      headers.get('dead_attempts'),
    ]);
    assert.deepEqual(origins, [
      ['0', '1'],
      ['1', '1'],
      ['2', '1'],
    ]);
  });

  it('sends letters of its group alone where several share a topic for them', async () => {
    const other = new GroupClient(client, 't', 'other');
    await other.declare({ group_max_attempts: 1 });
    await client.expect(200, 'declare', { topic: 'u' });
    const elsewhere = new GroupClient(client, 'u', 'g');
    await elsewhere.declare({ group_max_attempts: 1, group_dead_topic: 't.dead' });
    await produceAll(client, 't', numbered(2));
    await client.expect(200, 'produce', { topic: 'u' }, 'of u');
    await die(1);
    await die(2, other);
    await die(1, elsewhere);
    await die(1);
    await client.expect(200, 'produce', { topic: 't.dead' }, 'no letter');
    assert.equal(await redrive(), 2);
    assert.equal(await redrive({}, elsewhere), 1);
    assert.equal(await redrive({ limit: 1 }, other), 1);
    assert.deepEqual(bodiesOf(await group.takeMany(2)), ['0', '1']);
    assert.equal((await elsewhere.take()).body, 'of u');
    assert.equal((await other.take()).body, '0');
    await other.getsNothing();
    assert.equal(await redrive({}, other), 1);
  });

  it('to a group with a filter delivers what passes it, as it did before', async () => {
    await group.declare({ group_filter: 'odd' });
    await produceAll(
      client,
      't',
      numbered(4, (n) => (n % 2 === 0 ? 'even' : 'odd')),
    );
    await die(2);
    assert.equal(await redrive(), 2);
    assert.deepEqual(bodiesOf(await group.takeMany(2)), ['1', '3']);
  });

  it('serves a consumer that waits', async () => {
    await client.expect(200, 'produce', { topic: 't' }, 'x');
    await die(1);
    const waiting = group.take();
    await client.fence();
    assert.equal(await redrive(), 1);
    assert.equal((await waiting).body, 'x');
  });

  it('does after a restart what it would have done before', async () => {
    await produceAll(client, 't', numbered(4));
    await die(4);
    assert.equal(await redrive({ limit: 2 }), 2);
    await broker.restart();
    await connect();
    const other = new GroupClient(client, 't', 'other');
    await other.declare({ group_start_offset: 4 });
    assert.equal(await redrive(), 2);
    assert.equal(await redrive(), 0);
    assert.deepEqual(bodiesOf(await group.takeMany(4)), ['0', '1', '2', '3']);
    await other.getsNothing();
  });

  it('after a crash goes on from where it was then', async () => {
    await produceAll(client, 't', numbered(3));
    await die(3);
    const before = broker.crashedFolder();
    assert.equal(await redrive({ limit: 2 }), 2);
    for (const [mqDir, left] of [
      [before, 3],
      [broker.crashedFolder(), 1],
    ] as const) {
      const again = await TestBroker.start({ mqDir });
      const after = new GroupClient(await again.connect(), 't', 'g');
      assert.equal(await redrive({}, after), left);
      assert.deepEqual(bodiesOf(await after.takeMany(3)), ['0', '1', '2']);
    }
  });

  it('without a dead letter, or a topic for them, sends nothing', async () => {
    assert.equal(await redrive(), 0);
    await client.expect(404, 'query', { topic: 't.dead' });
    await client.expect(200, 'declare', { topic: 't.dead' });
    assert.equal(await redrive(), 0);
  });

  it('begins anew with a dead-letter topic that was removed and made again', async () => {
    await produceAll(client, 't', numbered(3));
    await die(2);
    assert.equal(await redrive(), 2);
    await group.takeMany(1);
    await client.expect(200, 'remove', { topic: 't.dead' });
    assert.equal(await redrive(), 0);
    await die(1);
    assert.equal(await redrive(), 1);
  });

  it('passes over letters that were deleted with their topic emptied', async () => {
    await produceAll(client, 't', numbered(2));
    await die(1);
    await client.expect(200, 'empty', { topic: 't.dead' });
    await die(1);
    assert.equal(await redrive(), 1);
    assert.equal((await group.take()).body, '1');
  });

  it('answers 404 for a topic or a group that is not there', async () => {
    await client.expect(404, 'redrive', { topic: 'nope' });
    await client.expect(404, 'redrive', { topic: 't', consume_group: 'nope' });
  });

  it('into a topic without room sends what fits, answers 507, and the rest later', async () => {
    broker = await TestBroker.start({ memoryTopicBytesMax: 64 * 1024 });
    await connect();
    await client.expect(200, 'declare', {
      topic: 't',
      topic_mask: MaskBit.memory,
      consume_group: 'g',
    });
    await group.declare({ group_max_attempts: 1 });
    // The last two are read together, and one of them fits.
    const bodies = ['a'.repeat(20_000), 'b'.repeat(10_000), 'c'.repeat(25_000)];
    await produceAll(
      client,
      't',
      bodies.map((body) => ({ body })),
    );
    await die(3);
    const inTheWay = 'd'.repeat(25_000);
    await client.expect(200, 'produce', { topic: 't' }, inTheWay);
    await group.expect(507, 'redrive');
    const first = await group.takeMany(3);
    await group.ack(first.map(({ offset }) => offset).join(','));
    assert.equal(await redrive(), 1);
    const all = bodiesOf([...first, await group.take()]);
    assert.deepEqual(all, [inTheWay, ...bodies]);
    await group.getsNothing();
  });
});
