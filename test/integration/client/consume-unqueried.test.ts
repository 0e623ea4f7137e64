/**
 * Consuming with a token that lets nobody know whether the group asks for acknowledgements: what
 * works, and that nothing is lost for either kind.
 */
import assert from 'node:assert/strict';
import type { Bus } from '../../../src/client/bus.js';
import { ConnectionLostError } from '../../../src/client/errors.js';
import { NotFoundError } from '../../../src/errors.js';
import { Mask } from '../../../src/protocol/masks.js';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';
import { replaceTokens, token, tokenFile } from '../../support/tokens.js';
import { until, watch } from '../../support/wait.js';
import { openBus, take, texts } from './buses.js';

const LIMITS = { topics: ['T'], groups: ['g'] };
const OWNER = token('owner', ['*']);
const CONSUMER = token('consumer', ['consume'], LIMITS);
const READER = token('reader', ['consume', 'query'], LIMITS);
const GROUP = { group: 'g' };
const ACKS = { ...GROUP, mask: Mask.ackRequired };

for (const transport of ['TCP', 'WebSocket'] as const) {
  describe(`consuming over ${transport} with a token that may do nothing else`, () => {
    let broker: TestBroker;
    let tokens: string;
    let owner: Bus;

    beforeEach(async () => {
      broker = await start();
      owner = await open(OWNER);
    });
    afterEach(cleanUp);

    function start(): Promise<TestBroker> {
      tokens = tokenFile([OWNER, CONSUMER, READER]);
      return TestBroker.start({ ackLevel: 'page', tokenFile: tokens });
    }

    function open({ secret }: { secret: string }): Promise<Bus> {
      return openBus(broker, transport, { token: secret });
    }

    async function produce(...bodies: string[]): Promise<void> {
      for (const body of bodies) await owner.produce('T', body);
    }

    async function inFlight(): Promise<number | undefined> {
      return (await owner.query('T', GROUP)).inFlightCount;
    }

    async function consumersAre(count: number): Promise<void> {
      await until(async () => (await owner.query('T')).consumerCount === count);
    }

    it('a group that wants acknowledgements gets them', async () => {
      await owner.declare('T', ACKS);
      await produce('one', 'two', 'three');
      const messages = (await open(CONSUMER)).consume('T', GROUP);
      const seen: string[] = [];
      for await (const message of messages) {
        seen.push(message.text());
        if (message.text() === 'two' && message.retry === 0) await message.nack();
        else await message.ack();
        if (seen.length === 4) break;
      }
      assert.deepEqual(seen.sort(), ['one', 'three', 'two', 'two']);
      const { settledOffset, inFlightCount } = await owner.query('T', GROUP);
      assert.deepEqual([settledOffset, inFlightCount], [3, 0]);
    });

    it('a group that acknowledges by itself hands out each message once', async () => {
      await owner.declare('T', GROUP);
      await produce('one', 'two', 'three');
      const bus = await open(CONSUMER);
      assert.deepEqual(texts(await take(bus.consume('T', GROUP), 2)), ['one', 'two']);
      await bus.close({ timeoutMs: 0 });
      const next = (await open(CONSUMER)).consume('T', GROUP);
      assert.deepEqual(texts(await take(next, 1)), ['three']);
    });

    it('is told by the broker when nothing is to be acknowledged', async () => {
      await owner.declare('T', GROUP);
      await produce('one', 'two');
      const messages = (await open(CONSUMER)).consume('T', GROUP);
      const [one] = await take(messages, 1);
      await assert.rejects(one?.ack() ?? Promise.resolve(), /acknowledges by itself/);
      assert.deepEqual(texts(await take(messages, 1)), ['two']);
    });

    it('fetches one message at a time, or as many as it is told', async () => {
      await owner.declare('T', ACKS);
      await produce('one', 'two', 'three');
      const bus = await open(CONSUMER);
      const messages = bus.consume('T', GROUP);
      await take(messages, 1);
      await bus.client.ping();
      assert.equal(await inFlight(), 1);
      await messages.return();
      await take(bus.consume('T', { ...GROUP, prefetch: 2 }), 1);
      await until(async () => (await inFlight()) === 3);
    });

    it('is told what is not there', async () => {
      const bus = await open(CONSUMER);
      const missing = new NotFoundError('Topic(T) not found');
      await assert.rejects(bus.consume('T', GROUP).next(), missing);
      await owner.declare('T');
      const without = new NotFoundError('ConsumeGroup(g) not found');
      await assert.rejects(bus.consume('T', GROUP).next(), without);
    });

    it('takes no mask without the bit for a promise: the topic may have it', async () => {
      await owner.declare('T', { ...GROUP, topicMask: Mask.ackRequired });
      await produce('one');
      const messages = (await open(CONSUMER)).consume('T', { ...GROUP, mask: 0 });
      const [one] = await take(messages, 1);
      await one?.ack();
      assert.equal(await inFlight(), 0);
    });

    it('closing hands out what was fetched ahead, which may be done with', async () => {
      await owner.declare('T', GROUP);
      await produce('one', 'two', 'three');
      const messages = (await open(CONSUMER)).consume('T', { ...GROUP, prefetch: 10 });
      const seen = texts(await take(messages, 1));
      await messages.close();
      for await (const message of messages) seen.push(message.text());
      assert.deepEqual(seen, ['one', 'two', 'three']);
    });

    it('breaking out gives back what was fetched ahead, which may have to come again', async () => {
      await owner.declare('T', ACKS);
      await produce('one', 'two', 'three');
      const bus = await open(CONSUMER);
      for await (const message of bus.consume('T', { ...GROUP, prefetch: 3 })) {
        await until(async () => (await inFlight()) === 3);
        await message.ack();
        break;
      }
      assert.equal(await inFlight(), 0);
      assert.equal((await owner.query('T', GROUP)).returnedCount, 2);
      await consumersAre(0);
    });

    it('closing the bus waits until the message in hand is acknowledged', async () => {
      await owner.declare('T', ACKS);
      await produce('one');
      const bus = await open(CONSUMER);
      const [one] = await take(bus.consume('T', GROUP), 1);
      const closing = bus.close({ timeoutMs: Infinity });
      const closed = watch(closing);
      await consumersAre(0);
      assert(!closed.fulfilled, 'closed with a message in hand');
      await one?.ack();
      await closing;
      assert.equal((await owner.query('T', GROUP)).settledOffset, 1);
    });

    it('learns on the next connection what its token lets it know by then', async () => {
      await owner.declare('T', ACKS);
      await produce('one');
      const messages = (await open(CONSUMER)).consume('T', GROUP);
      const [first] = await take(messages, 1);
      const next = messages.next();
      // A token that was changed ends the connections that used it.
      replaceTokens(tokens, [OWNER, { ...CONSUMER, operations: READER.operations }]);
      broker.reload();
      const { value } = await next;
      assert.deepEqual([value?.text(), value?.retry], ['one', 1]);
      await assert.rejects(first?.ack() ?? Promise.resolve(), ConnectionLostError);
      await value?.ack();
      await produce(...Array.from({ length: 10 }, (_, n) => `${n}`));
      // As many as the default is of a group that is known to want acknowledgements.
      await until(async () => (await inFlight()) === 10);
    });
  });
}
