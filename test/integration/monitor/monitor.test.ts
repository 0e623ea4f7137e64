/** The commands monitor and history: what is told of the broker, to whom, and when. */
import assert from 'node:assert/strict';
import type { History, MonitorState, TopicState } from '../../../src/monitor/shapes.js';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';
import type { Client } from '../../support/client.js';
import { numbered, produceAll } from '../../support/consumer.js';
import { GroupClient, MaskBit } from '../../support/group-client.js';
import { ManualClock } from '../../support/manual-clock.js';
import { secretOf, token, tokenFile } from '../../support/tokens.js';

const SECOND_MS = 1000;

let broker: TestBroker;
let clock: ManualClock;
let client: Client;

async function whole(from = client, token = ''): Promise<MonitorState> {
  const { body } = await from.get('/monitor', token === '' ? {} : { token });
  return JSON.parse(body.toString()) as MonitorState;
}

function topicOf(state: MonitorState, name: string): TopicState {
  const topic = state.topics.find((each) => each.name === name);
  assert(topic !== undefined, `${name} is told of`);
  return topic;
}

/** A connection that watches: gives the states in the order they come. */
class Watcher {
  readonly #client: Client;

  private constructor(watching: Client) {
    this.#client = watching;
  }

  static async start(): Promise<Watcher> {
    const watching = await broker.connect();
    watching.send({ cmd: 'monitor', id: 'm' });
    return new Watcher(watching);
  }

