/**
 * Dead letters alone, over a data folder: what a letter holds, and that it goes back to the one
 * group it came from, each once.
 */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { BatchBudget } from '../../../src/broker/batch-budget.js';
import { bury, redrive } from '../../../src/broker/dead-letters.js';
import type { ConsumeGroup } from '../../../src/broker/group.js';
import { Lease, type LeaseOwner } from '../../../src/broker/lease.js';
import { RpcCalls } from '../../../src/broker/rpc/rpc-calls.js';
import { TopicTable } from '../../../src/broker/topic-table.js';
import { newGroupDefinition, newTopicDefinition } from '../../../src/broker/topic-definition.js';
import type { Topic } from '../../../src/broker/topic.js';
import { latin1Of, nameKey } from '../../../src/protocol/names.js';
import { Turn } from '../../../src/turn.js';
import { cleanUp, onCleanUp } from '../../support/cleanup.js';
import { ManualClock } from '../../support/manual-clock.js';
import { keepingAll } from './retained.js';
import { rpcOptions } from './rpc-options.js';
import { append, openStore, readAll, readOne, recordsOf } from '../queue/queues.js';
import { TrafficCounts } from '../../../src/broker/traffic-counts.js';

const nobody: LeaseOwner = { delivered: () => undefined, undelivered: () => undefined };
/** Every byte, and what ends a head. */
const BODY = Buffer.concat([
  Buffer.from('\r\n\r\n'),
  Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)),
]);

describe('dead letters', () => {
  let topics: TopicTable;
  let topic: Topic;
  let group: ConsumeGroup;
  afterEach(cleanUp);
  beforeEach(async () => {
    const turn = new Turn();
    topics = new TopicTable({
      store: openStore(undefined, turn),
      turn,
      clock: new ManualClock(),
      budget: new BatchBudget(),
      traffic: new TrafficCounts(null),
      calls: new RpcCalls(new ManualClock(), rpcOptions),
      topicsMax: 10,
      groupsPerTopicMax: 10,
      retention: keepingAll,
      changed: () => undefined,
      failed: (where, error) => assert.fail(`${where}: ${error.message}`),
    });
    onCleanUp(() => topics.close());
    topic = await topics.create(newTopicDefinition('jobs'));
    group = await topic.addGroup(newGroupDefinition('Grüße', 0));
  });

  function letterBox(name = 'jobs.dead'): Topic {
    return topics.get(name);
  }

  async function produce(id: string, target = topic): Promise<number> {
    const head =
      `origin_id: ${id}\r\ntopic: ${target.name}\r\ntag: red\r\nx-own: 1\r\n` +
      `content-length: ${BODY.length}\r\n\r\n`;
    return (await append(target.queue, { id, tag: 'red', head, body: BODY })).offset;
  }

  /** Buries a message of the group that was handed out three times. */
  async function kill(offset: number, from = topic, of = group): Promise<void> {
    const lease = new Lease(nobody, offset, null, true, 3, 0);
    lease.reason = 'timeout';
    await bury(topics, from, of, lease);
  }

  it('hold id, tag, headers and body, and say where they came from and why', async () => {
    await kill(await produce('one'));
    const [letter, ...others] = await readAll(letterBox().queue);
    assert(letter !== undefined && others.length === 0);
    const name = Buffer.from('Grüße').toString('latin1');
    const head =
      `origin_topic: jobs\r\norigin_group: ${name}\r\norigin_offset: 0\r\ndead_attempts: 3\r\n` +
      `dead_reason: timeout\r\norigin_id: one\r\ntopic: jobs.dead\r\ntag: red\r\nx-own: 1\r\n` +
      `content-length: ${BODY.length}\r\n\r\n`;
    assert.deepEqual(
      [letter.id, letter.tag, letter.wire],
      ['one', 'red', head + BODY.toString('latin1')],
    );
  });

  it('wait for a group of the name of their topic, made with it', async () => {
    group.definition.deadTopic = 'graves';
    await kill(await produce('one'));
    assert.equal(letterBox('graves').group('graves').position, 0);
  });

  it('are not made of a message that is no longer there', async () => {
    const offset = await produce('one');
    await topic.queue.empty();
    await kill(offset);
    assert.equal(topics.find('jobs.dead'), undefined);
  });

  it('go back as they were, for their own group alone', async () => {
    await kill(await produce('one'));
    const produced = (await readAll(topic.queue))[0];
    assert.equal(await redrive(topics, topic, group, Infinity), 1);
    const back = recordsOf(await readOne(topic.queue, 1))[0];
    assert.deepEqual({ ...back, offset: 0 }, produced);
    assert.deepEqual(await offsetsFor('Grüße'), [0, 1]);
    assert.deepEqual(await offsetsFor('others'), [0]);
  });

  it('go back once each, oldest first, as many as are asked for', async () => {
    for (const id of ['one', 'two', 'three']) await kill(await produce(id));
    assert.equal(await redrive(topics, topic, group, 2), 2);
    assert.equal(await redrive(topics, topic, group, 2), 1);
    assert.equal(await redrive(topics, topic, group, 2), 0);
    const ids = (await readAll(topic.queue)).map(({ id }) => id);
    assert.deepEqual(ids, ['one', 'two', 'three', 'one', 'two', 'three']);
  });

  it('of other groups and topics in the same place stay there', async () => {
    const other = await topic.addGroup(newGroupDefinition('other', 0));
    const elsewhere = await topics.create(newTopicDefinition('elsewhere'));
    const namesake = await elsewhere.addGroup(newGroupDefinition('Grüße', 0));
    namesake.definition.deadTopic = 'jobs.dead';
    const offset = await produce('one');
    await kill(offset);
    await kill(offset, topic, other);
    await kill(await produce('two', elsewhere), elsewhere, namesake);
    assert.equal(await redrive(topics, topic, group, Infinity), 1);
    assert.equal(await redrive(topics, elsewhere, namesake, Infinity), 1);
    assert.equal(await redrive(topics, topic, other, Infinity), 1);
    const ids = (await readAll(topic.queue)).map(({ id }) => id);
    assert.deepEqual(ids, ['one', 'one', 'one']);
  });

  it('that were never written are none to send back', async () => {
    assert.equal(await redrive(topics, topic, group, Infinity), 0);
  });

  /** What a reader of the group gets. */
  async function offsetsFor(name: string): Promise<number[]> {
    const reader = topic.queue.openReader(0, null, latin1Of(nameKey(name)));
    const batch = await new Promise<ReturnType<typeof recordsOf>>((resolve, reject) => {
      reader.read(64 * 1024, (error, read) => {
        if (error !== null) reject(error);
        else resolve(recordsOf(read));
      });
    });
    reader.close();
    return batch.map(({ offset }) => offset);
  }
});
