/** Consume groups: where they start, how they are moved, what their filter and masks do. */
import assert from 'node:assert/strict';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';
import type { Client, Headers } from '../../support/client.js';
import { produceAll } from '../../support/consumer.js';
import { turn, until, watch } from '../../support/wait.js';

interface GroupJson {
  groupName: string;
  mask: number;
  filter: string;
  messageCount: number;
  createdTime: number;
  lastUpdatedTime: number;
}

const MEMORY = 1;
const PAUSE = 8;
const EXCLUSIVE = 16;
const DELETE_ON_EXIT = 32;

let broker: TestBroker;
let client: Client;

async function start(): Promise<void> {
  broker = await TestBroker.start();
  client = await broker.connect();
}

async function declare(headers: Headers = {}): Promise<GroupJson> {
  const reply = await client.expect(200, 'declare', { topic: 't', ...headers });
  return JSON.parse(reply.body.toString()) as GroupJson;
}

/**
 * Bodies `0`, `1`, … at the offsets 0, 1, …, tagged `even` and `odd`, with the ids `m0`, `m1`, …
 */
async function produceTen(): Promise<void> {
  const messages = Array.from({ length: 10 }, (_, n) => ({
    body: String(n),
    headers: { tag: n % 2 === 0 ? 'even' : 'odd', id: `m${n}` },
  }));
  await produceAll(client, 't', messages);
}

async function consume(group: string): Promise<string> {
  const reply = await client.expect(200, 'consume', { topic: 't', consume_group: group });
  return reply.body.toString();
}

async function consumeAll(group: string): Promise<string[]> {
  const bodies: string[] = [];
  for (;;) {
    const headers = { topic: 't', consume_group: group, timeout: 0 };
    const reply = await client.request('consume', headers);
    if (reply.status === 204) return bodies;
    bodies.push(reply.body.toString());
  }
}

for (const [kind, mask] of [
  ['disk', 0],
  ['memory', MEMORY],
] as const) {
  describe(`a group of a ${kind} topic starts`, () => {
    beforeEach(async () => {
      await start();
      await declare({ topic_mask: mask });
      await produceTen();
    });
    afterEach(cleanUp);

    it('where the group that has read furthest is', async () => {
      for (let n = 0; n < 3; n++) await consume('t');
      await declare({ consume_group: 'behind', group_start_offset: 1 });
      await declare({ consume_group: 'g' });
      assert.equal(await consume('g'), '3');
    });

    it('at the first message when no group has read', async () => {
      await declare({ consume_group: 'g' });
      assert.equal(await consume('g'), '0');
    });

    it('at the first message when no group is left', async () => {
      await consume('t');
      await client.expect(200, 'remove', { topic: 't', consume_group: 't' });
      await declare({ consume_group: 'g' });
      assert.equal(await consume('g'), '0');
    });

    it('where the group to copy is, named in any case', async () => {
      await declare({ consume_group: 'Source', group_start_offset: 6 });
      await declare({ consume_group: 'g', group_start_copy: 'sOURCE' });
      assert.equal(await consume('g'), '6');
      assert.equal(await consume('Source'), '6');
    });

    it('at an offset, from the first message to behind the last', async () => {
      for (const offset of [0, 9]) {
        await declare({ consume_group: `at${offset}`, group_start_offset: offset });
        assert.equal(await consume(`at${offset}`), String(offset));
      }
      await declare({ consume_group: 'end', group_start_offset: 10 });
      const next = client.request('consume', { topic: 't', consume_group: 'end' });
      await client.expect(200, 'produce', { topic: 't' }, 'next');
      assert.equal((await next).body.toString(), 'next');
    });

    it('at an offset if the message there has the id, and is not made otherwise', async () => {
      const start = { consume_group: 'g', group_start_offset: 4 };
      const refused = { topic: 't', ...start, group_start_msgid: 'm5' };
      const reply = await client.expect(400, 'declare', refused);
      assert.match(reply.body.toString(), /group_start_msgid.*another id/);
      await client.expect(404, 'query', { topic: 't', consume_group: 'g' });
      await declare({ ...start, group_start_msgid: 'm4' });
      assert.equal(await consume('g'), '4');
    });

    it('at a time: the first message stored at or after it', async () => {
      const last = Date.now();
      while (Date.now() <= last) await turn();
      const { headers } = await client.expect(200, 'produce', { topic: 't' }, 'later');
      const { headers: stored } = await client.expect(200, 'consume', {
        topic: 't',
        offset: Number(headers.get('offset')),
      });
      const time = Number(stored.get('timestamp'));
      assert(time > last, `stored ${time}, at ${last} before`);
      await declare({ consume_group: 'g', group_start_time: last + 1 });
      assert.equal(await consume('g'), 'later');
      await declare({ consume_group: 'exact', group_start_time: time });
      assert.equal(await consume('exact'), 'later');
      await declare({ consume_group: 'all', group_start_time: 0 });
      assert.equal(await consume('all'), '0');
      await declare({ consume_group: 'future', group_start_time: time + 3_600_000 });
      assert.deepEqual(await consumeAll('future'), []);
    });
  });
}

