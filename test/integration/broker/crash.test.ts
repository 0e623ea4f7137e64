/** kill -9 of the zbus command and a start on the same folder, without any repair by hand. */
import assert from 'node:assert/strict';
import { ChildBroker, refusedStart } from '../../support/child-broker.js';
import { cleanUp } from '../../support/cleanup.js';
import type { Client } from '../../support/client.js';
import { Consumers, produceAll } from '../../support/consumer.js';
import { tempFolder } from '../../support/temp-folder.js';

interface TopicJson {
  messageDepth: number;
  createdTime: number;
  consumeGroupList: { groupName: string; mask: number; filter: string; messageCount: number }[];
}

const bodies = Array.from({ length: 1000 }, (_, n) => String(n));

describe('after kill -9', function () {
  this.timeout(30_000);
  let mqDir: string;
  let broker: ChildBroker;
  let client: Client;
  beforeEach(async () => {
    mqDir = tempFolder();
    broker = await ChildBroker.start({ mqDir });
    client = await broker.connect();
  });
  afterEach(cleanUp);

  async function killAndStart(): Promise<void> {
    await broker.kill();
    broker = await ChildBroker.start({ mqDir });
    client = await broker.connect();
  }

  it('every acknowledged message is there, whatever level was asked for', async () => {
    await client.expect(200, 'declare', { topic: 't' });
    const third = Math.ceil(bodies.length / 3);
    for (const [i, level] of ['page', 'disk', 'page'].entries()) {
      const part = bodies.slice(i * third, (i + 1) * third).map((body) => ({ body }));
      await produceAll(client, 't', part, level);
    }
    await killAndStart();
    const consumers = new Consumers([client], { topic: 't' });
    const delivered = await consumers.got(bodies.length);
    assert.deepEqual(
      delivered.map(({ body }) => body),
      bodies,
    );
  });

  it('definitions are there: groups, filters, masks, creation times', async () => {
    await client.expect(200, 'declare', { topic: 't', topic_mask: 8 });
    await client.expect(200, 'declare', {
      topic: 't',
      consume_group: 'g',
      group_filter: 'a.#',
      group_mask: 16,
    });
    const before = await client.query<TopicJson>('t');
    await killAndStart();
    const after = await client.query<TopicJson>('t');
    assert.deepEqual({ ...after, serverAddress: null }, { ...before, serverAddress: null });
  });

  it('a group repeats at most what was delivered last, and skips nothing', async () => {
    await client.expect(200, 'declare', { topic: 't' });
    await produceAll(
      client,
      't',
      bodies.map((body) => ({ body })),
    );
    for (let n = 0; n < 500; n++) await client.expect(200, 'consume', { topic: 't' });
    await killAndStart();
    const { messageCount } = await client.query<{ messageCount: number }>('t', 't');
    assert(messageCount >= 500, `the position leads: ${messageCount} of 500 left`);
    const first = await client.expect(200, 'consume', { topic: 't' });
    assert.equal(Number(first.headers.get('offset')), bodies.length - messageCount);
    assert(messageCount <= 502, `${messageCount - 500} messages again`);
  });

  it('three times in a row, the log is whole and takes new messages', async () => {
    await client.expect(200, 'declare', { topic: 't' });
    for (let round = 0; round < 3; round++) {
      await client.expect(200, 'produce', { topic: 't' }, `round ${round}`);
      client.send({ cmd: 'produce', topic: 't', id: 'in-flight' }, 'perhaps');
      await killAndStart();
    }
    const { messageDepth } = await client.query<TopicJson>('t');
    const consumers = new Consumers([client], { topic: 't' });
    const got = (await consumers.got(messageDepth)).map(({ body }) => body);
    assert.deepEqual(
      got.filter((body) => body !== 'perhaps'),
      ['round 0', 'round 1', 'round 2'],
    );
  });

  it('a second broker on the folder refuses in one line and ends with 1', async () => {
    await client.expect(200, 'declare', { topic: 't' });
    const { code, stderr } = await refusedStart({ mqDir });
    assert.equal(code, 1);
    const lines = stderr.trim().split('\n');
    assert.equal(lines.length, 1, stderr);
    assert(stderr.includes(mqDir) && stderr.includes('another broker is running'), stderr);
    await client.expect(200, 'produce', { topic: 't' }, 'the first one still serves');
  });
});
