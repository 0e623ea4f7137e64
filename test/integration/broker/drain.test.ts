/**
 * A stop in good order: who waits is told, who works may finish, what is new is refused, and all of
 * it within the grace.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';
import type { Client } from '../../support/client.js';
import { ManualClock } from '../../support/manual-clock.js';
import type { Reply } from '../../support/reply-parser.js';
import { turn, until, watch } from '../../support/wait.js';
import { WebSocketClient } from '../../support/websocket-client.js';

const DRAIN_MS = 1000;
const JOBS = { topic: 'jobs', consume_group: 'workers' };

function assertStopping({ status, headers, body }: Reply): void {
  assert.deepEqual([status, body.toString()], [503, 'The broker is stopping']);
  assert.deepEqual([headers.get('retry-after'), headers.get('connection')], ['1', 'close']);
}

describe('a broker that stops', () => {
  let clock: ManualClock;
  let broker: TestBroker;
  let client: Client;
  beforeEach(async () => {
    clock = new ManualClock();
    broker = await TestBroker.start({ drainTimeoutMs: DRAIN_MS }, clock);
    client = await broker.connect();
    await client.expect(200, 'declare', { ...JOBS, group_mask: 64 });
  });
  afterEach(async () => {
    // Lets a stop end that a failed test has left behind.
    clock.advance(10_000);
    await cleanUp();
  });

  /** A worker with the next message in its hands. */
  async function worker(): Promise<Client> {
    await client.expect(200, 'produce', JOBS, 'job');
    const consumer = await broker.connect();
    await consumer.expect(200, 'consume', JOBS);
    return consumer;
  }

  it('answers consumers that wait, with and without id and over WebSocket', async () => {
    const [plain, socket] = [await broker.connect(), await WebSocketClient.connect(broker.port)];
    const closed = once(socket.webSocket, 'close');
    const replies = [
      client.request('consume', { ...JOBS, prefetch: 10 }),
      plain.get('/consume/jobs/workers'),
      socket.request('consume', JOBS),
    ];
    await until(async () => {
      const { consumerCount } = await client.query('jobs', 'workers');
      return consumerCount === 3;
    });
    const stopped = broker.stop();
    for (const reply of replies) assertStopping(await reply);
    assert.equal((await closed)[0], 1001);
    await stopped;
  });

  it('lets a consumer acknowledge what it holds, tells it, and ends its connection', async () => {
    const consumer = await worker();
    const stopped = broker.stop();
    const state = watch(stopped);
    for (let i = 0; i < 20; i++) await turn();
    assert.equal(state.fulfilled, false);
    const reply = await consumer.expect(200, 'ack', { ...JOBS, offset: 0 });
    assert.equal(reply.headers.get('connection'), 'close');
    await consumer.closed();
    await stopped;
    await broker.start();
    const after = await broker.connect();
    const { settledOffset } = await after.query<{ settledOffset: number }>('jobs', 'workers');
    assert.equal(settledOffset, 1);
  });

  it('says so to plain HTTP only in the last reply', async () => {
    const consumer = await broker.connect();
    for (const body of ['a', 'b']) {
      await client.expect(200, 'produce', JOBS, body);
      await consumer.get('/consume/jobs/workers');
    }
    const stopped = broker.stop();
    const first = await consumer.get('/ack/jobs/workers?offset=0');
    const last = await consumer.get('/ack/jobs/workers?offset=1');
    assert.deepEqual(
      [first, last].map(({ status, headers }) => [status, headers.get('connection')]),
      [
        [200, 'Keep-Alive'],
        [200, 'close'],
      ],
    );
    await stopped;
  });

  it('refuses what is new meanwhile, and does not do it', async () => {
    const consumer = await worker();
    const { messageDepth } = await client.query('jobs');
    const stopped = broker.stop();
    for (const cmd of ['produce', 'consume', 'declare', 'query', 'remove', 'empty', 'ping']) {
      assertStopping(await consumer.request(cmd, JOBS, 'late'));
    }
    await consumer.expect(200, 'nack', { ...JOBS, offset: 0 });
    await stopped;
    await broker.start();
    assert.equal((await (await broker.connect()).query('jobs')).messageDepth, messageDepth);
  });

  it('gives nothing that comes back meanwhile to anybody', async () => {
    const [first, second] = [await worker(), await worker()];
    const stopped = broker.stop();
    await first.expect(200, 'nack', { ...JOBS, offset: 0 });
    assertStopping(await second.request('consume', JOBS));
    await second.expect(200, 'ack', { ...JOBS, offset: 1 });
    await stopped;
    assert.deepEqual([...first.unclaimed, ...second.unclaimed], []);
  });

  it('waits for acknowledgements no longer than drainTimeoutMs', async () => {
    const consumer = await worker();
    const state = watch(consumer.closed());
    const stopped = broker.stop();
    for (let i = 0; i < 20; i++) await turn();
    clock.advance(DRAIN_MS - 1);
    for (let i = 0; i < 20; i++) await turn();
    assert.equal(state.fulfilled, false);
    clock.advance(1);
    await stopped;
    assert.equal(state.fulfilled, true);
    await broker.start();
    const after = await broker.connect();
    const { headers } = await after.expect(200, 'consume', JOBS);
    assert.deepEqual([headers.get('offset'), headers.get('retry')], ['0', '1']);
  });

  it('answers requests that had reached it, also on connections that were idle', async () => {
    const idle = await broker.connect();
    await idle.fence();
    const answered = idle.request('produce', JOBS, 'in time');
    await until(() => idle.socket.writableLength === 0);
    const stopped = broker.stop();
    const { status, headers } = await answered;
    assert([200, 503].includes(status));
    assert.equal(headers.get('connection'), 'close');
    await stopped;
  });

  it('ends a connection at once that asks nothing and holds nothing', async () => {
    const stopped = broker.stop();
    await client.closed();
    await stopped;
  });

  it('cuts off a peer that does not read, and ends', async () => {
    const mute = await broker.connect();
    mute.socket.pause();
    await client.expect(200, 'produce', JOBS, 'x'.repeat(4 * 1024 * 1024));
    for (let i = 0; i < 8; i++) mute.send({ cmd: 'consume', topic: 'jobs', offset: 0, id: i });
    await client.fence();
    const stopped = broker.stop();
    const state = watch(stopped);
    for (let i = 0; i < 50; i++) await turn();
    clock.advance(2999);
    for (let i = 0; i < 50; i++) await turn();
    assert.equal(state.fulfilled, false);
    clock.advance(1);
    await stopped;
  });
});
