/** Consuming: flow, acknowledgements, several consumers, and how an iteration ends. */
import assert from 'node:assert/strict';
import type { Bus } from '../../../src/client/bus.js';
import {
  BadRequestError,
  ConflictError,
  ForbiddenError,
  NotFoundError,
} from '../../../src/errors.js';
import { Mask } from '../../../src/protocol/masks.js';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';
import { until, watch } from '../../support/wait.js';
import { openBus, take, texts, transports } from './buses.js';

const ACKS = { group: 'g', mask: Mask.ackRequired } as const;

for (const transport of transports) {
  describe(`consuming over ${transport}`, () => {
    let broker: TestBroker;
    let bus: Bus;

    beforeEach(async () => {
      broker = await TestBroker.start({ ackLevel: 'page' });
      bus = await openBus(broker, transport);
    });
    afterEach(cleanUp);

    async function produce(...bodies: string[]): Promise<void> {
      await Promise.all(bodies.map((body) => bus.produce('T', body)));
    }

    async function inFlight(): Promise<number | undefined> {
      return (await bus.query('T', { group: 'g' })).inFlightCount;
    }

    it('makes topic and group, waits, and gets what is produced then', async () => {
      const consumer = bus.consume('T', { group: 'g' });
      const first = consumer.next();
      await until(() =>
        bus.query('T').then(
          ({ consumerCount }) => consumerCount === 1,
          () => false,
        ),
      );
      await bus.produce('T', 'late');
      assert.equal((await first).value?.text(), 'late');
    });

    it('a filter takes what its tag says', async () => {
      await bus.declare('T', { group: 'g' });
      const messages = bus.consume('T', { group: 'g', filter: 'paid.*;größe%' });
      await bus.declare('T', { group: 'g', filter: 'paid.*;größe%' });
      await bus.produce('T', 'no', { tag: 'open.x' });
      await bus.produce('T', 'one', { tag: 'paid.x' });
      await bus.produce('T', 'two', { tag: 'größe%' });
      assert.deepEqual(texts(await take(messages, 2)), ['one', 'two']);
    });

    it('an acknowledged message is settled, one that is not comes again', async () => {
      await bus.declare('T', ACKS);
      await produce('one', 'two');
      const first = bus.consume('T', ACKS);
      const [one] = await take(first, 2);
      await one?.ack();
      await bus.close({ timeoutMs: 0 });
      bus = await openBus(broker, transport);
      const [again] = await take(bus.consume('T', ACKS), 1);
      assert.deepEqual([again?.text(), again?.retry], ['two', 1]);
    });

    it('a message given back comes again, and is not in the hands of whoever gave it', async () => {
      await bus.declare('T', ACKS);
      await produce('one');
      const messages = bus.consume('T', ACKS);
      const [first] = await take(messages, 1);
      await first?.nack();
      const [again] = await take(messages, 1);
      assert.deepEqual([again?.text(), again?.retry], ['one', 1]);
      await again?.renew();
      await again?.ack();
      await assert.rejects(again?.ack() ?? Promise.resolve(), ConflictError);
      assert.equal(await inFlight(), 0);
    });

    it('of acks that leave together each learns its own outcome', async () => {
      await bus.declare('T', ACKS);
      await produce('a', 'b', 'c', 'd');
      const messages = bus.consume('T', { ...ACKS, prefetch: 4 });
      const four = await take(messages, 4);
      await four[2]?.nack({ delayMs: 60_000 });
      const outcomes = await Promise.allSettled(four.map((message) => message.ack()));
      assert.deepEqual(
        outcomes.map(({ status }) => status),
        ['fulfilled', 'fulfilled', 'rejected', 'fulfilled'],
      );
      const { settledOffset, returnedCount } = await bus.query('T', { group: ACKS.group });
      assert.deepEqual([settledOffset, returnedCount], [2, 1]);
    });

    it('acks that nobody waits for are sent before the consumer leaves', async () => {
      await bus.declare('T', ACKS);
      await produce('a', 'b', 'c');
      let left = 3;
      for await (const message of bus.consume('T', { ...ACKS, prefetch: 3 })) {
        void message.ack();
        if (--left === 0) break;
      }
      await bus.close();
      bus = await openBus(broker, transport);
      const { inFlightCount, returnedCount } = await bus.query('T', { group: ACKS.group });
      assert.deepEqual([inFlightCount, returnedCount], [0, 0]);
    });

    it('what a group asks for is declared', async () => {
      const messages = bus.consume('T', {
        ...ACKS,
        ackWindow: 7,
        ackTimeoutMs: 5000,
        maxAttempts: 2,
        deadTopic: 'D',
      });
      const next = messages.next();
      await until(() =>
        bus.query('T').then(
          ({ consumerCount }) => consumerCount === 1,
          () => false,
        ),
      );
      const { ackWindow, ackTimeoutMs, maxAttempts, deadTopic } = await bus.query('T', {
        group: 'g',
      });
      assert.deepEqual([ackWindow, ackTimeoutMs, maxAttempts, deadTopic], [7, 5000, 2, 'D']);
      await produce('poison');
      await (await next).value?.nack();
      await (await messages.next()).value?.nack();
      await until(async () => (await bus.query()).topicTable.D?.messageDepth === 1);
      const [dead] = await take(bus.consume('D'), 1);
      assert.deepEqual([dead?.text(), dead?.header('dead_reason')], ['poison', 'nack']);
      assert.equal(await bus.client.redrive('T', { group: 'g' }), 1);
      const [back] = await take(messages, 1);
      assert.equal(back?.text(), 'poison');
    });

    it('no more is under way than prefetch grants', async () => {
      await bus.declare('T', ACKS);
      await produce(...Array.from({ length: 30 }, (_, n) => `${n}`));
      const messages = bus.consume('T', { ...ACKS, prefetch: 4 });
      for (let n = 0; n < 30; n++) {
        const [message] = await take(messages, 1);
        assert.equal(message?.text(), `${n}`);
        const count = (await inFlight()) ?? NaN;
        assert(count <= 4, `${count} under way`);
        await message.ack();
      }
    });

    it('a group that acknowledges by itself is asked for one message at a time', async () => {
      await bus.declare('T', { group: 'g' });
      await produce('one', 'two', 'three');
      for await (const message of bus.consume('T', { group: 'g' })) {
        assert.equal(message.text(), 'one');
        await message.ack();
        await assert.rejects(message.nack(), ConflictError);
        break;
      }
      assert.equal((await bus.query('T', { group: 'g' })).messageCount, 2);
      const [next] = await take(bus.consume('T', { group: 'g' }), 1);
      assert.equal(next?.text(), 'two');
    });

    it('breaking out gives back at once what was fetched ahead', async () => {
      await bus.declare('T', ACKS);
      await produce('one', 'two', 'three');
      for await (const message of bus.consume('T', ACKS)) {
        await message.ack();
        break;
      }
      assert.equal(await inFlight(), 0);
      assert.deepEqual(texts(await take(bus.consume('T', ACKS), 2)), ['two', 'three']);
      assert.equal((await bus.query('T')).consumerCount, 1);
    });

    it('breaking out without an ack does not hold up the end of the bus', async () => {
      await bus.declare('T', ACKS);
      await produce('one');
      for await (const message of bus.consume('T', ACKS)) {
        assert.equal(message.text(), 'one');
        break;
      }
      await bus.close({ timeoutMs: Infinity });
    });

    it('closing hands out what a group that acknowledges by itself is done with', async () => {
      await bus.declare('T', { group: 'g' });
      await produce('one', 'two', 'three');
      const messages = bus.consume('T', { group: 'g', prefetch: 10 });
      const seen = texts(await take(messages, 1));
      await messages.close();
      for await (const message of messages) seen.push(message.text());
      assert.deepEqual(seen, ['one', 'two', 'three']);
    });

    it('one of two consumers that leaves takes nothing from the other', async () => {
      await bus.declare('T', ACKS);
      const staying = bus.consume('T', { ...ACKS, prefetch: 1 });
      const next = staying.next();
      await until(async () => (await bus.query('T')).consumerCount === 1);
      const leaving = bus.consume('T', ACKS);
      const never = leaving.next();
      // Behind the first answer it has been told of its group, behind the second it waits in line.
      await bus.client.ping();
      await bus.client.ping();
      await leaving.close();
      assert.equal((await never).done, true);
      await produce('one', 'two');
      const first = await next;
      assert.equal(first.value?.text(), 'one');
      await first.value.ack();
      assert.equal((await staying.next()).value?.text(), 'two');
    });

    it('consumers of one bus share the work', async () => {
      await bus.declare('T', ACKS);
      await produce(...Array.from({ length: 200 }, (_, n) => `${n}`));
      const seen: string[] = [];
      const work = async (): Promise<number> => {
        let count = 0;
        for await (const message of bus.consume('T', { ...ACKS, prefetch: 5 })) {
          seen.push(message.text());
          count++;
          await message.ack();
          if (seen.length >= 200) break;
        }
        return count;
      };
      const working = [work(), work(), work()];
      await until(() => seen.length === 200);
      await bus.close();
      const counts = await Promise.all(working);
      assert.equal(new Set(seen).size, 200);
      assert(
        counts.every((count) => count > 0),
        `${counts.join()} messages each`,
      );
    });

    it('an aborted iteration rejects with the reason, and leaves the group', async () => {
      await bus.declare('T', { group: 'g' });
      const aborter = new AbortController();
      const next = bus.consume('T', { group: 'g', signal: aborter.signal }).next();
      await until(async () => (await bus.query('T')).consumerCount === 1);
      const reason = new Error('enough');
      aborter.abort(reason);
      await assert.rejects(next, reason);
      await until(async () => (await bus.query('T')).consumerCount === 0);
      const late = bus.consume('T', { group: 'g', signal: aborter.signal });
      await assert.rejects(late.next(), reason);
    });

    it('what ends a consumer is thrown, and nothing comes behind it', async () => {
      const exclusive = { group: 'g', mask: Mask.exclusive };
      const first = bus.consume('T', exclusive);
      const waiting = first.next();
      await until(() =>
        bus.query('T').then(
          ({ consumerCount }) => consumerCount === 1,
          () => false,
        ),
      );
      const other = await openBus(broker, transport);
      const second = other.consume('T', exclusive);
      await assert.rejects(second.next(), ForbiddenError);
      assert.equal((await second.next()).done, true);
      const gone = assert.rejects(waiting, NotFoundError);
      await bus.remove('T');
      await gone;
      assert.throws(() => bus.consume('T', { prefetch: 0 }), BadRequestError);
      await assert.rejects(bus.consume('T', { filter: '#.x' }).next(), BadRequestError);
    });

    it('closing the bus lets the message in hand be acknowledged, and ends the loop', async () => {
      await bus.declare('T', ACKS);
      await produce('one', 'two');
      const closing: Promise<void>[] = [];
      const loop = (async (): Promise<number> => {
        let count = 0;
        for await (const message of bus.consume('T', ACKS)) {
          count++;
          closing.push(bus.close());
          const closed = watch(bus.close());
          await bus.client.ping();
          assert(!closed.fulfilled, 'closed with a message in hand');
          await message.ack();
        }
        return count;
      })();
      assert.equal(await loop, 1);
      await Promise.all(closing);
      bus = await openBus(broker, transport);
      assert.equal(await inFlight(), 0);
      assert.equal((await bus.query('T', { group: 'g' })).settledOffset, 1);
    });
  });
}
