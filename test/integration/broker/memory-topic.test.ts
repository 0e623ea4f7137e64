/**
 * Topics with the memory mask: bounded, and giving up what every group has consumed before they
 * refuse.
 */
import assert from 'node:assert/strict';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';
import type { Client } from '../../support/client.js';
import { Consumers } from '../../support/consumer.js';

const BODY = 'b'.repeat(1000);

interface TopicJson {
  messageDepth: number;
}

describe('a memory topic', () => {
  let broker: TestBroker;
  let client: Client;
  beforeEach(async () => {
    broker = await TestBroker.start({ memoryTopicBytesMax: 256 * 1024 });
    client = await broker.connect();
    await client.expect(200, 'declare', { topic: 't', topic_mask: 1 });
  });
  afterEach(cleanUp);

  /** Produces until it is refused; returns how many were stored. */
  async function fill(): Promise<number> {
    for (let count = 0; ; count++) {
      const reply = await client.request('produce', { topic: 't' }, BODY);
      if (reply.status === 507) return count;
      assert.equal(reply.status, 200);
    }
  }

  it('that is full answers 507 with the option to change, and stores nothing of it', async () => {
    const count = await fill();
    assert(count > 100 && count < 262, `${count} messages of 1 KB in 256 KiB`);
    const refused = await client.expect(507, 'produce', { topic: 't' }, BODY);
    assert.match(refused.body.toString(), /memoryTopicBytesMax/);
    assert.equal((await client.query<TopicJson>('t')).messageDepth, count);
  });

  it('that is full takes as many again as every group has consumed', async () => {
    const count = await fill();
    await client.expect(200, 'declare', {
      topic: 't',
      consume_group: 'slow',
      group_start_offset: 0,
    });
    for (let n = 0; n < 50; n++) await client.expect(200, 'consume', { topic: 't' });
    await client.expect(507, 'produce', { topic: 't' }, BODY);
    for (let n = 0; n < 30; n++) {
      await client.expect(200, 'consume', { topic: 't', consume_group: 'slow' });
    }
    assert.equal(await fill(), 30);
    const reply = await client.expect(200, 'consume', { topic: 't', consume_group: 'slow' });
    assert.equal(reply.headers.get('offset'), '30');
    assert.equal((await client.query<TopicJson>('t')).messageDepth, count);
  });

  it('carries any number of messages in order while they are consumed', async () => {
    const count = 5000;
    const consumers = new Consumers([await broker.connect()], { topic: 't' });
    const numbers = Array.from({ length: count }, (_, n) => n);
    for (let start = 0; start < count; start += 100) {
      const part = numbers.slice(start, start + 100);
      await Promise.all(
        part.map((n) => client.expect(200, 'produce', { topic: 't' }, `${n} ${BODY}`)),
      );
      await consumers.got(start + part.length);
    }
    const delivered = await consumers.got(count);
    assert.deepEqual(
      delivered.map(({ body }) => parseInt(body, 10)),
      numbers,
    );
  });

  it('keeps the order of a producer when it makes room in the middle of a batch', async () => {
    const count = await fill();
    for (let n = 0; n < count; n++) await client.expect(200, 'consume', { topic: 't' });
    const sent = Array.from({ length: 20 }, (_, n) => String(n));
    const replies = await Promise.all(
      sent.map((body) => client.expect(200, 'produce', { topic: 't' }, body)),
    );
    const offsets = replies.map(({ headers }) => Number(headers.get('offset')));
    assert.deepEqual(
      offsets,
      sent.map((_, n) => count + n),
    );
  });
});