describe('a group that exists', () => {
  beforeEach(async () => {
    await start();
    await declare({ consume_group: 'g' });
    await produceTen();
  });
  afterEach(cleanUp);

  it('is moved back and forth by offset, time and copy', async () => {
    assert.equal(await consume('g'), '0');
    await declare({ consume_group: 'g', group_start_offset: 7 });
    assert.equal(await consume('g'), '7');
    await declare({ consume_group: 'g', group_start_time: 0 });
    assert.equal(await consume('g'), '0');
    await declare({ consume_group: 'other', group_start_offset: 5 });
    await declare({ consume_group: 'g', group_start_copy: 'other' });
    assert.equal(await consume('g'), '5');
  });

  it('is not moved by a declare that names no start', async () => {
    for (let n = 0; n < 4; n++) await consume('g');
    await declare({ consume_group: 'g', group_filter: '' });
    assert.equal(await consume('g'), '4');
  });

  it('serves a consumer that already waits when it is moved back', async () => {
    await consumeAll('g');
    const again = client.request('consume', { topic: 't', consume_group: 'g' });
    await declare({ consume_group: 'g', group_start_offset: 3 });
    assert.equal((await again).body.toString(), '3');
  });

  it('keeps what the request does not name', async () => {
    await declare({ consume_group: 'g', group_filter: 'even', group_mask: EXCLUSIVE });
    await declare({ consume_group: 'g', group_start_offset: 1 });
    const { filter, mask } = await client.query<GroupJson>('t', 'g');
    assert.deepEqual([filter, mask], ['even', EXCLUSIVE]);
  });

  it('takes another filter from the next message on, and none again', async () => {
    assert.equal(await consume('g'), '0');
    await declare({ consume_group: 'g', group_filter: 'odd' });
    assert.equal(await consume('g'), '1');
    assert.equal(await consume('g'), '3');
    await declare({ consume_group: 'g', group_filter: '' });
    assert.deepEqual(await consumeAll('g'), ['4', '5', '6', '7', '8', '9']);
  });

  it('takes a filter while a consumer waits for what it lets pass', async () => {
    await consumeAll('g');
    const next = client.request('consume', { topic: 't', consume_group: 'g' });
    await declare({ consume_group: 'g', group_filter: 'wanted' });
    await client.expect(200, 'produce', { topic: 't', tag: 'other' }, 'no');
    await client.expect(200, 'produce', { topic: 't', tag: 'wanted' }, 'yes');
    assert.equal((await next).body.toString(), 'yes');
  });

  it('keeps its name and creation time, and says when it was changed', async () => {
    const before = await client.query<GroupJson>('t', 'g');
    while (Date.now() <= before.createdTime) await turn();
    const after = await declare({ consume_group: 'G', group_filter: 'odd' });
    assert.equal(after.groupName, 'g');
    assert.equal(after.createdTime, before.createdTime);
    assert(after.lastUpdatedTime > before.lastUpdatedTime);
  });

  it('takes a url-encoded filter and matches a url-encoded tag', async () => {
    await declare({ consume_group: 'enc', group_filter: 'a%2Eb;%2Bx' });
    await client.expect(200, 'produce', { topic: 't', tag: 'a%2Eb' }, 'encoded');
    assert.equal((await client.query<GroupJson>('t', 'enc')).filter, 'a.b;+x');
    await declare({ consume_group: 'enc', group_start_offset: 0 });
    assert.equal(await consume('enc'), 'encoded');
  });
});

