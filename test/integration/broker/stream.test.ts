/**
 * Consuming by a stream: who gets what, when it ends and what its reader is told, and that a
 * message in it is a delivery like any other. Most hold for both formats.
 */
import assert from 'node:assert/strict';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';
import type { Client, Headers } from '../../support/client.js';
import { numbered, produceAll } from '../../support/consumer.js';
import { range } from '../../support/group-client.js';
import { ManualClock } from '../../support/manual-clock.js';
import { askText, StreamClient, type StreamOptions } from '../../support/stream-client.js';
import { until } from '../../support/wait.js';

const SSE = { accept: 'text/event-stream' };
const EXCLUSIVE = 16;
const ACK_REQUIRED = 64;

let broker: TestBroker;
let clock: ManualClock;
let client: Client;

async function start(topicMask = 0): Promise<void> {
  clock = new ManualClock();
  broker = await TestBroker.start({ unsentBytesMax: 64 * 1024 }, clock);
  client = await broker.connect();
  await client.expect(200, 'declare', { topic: 't', topic_mask: topicMask });
}

function open(query = '', options?: StreamOptions): Promise<StreamClient> {
  return StreamClient.open(broker, `/consume/t/g${query}`, options);
}

function declareGroup(headers: Headers = {}): Promise<unknown> {
  return client.expect(200, 'declare', { topic: 't', consume_group: 'g', ...headers });
}

function produce(count: number, tagOf?: (n: number) => string): Promise<unknown> {
  return produceAll(client, 't', numbered(count, tagOf));
}

async function groupInfo(): Promise<{ messageCount: number; consumerCount: number }> {
  return client.query('t', 'g');
}

/** Waits until the broker has seen that consumers have gone. */
async function consumersLeft(count: number): Promise<void> {
  await until(async () => (await groupInfo()).consumerCount === count);
}

for (const format of ['events', 'lines'] as const) {
  for (const [kind, mask] of [
    ['disk', 0],
    ['memory', 1],
  ] as const) {
    describe(`a stream of ${format} from a ${kind} topic`, () => {
      beforeEach(async () => {
        await start(mask);
        await declareGroup();
      });
      afterEach(cleanUp);

      it('gives what is there and what comes, in order, each once', async () => {
        await produce(50);
        const stream = await open('', { format });
        await stream.got(50);
        await produce(50);
        await stream.got(100);
        assert.deepEqual(stream.offsets, range(0, 99));
        assert.deepEqual(
          stream.bodies.slice(0, 50),
          numbered(50).map(({ body }) => body),
        );
        assert.equal((await groupInfo()).messageCount, 0);
      });

      it('ends in good order after as many messages as prefetch says', async () => {
        await produce(5);
        const stream = await open('?prefetch=3', { format });
        assert.equal(await stream.ended(), 'whole');
        assert.deepEqual([stream.offsets, stream.failures], [range(0, 2), []]);
        assert.equal((await groupInfo()).messageCount, 2);
      });

      it('ends in good order once no message came for the timeout', async () => {
        const stream = await open('?timeout=1000', { format });
        clock.advance(900);
        await produce(1);
        await stream.got(1);
        clock.advance(900);
        await client.fence();
        assert.equal(stream.end, null);
        clock.advance(100);
        assert.equal(await stream.ended(), 'whole');
        assert.deepEqual(stream.failures, []);
      });

      it('says why when its group or its topic is removed', async () => {
        for (const headers of [{ topic: 't', consume_group: 'g' }, { topic: 't' }]) {
          await declareGroup();
          const stream = await open('', { format });
          await client.expect(200, 'remove', headers);
          assert.equal(await stream.ended(), 'whole');
          assert.deepEqual(stream.failures, [{ status: 404, error: 'ConsumeGroup(g) not found' }]);
        }
      });

      it('says why when the broker stops', async () => {
        await produce(3);
        const stream = await open('', { format });
        await stream.got(3);
        await broker.stop();
        assert.equal(await stream.ended(), 'whole');
        assert.deepEqual(
          stream.failures.map(({ status }) => status),
          [503],
        );
      });
    });
  }
}

