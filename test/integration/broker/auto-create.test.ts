/**
 * The option autoCreateTopics: off, an unknown topic is 404; on, produce and consume make what they
 * name.
 */
import assert from 'node:assert/strict';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';

describe('autoCreateTopics', () => {
  afterEach(cleanUp);

  it('off: produce and consume of an unknown topic are 404 and make none', async () => {
    const client = await (await TestBroker.start()).connect();
    await client.expect(404, 'produce', { topic: 't' }, 'x');
    await client.expect(404, 'consume', { topic: 't' });
    await client.expect(404, 'query', { topic: 't' });
  });

  it('on: a produce makes the topic and stores the message', async () => {
    const client = await (await TestBroker.start({ autoCreateTopics: true })).connect();
    await client.expect(200, 'produce', { topic: 'New' }, 'x');
    const reply = await client.expect(200, 'consume', { topic: 'new' });
    assert.equal(reply.body.toString(), 'x');
    assert.equal(reply.headers.get('topic'), 'New');
  });

  it('on: a consume makes topic and group and waits there', async () => {
    const broker = await TestBroker.start({ autoCreateTopics: true });
    const client = await broker.connect();
    const waiting = client.request('consume', { topic: 'new', consume_group: 'g' });
    await client.fence();
    const producer = await broker.connect();
    await producer.expect(200, 'produce', { topic: 'new' }, 'x');
    assert.equal((await waiting).body.toString(), 'x');
  });

  it('on: many at once make one topic and lose nothing', async () => {
    const broker = await TestBroker.start({ autoCreateTopics: true });
    const clients = await Promise.all(Array.from({ length: 20 }, () => broker.connect()));
    const replies = await Promise.all(
      clients.map((client, n) => client.expect(200, 'produce', { topic: 'new' }, String(n))),
    );
    const offsets = replies.map(({ headers }) => Number(headers.get('offset')));
    assert.deepEqual(
      offsets.sort((a, b) => a - b),
      clients.map((_, n) => n),
    );
  });

  it('on: a bad name is still 400', async () => {
    const client = await (await TestBroker.start({ autoCreateTopics: true })).connect();
    await client.expect(400, 'produce', { topic: 'a b' }, 'x');
  });

  it('on: query of an unknown topic is still 404', async () => {
    const client = await (await TestBroker.start({ autoCreateTopics: true })).connect();
    await client.expect(404, 'query', { topic: 'nope' });
  });

  it('limits: topicsMax and groupsPerTopicMax are answered 429', async () => {
    const broker = await TestBroker.start({ topicsMax: 2, groupsPerTopicMax: 2 });
    const client = await broker.connect();
    for (const topic of ['a', 'b']) await client.expect(200, 'declare', { topic });
    const topics = await client.expect(429, 'declare', { topic: 'c' });
    assert.match(topics.body.toString(), /topicsMax/);
    await client.expect(200, 'declare', { topic: 'a', consume_group: 'g' });
    const groups = await client.expect(429, 'declare', { topic: 'a', consume_group: 'h' });
    assert.match(groups.body.toString(), /groupsPerTopicMax/);
    await client.expect(200, 'remove', { topic: 'b' });
    await client.expect(200, 'declare', { topic: 'c' });
  });
});