describe('a group with a mask', () => {
  beforeEach(async () => {
    await start();
    await declare();
  });
  afterEach(cleanUp);

  it('exclusive: one session at a time, another gets 403, until the first goes', async () => {
    await declare({ consume_group: 'g', group_mask: EXCLUSIVE });
    const first = await broker.connect();
    first.send({ cmd: 'consume', topic: 't', consume_group: 'g', id: 'a' });
    first.send({ cmd: 'consume', topic: 't', consume_group: 'g', id: 'b' });
    await first.fence();
    const refused = await client.expect(403, 'consume', { topic: 't', consume_group: 'g' });
    assert.match(refused.body.toString(), /exclusive/);
    await first.close();
    const next = client.request('consume', { topic: 't', consume_group: 'g' });
    await client.expect(200, 'produce', { topic: 't' }, 'x');
    assert.equal((await next).status, 200);
  });

  it('exclusive: free again when the first unconsumes', async () => {
    await declare({ consume_group: 'g', group_mask: EXCLUSIVE });
    const first = await broker.connect();
    first.send({ cmd: 'consume', topic: 't', consume_group: 'g', id: 'a' });
    first.send({ cmd: 'unconsume', topic: 't', consume_group: 'g', id: 'b' });
    await first.fence();
    await client.expect(204, 'consume', { topic: 't', consume_group: 'g', timeout: 0 });
  });

  it('pause: stores, delivers nothing, and delivers when it goes on', async () => {
    await declare({ consume_group: 'g', group_mask: PAUSE });
    const paused = client.request('consume', { topic: 't', consume_group: 'g' });
    const watched = watch(paused);
    await client.expect(200, 'produce', { topic: 't' }, 'x');
    assert.equal(await consume('t'), 'x');
    await client.fence();
    assert.equal(watched.fulfilled, false);
    assert.equal((await client.query<GroupJson>('t', 'g')).messageCount, 1);
    await declare({ consume_group: 'g', group_mask: 0 });
    assert.equal((await paused).body.toString(), 'x');
  });

  it('pause on the topic: no group delivers until it goes on', async () => {
    await declare({ topic_mask: PAUSE });
    await declare({ consume_group: 'g' });
    const replies = ['t', 'g'].map((group) =>
      client.request('consume', { topic: 't', consume_group: group }),
    );
    const watched = replies.map(watch);
    await client.expect(200, 'produce', { topic: 't' }, 'x');
    await client.fence();
    assert.deepEqual(
      watched.map(({ fulfilled }) => fulfilled),
      [false, false],
    );
    await declare({ topic_mask: 0 });
    const bodies = (await Promise.all(replies)).map(({ body }) => body.toString());
    assert.deepEqual(bodies, ['x', 'x']);
  });

  it('delete_on_exit: gone with its last consuming session, not before', async () => {
    await declare({ consume_group: 'g', group_mask: DELETE_ON_EXIT });
    const sessions = [await broker.connect(), await broker.connect()];
    for (const session of sessions) {
      session.send({ cmd: 'consume', topic: 't', consume_group: 'g', id: 'c' });
      await session.fence();
    }
    await sessions[0]?.close();
    await client.expect(200, 'query', { topic: 't', consume_group: 'g' });
    await sessions[1]?.close();
    await until(async () => {
      const reply = await client.request('query', { topic: 't', consume_group: 'g' });
      return reply.status === 404;
    });
    const list = await client.query<{ consumeGroupList: GroupJson[] }>('t');
    assert.deepEqual(
      list.consumeGroupList.map(({ groupName }) => groupName),
      ['t'],
    );
  });

  it('a name made by the server is another one each time', async () => {
    const one = await declare({ group_name_auto: 'true' });
    const two = await declare({ group_name_auto: 'true', group_mask: DELETE_ON_EXIT });
    assert.notEqual(one.groupName, two.groupName);
    assert.equal(two.mask, DELETE_ON_EXIT);
    await client.expect(200, 'produce', { topic: 't' }, 'x');
    assert.equal(await consume(one.groupName), 'x');
  });

  it('a name made by the server comes with a new topic too', async () => {
    const reply = await client.expect(200, 'declare', { topic: 'new', group_name_auto: 'true' });
    const { groupName, topicName } = JSON.parse(reply.body.toString()) as Record<string, string>;
    assert.equal(topicName, 'new');
    assert.notEqual(groupName, 'new');
  });
});
