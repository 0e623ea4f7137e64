/**
 * What comes back after a stop in good order and after kill -9: what was not acknowledged, and
 * nothing else.
 */
import assert from 'node:assert/strict';
import { TestBroker } from '../../support/broker.js';
import { ChildBroker } from '../../support/child-broker.js';
import { cleanUp } from '../../support/cleanup.js';
import { numbered, produceAll } from '../../support/consumer.js';
import {
  GroupClient,
  MaskBit,
  type Taken,
  range,
  retriesOf,
  taken,
} from '../../support/group-client.js';
import { tempFolder } from '../../support/temp-folder.js';
import { until } from '../../support/wait.js';

describe('after a restart', () => {
  let broker: TestBroker;
  let group: GroupClient;
  beforeEach(async () => {
    broker = await TestBroker.start();
    group = await consumer();
    await group.client.expect(200, 'declare', { topic: 't' });
    await group.declare();
  });
  afterEach(cleanUp);

  async function consumer(): Promise<GroupClient> {
    return new GroupClient(await broker.connect(), 't', 'g');
  }

  function produce(count: number): Promise<unknown> {
    return produceAll(group.client, 't', numbered(count));
  }

  async function restart(): Promise<void> {
    await broker.restart();
    group = await consumer();
  }

  it('exactly what was not acknowledged comes back, and retry goes on counting', async () => {
    await produce(8);
    await group.takeMany(6);
    await group.ack('1,3-4');
    await group.nack(2);
    await group.take();
    await restart();
    const got = retriesOf(await group.takeMany(5));
    assert.deepEqual(got, [
      [0, 1],
      [2, 2],
      [5, 1],
      [6, 0],
      [7, 0],
    ]);
    await group.getsNothing();
    await group.ack('0-7');
    await restart();
    await group.getsNothing();
  });

  it('what was given back with a delay comes back at once', async () => {
    await produce(1);
    await group.take();
    await group.nack(0, 60_000);
    await restart();
    assert.deepEqual(retriesOf([await group.take()]), [[0, 1]]);
  });

  it('window, timeout, attempts and dead topic are what they were', async () => {
    const settings = { ackWindow: 7, ackTimeoutMs: 8000, maxAttempts: 9, deadTopic: 'lost' };
    await group.declare({
      group_ack_window: 7,
      group_ack_timeout: 8000,
      group_max_attempts: 9,
      group_dead_topic: 'lost',
    });
    await restart();
    const { ackWindow, ackTimeoutMs, maxAttempts, deadTopic } = await group.query();
    assert.deepEqual({ ackWindow, ackTimeoutMs, maxAttempts, deadTopic }, settings);
    await group.declare();
    assert.equal((await group.query()).ackWindow, 7, 'a declare without it changes nothing');
  });

  it('more holes than a position can hold repeat what was done, and skip nothing', async () => {
    const count = 4000;
    await produce(count);
    await group.declare({ group_ack_window: count });
    group.grant('all', count);
    await group.nextMany('all', count);
    const odd = range(0, count - 1).filter((n) => n % 2 === 1);
    await group.ack(odd.slice(0, 1000).join(','));
    await group.ack(odd.slice(1000).join(','));
    await restart();
    group.grant('all', count);
    const seen = new Set<number>();
    while (!seen.has(count - 2)) seen.add((await group.next('all')).offset);
    const missed = range(0, count - 1).filter((n) => n % 2 === 0 && !seen.has(n));
    assert.deepEqual(missed, []);
    const repeated = odd.filter((n) => seen.has(n));
    assert(repeated.length > 0, 'the position held it all: make more holes');
    assert(
      repeated.every((n) => n > 1500),
      `${repeated[0]} came again`,
    );
  });
});

/** Messages produced, and acked, in each round. */
const COUNT = 40;
const ROUNDS = 3;

describe('after kill -9', function () {
  this.timeout(30_000);
  let mqDir: string;
  let broker: ChildBroker;
  let group: GroupClient;
  beforeEach(async () => {
    mqDir = tempFolder();
    await start();
    await group.client.expect(200, 'declare', { topic: 't' });
  });
  afterEach(cleanUp);

  async function start(): Promise<void> {
    broker = await ChildBroker.start({ mqDir });
    group = new GroupClient(await broker.connect(), 't', 'g');
  }

  /** All that the group has for a consumer now. */
  async function takeAll(nextOffset: number): Promise<Taken[]> {
    group.grant('all', 10 * ROUNDS * COUNT);
    await until(async () => {
      const { nextOffset: next, returnedCount } = await group.query();
      return next === nextOffset && returnedCount === 0;
    });
    await group.client.fence();
    return group.client.unclaimed.splice(0).map(taken);
  }

  it('no message comes whose ack was answered, all others do, and retry counts on', async () => {
    await group.declare({ group_ack_window: ROUNDS * COUNT });
    const answered = new Set<number>();
    /** Acks that the broker may have stored or not. */
    const unanswered = new Set<number>();
    const attempts = new Map<number, number>();
    for (let round = 1; round <= ROUNDS; round++) {
      await produceAll(group.client, 't', numbered(COUNT));
      const got = await takeAll(round * COUNT);
      for (const { offset, retry } of got) {
        assert(!answered.has(offset), `${offset} came after its ack was answered`);
        assert.equal(retry, attempts.get(offset) ?? 0, `retry of ${offset}`);
        attempts.set(offset, retry + 1);
      }
      const offsets = got.map(({ offset }) => offset);
      const missed = range(0, round * COUNT - 1).filter(
        (offset) => ![answered, unanswered, new Set(offsets)].some((set) => set.has(offset)),
      );
      assert.deepEqual(missed, [], 'neither acknowledged nor delivered');
      for (const offset of unanswered) if (!offsets.includes(offset)) answered.add(offset);
      unanswered.clear();

      const now = offsets.filter((offset) => offset % 3 === round % 3);
      const later = offsets.filter((offset) => offset % 5 === round % 5 && !now.includes(offset));
      await Promise.all(now.map((offset) => group.ack(offset)));
      for (const offset of now) answered.add(offset);
      for (const offset of later) {
        group.client.send({ cmd: 'ack', topic: 't', consume_group: 'g', offset, id: 'late' });
        unanswered.add(offset);
      }
      await broker.kill();
      await start();
    }
    const { settledOffset } = await group.query();
    assert(range(0, settledOffset - 1).every((n) => answered.has(n) || unanswered.has(n)));
  });

  it('groups with delete_on_exit are gone, and the others are not', async () => {
    await group.declare({ group_mask: MaskBit.ackRequired | MaskBit.deleteOnExit });
    await group.client.expect(200, 'declare', { topic: 't', consume_group: 'stays' });
    await group.client.expect(200, 'produce', { topic: 't' }, 'x');
    await group.take();
    await broker.kill();
    await start();
    await group.expect(404, 'query');
    await group.expect(404, 'consume');
    await group.client.expect(200, 'query', { topic: 't', consume_group: 'stays' });
    await group.declare({ group_start_offset: 0 });
    assert.equal((await group.take()).retry, 0, 'nothing of its position is left');
  });
});
