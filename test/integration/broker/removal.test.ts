/** empty and remove, of a group and of a topic, with consumers waiting. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';
import type { Client } from '../../support/client.js';
import { produceAll } from '../../support/consumer.js';

interface TopicJson {
  messageDepth: number;
  consumerCount: number;
  consumeGroupList: { groupName: string; messageCount: number }[];
}

const five = Array.from({ length: 5 }, (_, n) => ({ body: String(n) }));

for (const [kind, mask] of [
  ['disk', 0],
  ['memory', 1],
] as const) {
  describe(`a ${kind} topic`, () => {
    let broker: TestBroker;
    let client: Client;
    beforeEach(async () => {
      broker = await TestBroker.start();
      client = await broker.connect();
      await client.expect(200, 'declare', { topic: 't', topic_mask: mask });
      await client.expect(200, 'declare', { topic: 't', consume_group: 'g' });
    });
    afterEach(cleanUp);

    const counts = async (): Promise<number[]> => {
      const { consumeGroupList } = await client.query<TopicJson>('t');
      return consumeGroupList.map(({ messageCount }) => messageCount);
    };

    it('emptied has no message, every group at the end, and goes on', async () => {
      await produceAll(client, 't', five);
      const reply = await client.expect(200, 'empty', { topic: 't' });
      assert.match(reply.body.toString(), /^\d{13}$/);
      assert.equal((await client.query<TopicJson>('t')).messageDepth, 0);
      assert.deepEqual(await counts(), [0, 0]);
      await client.expect(404, 'consume', { topic: 't', offset: 0 });
      const next = client.request('consume', { topic: 't', consume_group: 'g' });
      const produced = await client.expect(200, 'produce', { topic: 't' }, 'next');
      assert.equal(produced.headers.get('offset'), '5');
      assert.equal((await next).body.toString(), 'next');
    });

    it('with an emptied group keeps its messages for the others', async () => {
      await produceAll(client, 't', five);
      await client.expect(200, 'empty', { topic: 't', consume_group: 'g' });
      assert.deepEqual(await counts(), [5, 0]);
      await client.expect(204, 'consume', { topic: 't', consume_group: 'g', timeout: 0 });
      const reply = await client.expect(200, 'consume', { topic: 't' });
      assert.equal(reply.body.toString(), '0');
    });

    it('emptied in the middle of a read delivers nothing old', async () => {
      await produceAll(client, 't', five);
      await client.expect(200, 'consume', { topic: 't' });
      await client.expect(200, 'empty', { topic: 't' });
      await client.expect(204, 'consume', { topic: 't', timeout: 0 });
    });

    it('removed tells those who wait, and is gone', async () => {
      const waiting = await broker.connect();
      const replies = ['t', 'g'].map((group) =>
        waiting.request('consume', { topic: 't', consume_group: group }),
      );
      await waiting.fence();
      await client.expect(200, 'remove', { topic: 'T' });
      const texts = (await Promise.all(replies)).map(
        ({ status, body }) => `${status} ${body.toString()}`,
      );
      assert.deepEqual(texts, ['404 ConsumeGroup(t) not found', '404 ConsumeGroup(g) not found']);
      await client.expect(404, 'query', { topic: 't' });
      await client.expect(404, 'produce', { topic: 't' }, 'x');
    });

    it('removed and declared again is a new one', async () => {
      await produceAll(client, 't', five);
      await client.expect(200, 'consume', { topic: 't' });
      await client.expect(200, 'remove', { topic: 't' });
      await client.expect(200, 'declare', { topic: 't', topic_mask: mask });
      const { messageDepth, consumeGroupList } = await client.query<TopicJson>('t');
      assert.deepEqual([messageDepth, consumeGroupList.length], [0, 1]);
      const reply = await client.expect(200, 'produce', { topic: 't' }, 'x');
      assert.equal(reply.headers.get('offset'), '0');
      assert.equal((await client.expect(200, 'consume', { topic: 't' })).body.toString(), 'x');
    });

    it('without a removed group serves the others; the group comes back as a new one', async () => {
      await produceAll(client, 't', five);
      await client.expect(200, 'consume', { topic: 't', consume_group: 'g' });
      const waiting = await broker.connect();
      await client.expect(200, 'remove', { topic: 't', consume_group: 'G' });
      await waiting.expect(404, 'consume', { topic: 't', consume_group: 'g' });
      const reply = await client.expect(200, 'consume', { topic: 't' });
      assert.equal(reply.body.toString(), '0');
      await client.expect(200, 'declare', {
        topic: 't',
        consume_group: 'g',
        group_start_offset: 0,
      });
      assert.deepEqual(await counts(), [4, 5]);
    });

    it('removed while messages are on their way to disk answers every producer', async () => {
      for (let n = 0; n < 100; n++) client.send({ cmd: 'produce', topic: 't', id: `p${n}` }, 'x');
      client.send({ cmd: 'remove', topic: 't', id: 'remove' });
      const replies = await Promise.all([
        client.reply('remove'),
        ...Array.from({ length: 100 }, (_, n) => client.reply(`p${n}`)),
      ]);
      assert.deepEqual([...new Set(replies.map(({ status }) => status))], [200]);
    });
  });
}

describe('the data folder', () => {
  afterEach(cleanUp);

  it('has nothing left of a removed topic', async () => {
    const broker = await TestBroker.start();
    const client = await broker.connect();
    const before = readdirSync(broker.config.mqDir);
    await client.expect(200, 'declare', { topic: 't' });
    await produceAll(client, 't', five);
    await client.expect(200, 'remove', { topic: 't' });
    assert.deepEqual(readdirSync(broker.config.mqDir), before);
  });
});
