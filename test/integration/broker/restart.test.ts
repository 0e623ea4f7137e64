/** What survives a stop in good order, and a start on the same folder. */
import assert from 'node:assert/strict';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';
import { type Client, utf8 } from '../../support/client.js';
import { Consumers, produceAll } from '../../support/consumer.js';

interface GroupJson {
  groupName: string;
  mask: number;
  filter: string;
  messageCount: number;
  createdTime: number;
  lastUpdatedTime: number;
}

interface TopicJson {
  topicName: string;
  mask: number;
  messageDepth: number;
  createdTime: number;
  lastUpdatedTime: number;
  consumeGroupList: GroupJson[];
}

function numbered(count: number): { body: string }[] {
  return Array.from({ length: count }, (_, n) => ({ body: String(n) }));
}

describe('after a restart', () => {
  let broker: TestBroker;
  let client: Client;
  beforeEach(async () => {
    broker = await TestBroker.start();
    client = await broker.connect();
  });
  afterEach(cleanUp);

  async function restart(): Promise<void> {
    await broker.restart();
    client = await broker.connect();
  }

  async function consumeBodies(count: number, headers = {}): Promise<string[]> {
    const bodies: string[] = [];
    for (let n = 0; n < count; n++) {
      const reply = await client.expect(200, 'consume', { topic: 't', ...headers });
      bodies.push(reply.body.toString());
    }
    return bodies;
  }

  it('topics, groups, masks, filters, names and times are what they were', async () => {
    await client.expect(200, 'declare', { topic: utf8('Größe'), topic_mask: 8 });
    await client.expect(200, 'declare', {
      topic: utf8('GRÖßE'),
      consume_group: 'Filtered',
      group_filter: 'a.*;b.+',
      group_mask: 16,
    });
    await client.expect(200, 'declare', { topic: 'plain' });
    const names = [utf8('größe'), 'plain'];
    const before = await Promise.all(names.map((topic) => client.query<TopicJson>(topic)));
    await restart();
    const after = await Promise.all(names.map((topic) => client.query<TopicJson>(topic)));
    assert.deepEqual(stable(after), stable(before));
  });

  it('messages are all there, with their offsets, ids, tags, times and own headers', async () => {
    await client.expect(200, 'declare', { topic: 't' });
    await produceAll(
      client,
      't',
      numbered(100).map(({ body }) => ({
        body,
        headers: { tag: `x.${body}`, 'x-own': utf8('ä') },
      })),
    );
    const read = (offset: number) =>
      client.expect(200, 'consume', { topic: 't', offset, id: 'read' });
    const before = [await read(0), await read(99)];
    await restart();
    assert.deepEqual([await read(0), await read(99)], before);
    assert.deepEqual(
      await consumeBodies(100),
      numbered(100).map(({ body }) => body),
    );
  });

  it('each group goes on where it was', async () => {
    await client.expect(200, 'declare', { topic: 't' });
    await client.expect(200, 'declare', { topic: 't', consume_group: 'other' });
    await produceAll(client, 't', numbered(10));
    assert.deepEqual(await consumeBodies(4), ['0', '1', '2', '3']);
    assert.deepEqual(await consumeBodies(1, { consume_group: 'other' }), ['0']);
    await restart();
    const { consumeGroupList } = await client.query<TopicJson>('t');
    assert.deepEqual(
      consumeGroupList.map(({ messageCount }) => messageCount),
      [6, 9],
    );
    assert.deepEqual(await consumeBodies(1), ['4']);
    assert.deepEqual(await consumeBodies(1, { consume_group: 'other' }), ['1']);
  });

  it('a filtered group goes on behind what was not for it', async () => {
    await client.expect(200, 'declare', { topic: 't', consume_group: 'g', group_filter: 'yes' });
    await produceAll(
      client,
      't',
      numbered(100).map(({ body }) => ({ body, headers: { tag: body === '50' ? 'yes' : 'no' } })),
    );
    assert.deepEqual(await consumeBodies(1, { consume_group: 'g' }), ['50']);
    await restart();
    const late = client.request('consume', { topic: 't', consume_group: 'g' });
    await client.expect(200, 'produce', { topic: 't', tag: 'yes' }, 'next');
    assert.equal((await late).body.toString(), 'next');
  });

  it('the ack level that a topic was given last still holds', async () => {
    await client.expect(200, 'declare', { topic: 't', ack_level: 'page' });
    await client.expect(200, 'declare', { topic: 't', ack_level: 'none' });
    await restart();
    const reply = await client.expect(200, 'produce', { topic: 't' }, 'x');
    assert.equal(reply.headers.get('ack_level'), 'none');
  });

  it('a memory topic is there, empty, with its groups', async () => {
    await client.expect(200, 'declare', { topic: 't', topic_mask: 1 });
    await client.expect(200, 'declare', { topic: 't', consume_group: 'g', group_filter: 'f' });
    await produceAll(client, 't', numbered(5));
    await restart();
    const { mask, messageDepth, consumeGroupList } = await client.query<TopicJson>('t');
    assert.deepEqual([mask, messageDepth], [1, 0]);
    assert.deepEqual(
      consumeGroupList.map(({ groupName, filter, messageCount }) => [
        groupName,
        filter,
        messageCount,
      ]),
      [
        ['t', '', 0],
        ['g', 'f', 0],
      ],
    );
    await client.expect(200, 'produce', { topic: 't' }, 'again');
    assert.deepEqual(await consumeBodies(1), ['again']);
  });

  it('what was removed stays away', async () => {
    for (const topic of ['t', 'gone']) await client.expect(200, 'declare', { topic });
    await client.expect(200, 'declare', { topic: 't', consume_group: 'g' });
    await client.expect(200, 'remove', { topic: 'gone' });
    await client.expect(200, 'remove', { topic: 't', consume_group: 'g' });
    await restart();
    await client.expect(404, 'query', { topic: 'gone' });
    await client.expect(404, 'query', { topic: 't', consume_group: 'g' });
    await client.expect(200, 'query', { topic: 't' });
  });

  it('an emptied topic is empty, and its offsets go on', async () => {
    await client.expect(200, 'declare', { topic: 't' });
    await produceAll(client, 't', numbered(5));
    await client.expect(200, 'empty', { topic: 't' });
    await restart();
    assert.equal((await client.query<TopicJson>('t')).messageDepth, 0);
    const reply = await client.expect(200, 'produce', { topic: 't' }, 'x');
    assert.equal(reply.headers.get('offset'), '5');
    assert.deepEqual(await consumeBodies(1), ['x']);
  });

  it('a moved group is where it was moved to', async () => {
    await client.expect(200, 'declare', { topic: 't' });
    await produceAll(client, 't', numbered(10));
    await consumeBodies(9);
    await client.expect(200, 'declare', { topic: 't', consume_group: 't', group_start_offset: 2 });
    await restart();
    assert.deepEqual(await consumeBodies(2), ['2', '3']);
  });

  it('a stop under load loses nothing that was acknowledged', async () => {
    await client.expect(200, 'declare', { topic: 't' });
    const acked: string[] = [];
    const producing = numbered(3000).map(async ({ body }) => {
      try {
        const { status } = await client.request('produce', { topic: 't' }, body);
        if (status === 200) acked.push(body);
      } catch {
        // Never read by the broker: the connection ended before.
      }
    });
    await client.fence();
    await restart();
    await Promise.all(producing);
    const { messageDepth } = await client.query<TopicJson>('t');
    assert(messageDepth >= acked.length, `${messageDepth} kept of ${acked.length} acknowledged`);
    const consumers = new Consumers([client], { topic: 't' });
    const kept = (await consumers.got(messageDepth)).map(({ body }) => body);
    assert.deepEqual(
      kept,
      numbered(messageDepth).map(({ body }) => body),
    );
    assert(acked.length > 0, 'nothing was acknowledged: no load');
  });
});

/** Without the address, which is another port after a restart. */
function stable(topics: TopicJson[]): unknown {
  return topics.map((topic) => ({ ...topic, serverAddress: null }));
}