  async next(): Promise<MonitorState> {
    return JSON.parse((await this.#client.reply('m')).body.toString()) as MonitorState;
  }

  /** The state of the next second. */
  async second(): Promise<MonitorState> {
    clock.advance(SECOND_MS);
    return this.next();
  }
}

describe('the monitor', () => {
  beforeEach(async () => {
    clock = new ManualClock();
    broker = await TestBroker.start({}, clock);
    client = await broker.connect();
  });
  afterEach(cleanUp);

  describe('monitor', () => {
    it('tells the whole to a request by URL, once', async () => {
      await client.expect(200, 'declare', { topic: 't' });
      await produceAll(client, 't', numbered(3));
      clock.advance(SECOND_MS);
      const state = await whole();
      assert.equal(state.whole, true);
      assert.deepEqual(state.access, { tokenName: null, operations: ['*'] });
      const { messageCount, firstOffset, nextOffset, groups } = topicOf(state, 't');
      assert.deepEqual(
        { messageCount, firstOffset, nextOffset },
        {
          messageCount: 3,
          firstOffset: 0,
          nextOffset: 3,
        },
      );
      assert.deepEqual(
        groups.map(({ name, backlogCount }) => [name, backlogCount]),
        [['t', 3]],
      );
      assert.equal(state.server.backlogCount, 3);
      assert.equal(state.server.topicCount, 1);
    });

    it('tells first all, then only what has changed, with rates', async () => {
      for (const topic of ['quiet', 'busy']) await client.expect(200, 'declare', { topic });
      const watcher = await Watcher.start();
      const first = await watcher.next();
      assert.deepEqual(first.topics.map(({ name }) => name).sort(), ['busy', 'quiet']);
      await watcher.second();
      await produceAll(client, 'busy', numbered(20));
      const second = await watcher.second();
      assert.equal(second.whole, false);
      assert.deepEqual(
        second.topics.map(({ name }) => name),
        ['busy'],
      );
      assert.equal(topicOf(second, 'busy').rates.produced, 20);
      assert.equal(second.server.rates.produced, 20);
      const third = await watcher.second();
      assert.equal(topicOf(third, 'busy').rates.produced, 0, 'the end of traffic is told');
      assert.deepEqual((await watcher.second()).topics, []);
    });

    it('names topics that are gone, but none that was made anew at once', async () => {
      for (const topic of ['a', 'b']) await client.expect(200, 'declare', { topic });
      const watcher = await Watcher.start();
      await watcher.next();
      await client.expect(200, 'remove', { topic: 'a' });
      await client.expect(200, 'remove', { topic: 'b' });
      await client.expect(200, 'declare', { topic: 'b' });
      await produceAll(client, 'b', numbered(1));
      const state = await watcher.second();
      assert.deepEqual(state.removed, ['a']);
      assert.equal(topicOf(state, 'b').messageCount, 1);
      assert.equal(state.server.backlogCount, 1);
    });

    it('shows consumers, what they hold and how old it is', async () => {
      await client.expect(200, 'declare', { topic: 't' });
      const group = new GroupClient(await broker.connect(), 't', 'g');
      await group.declare({ group_mask: MaskBit.ackRequired });
      await produceAll(client, 't', numbered(2));
      await group.take();
      clock.advance(SECOND_MS);
      const [state] = topicOf(await whole(), 't').groups.filter(({ name }) => name === 'g');
      assert(state !== undefined);
      assert.deepEqual(state.consumers, [group.client.address]);
      assert.equal(state.inFlightCount, 1);
      assert.equal(state.backlogCount, 1);
      assert.equal(state.oldestInFlightMs, SECOND_MS);
      assert.equal(state.deadTopic, 't.dead');
    });

    it('sends no pile to one that does not read, but the newest', async () => {
      await client.expect(200, 'declare', { topic: 't' });
      const watcher = await Watcher.start();
      await watcher.next();
      for (let i = 0; i < 3; i++) {
        await produceAll(client, 't', numbered(1));
        clock.advance(SECOND_MS);
      }
      const told = [await watcher.next()];
      while (topicOf(told.at(-1) ?? (await watcher.next()), 't').messageCount < 3) {
        told.push(await watcher.next());
      }
      assert(told.length <= 3);
    });

    it('warns of messages that went to the dead-letter topic', async () => {
      await client.expect(200, 'declare', { topic: 't' });
      const group = new GroupClient(await broker.connect(), 't', 'g');
      await group.declare({ group_mask: MaskBit.ackRequired, group_max_attempts: 1 });
      await produceAll(client, 't', numbered(1));
      const offset = Number((await group.take()).headers.get('offset'));
      await group.client.expect(200, 'nack', { topic: 't', consume_group: 'g', offset });
      const watcher = await Watcher.start();
      let state = await watcher.next();
      while (state.alarms.length === 0) state = await watcher.second();
      const [alarm] = state.alarms;
      assert.equal(alarm?.code, 'dead-letters');
      assert.deepEqual([alarm.topic, alarm.group], ['t', 'g']);
    });
  });

  describe('monitor with tokens', () => {
    it('tells only of topics and groups that the token is for', async () => {
      const tokens = [
        token('all', ['*']),
        token('one', ['server'], { topics: ['mine'], groups: ['mine'] }),
        token('none', ['produce']),
      ];
      broker = await TestBroker.start({ tokenFile: tokenFile(tokens) }, clock);
      client = await broker.connect();
      const all = { token: secretOf('all') };
      for (const topic of ['mine', 'other']) await client.expect(200, 'declare', { topic, ...all });
      await client.expect(200, 'declare', { topic: 'mine', consume_group: 'theirs', ...all });
      clock.advance(SECOND_MS);
      const state = await whole(client, secretOf('one'));
      assert.deepEqual(
        state.topics.map(({ name }) => name),
        ['mine'],
      );
      assert.deepEqual(
        topicOf(state, 'mine').groups.map(({ name }) => name),
        ['mine'],
      );
      assert.deepEqual(state.access, { tokenName: 'one', operations: ['server'] });
      const refused = await client.get('/monitor', { token: secretOf('none') });
      assert.equal(refused.status, 403);
      const history = await client.get('/history/other', { token: secretOf('one') });
      assert.equal(history.status, 403);
    });
  });

  describe('history', () => {
    async function history(url: string): Promise<History> {
      return JSON.parse((await client.get(url)).body.toString()) as History;
    }

    it('keeps five minutes second by second and an hour in tens, no more', async () => {
      await client.expect(200, 'declare', { topic: 't' });
      await produceAll(client, 't', numbered(30));
      clock.advance(SECOND_MS);
      const first = await history('/history');
      assert.equal(first.fine.produced.at(-1), 30);
      for (let i = 0; i < 4000; i++) clock.advance(SECOND_MS);
      client = await broker.connect();
      const { fine, coarse } = await history('/history');
      assert.equal(fine.produced.length, 300);
      assert.equal(coarse?.produced.length, 360);
      assert.equal(fine.backlogCount.at(-1), 30);
    });

    it('has the minutes of a topic that had traffic', async () => {
      await client.expect(200, 'declare', { topic: 't' });
      await produceAll(client, 't', numbered(7));
      clock.advance(SECOND_MS);
      assert.equal((await history('/history/t')).fine.produced.at(-1), 7);
      await client.expect(200, 'declare', { topic: 'quiet' });
      assert.deepEqual((await history('/history/quiet')).fine.produced, []);
      assert.equal((await client.get('/history/none')).status, 404);
    });
  });
});