describe('a stream in its group', () => {
  beforeEach(async () => {
    await start();
    await declareGroup();
  });
  afterEach(cleanUp);

  it('takes turns with other streams and other consumers', async () => {
    const streams = [await open(), await open('', { format: 'lines' })];
    const other = await broker.connect();
    const headers = { topic: 't', consume_group: 'g', prefetch: 1000, id: 'p' };
    other.send({ cmd: 'consume', ...headers });
    await other.fence();
    await produce(300);
    for (const stream of streams) await stream.got(100);
    await until(() => other.unclaimed.length === 100);
    const got = [
      ...streams.flatMap(({ offsets }) => offsets),
      ...other.unclaimed.map((reply) => Number(reply.headers.get('offset'))),
    ];
    assert.deepEqual(
      got.sort((a, b) => a - b),
      range(0, 299),
    );
  });

  it('gets what passes the filter', async () => {
    await declareGroup({ group_filter: 'a.*' });
    const stream = await open();
    await produce(10, (n) => (n % 2 === 0 ? 'a.x' : 'b.x'));
    await stream.got(5);
    assert.deepEqual(stream.offsets, [0, 2, 4, 6, 8]);
    assert.equal(stream.messages[0]?.tag, 'a.x');
  });

  it('is one of 100, of which each gets its share', async () => {
    const streams = await Promise.all(range(0, 99).map(() => open()));
    await produce(1000);
    for (const stream of streams) await stream.got(10);
    const got = streams.flatMap(({ offsets }) => offsets);
    assert.deepEqual(
      got.sort((a, b) => a - b),
      range(0, 999),
    );
  });

  it('that does not read is passed over, and holds up nobody', async () => {
    const slow = await open();
    slow.response.pause();
    const fast = await open();
    const body = 'x'.repeat(64 * 1024);
    const count = 400;
    await produceAll(
      client,
      't',
      range(0, count - 1).map(() => ({ body })),
    );
    await until(async () => (await groupInfo()).messageCount === 0);
    // What the kernel and the reader hold, and unsentBytesMax: far less than its half.
    await fast.got(count / 2 + 1);
    slow.response.resume();
    await until(() => slow.messages.length + fast.messages.length === count);
    const got = [...slow.offsets, ...fast.offsets];
    assert.deepEqual(
      got.sort((a, b) => a - b),
      range(0, count - 1),
    );
  });

  it('gives back what a broken connection has not taken', async () => {
    const slow = await open();
    slow.response.pause();
    const body = 'x'.repeat(1024 * 1024);
    await produceAll(
      client,
      't',
      range(0, 19).map(() => ({ body })),
    );
    await client.fence();
    slow.response.destroy();
    await consumersLeft(0);
    const next = await open();
    await until(async () => (await groupInfo()).messageCount === 0);
    await next.got(1);
    await until(() => next.offsets.at(-1) === 19);
    const [first = 0] = next.offsets;
    assert(first > 0 && first < 19, `${first}`);
    assert.deepEqual(next.offsets, range(first, 19));
    assert.equal(next.messages[0]?.retry, undefined);
  });

  it('of an exclusive group is the only one', async () => {
    await declareGroup({ group_mask: EXCLUSIVE });
    const stream = await open();
    const text = 'ConsumeGroup(g) exclusive, forbidden';
    assert.deepEqual(await askText(broker, '/consume/t/g', SSE), [403, text]);
    await declareGroup({ group_mask: 0 });
    const second = await open();
    await declareGroup({ group_mask: EXCLUSIVE });
    assert.equal(await second.ended(), 'whole');
    assert.deepEqual(second.failures, [{ status: 403, error: text }]);
    assert.equal(stream.end, null);
  });

  it('leaves the group with its connection', async () => {
    const stream = await open();
    await consumersLeft(1);
    stream.response.destroy();
    await consumersLeft(0);
  });

  it('of a paused topic stays open and goes on', async () => {
    await client.expect(200, 'declare', { topic: 't', topic_mask: 8 });
    const stream = await open();
    await produce(1);
    assert.deepEqual(stream.offsets, []);
    await client.expect(200, 'declare', { topic: 't', topic_mask: 0 });
    await stream.got(1);
  });
});

describe('a stream is refused', () => {
  beforeEach(async () => {
    await start();
    await declareGroup();
  });
  afterEach(cleanUp);

  for (const [path, status, text] of [
    ['/consume/none', 404, 'Topic(none) not found'],
    ['/consume/t/none', 404, 'ConsumeGroup(none) not found'],
    ['/consume/t/g?prefetch=0', 400, 'Bad prefetch "0": must be at least 1'],
    ['/consume/t/g?timeout=x', 400, 'Bad timeout "x": must be a whole number from 0 to 2^53 - 1'],
    ['/consume', 400, 'Missing topic'],
  ] as const) {
    it(`with ${status} for ${path}`, async () => {
      assert.deepEqual(await askText(broker, path, SSE), [status, text]);
    });
  }

  it('by a group that asks for acknowledgements, with advice', async () => {
    await declareGroup({ group_mask: ACK_REQUIRED });
    const [status, text] = await askText(broker, '/consume/t/g', SSE);
    assert.equal(status, 400);
    assert.match(text, /^ConsumeGroup\(g\) asks for acknowledgements, .*: consume over TCP/);
  });

  it('later by a group that has come to ask for acknowledgements, without loss', async () => {
    const stream = await open();
    await declareGroup({ group_mask: ACK_REQUIRED });
    await produce(1);
    assert.equal(await stream.ended(), 'whole');
    assert.deepEqual([stream.offsets, stream.failures[0]?.status], [[], 400]);
    const reply = await client.expect(200, 'consume', { topic: 't', consume_group: 'g' });
    assert.deepEqual([reply.body.toString(), reply.headers.get('retry')], ['0', undefined]);
  });

  it('by HEAD with its head alone, which takes no message and moves no group', async () => {
    await produce(3);
    await (await open('?prefetch=2')).ended();
    await consumersLeft(0);
    const headers = { ...SSE, 'last-event-id': 0 };
    assert.deepEqual(await askText(broker, '/consume/t/g', headers, 'HEAD'), [200, '']);
    assert.equal((await askText(broker, '/consume/t/x', SSE, 'HEAD'))[0], 404);
    assert.equal((await groupInfo()).messageCount, 1);
  });
});

describe('what asks for a stream', () => {
  beforeEach(async () => {
    await start();
    await declareGroup();
  });
  afterEach(cleanUp);

  it('may say so in headers or in the other dialect of the URL', async () => {
    await produce(2);
    const headers = { cmd: 'consume', topic: 't', consume_group: 'g', prefetch: 1 };
    const first = await StreamClient.open(broker, '/', { headers });
    const second = await StreamClient.open(broker, '/t/g?cmd=consume&prefetch=1');
    await Promise.all([first.ended(), second.ended()]);
    assert.deepEqual([...first.offsets, ...second.offsets], [0, 1]);
  });

  it('gets one message as ever when it names an offset', async () => {
    await produce(2);
    const answer = await askText(broker, '/consume/t/g?offset=1', SSE);
    assert.deepEqual(answer, [200, '1']);
  });

  it('is consume alone: any other command is answered as ever', async () => {
    assert.deepEqual(await askText(broker, '/ping', SSE), [200, 'OK']);
  });
});
