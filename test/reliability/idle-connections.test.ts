/**
 * A thousand connections that do nothing, half of them WebSockets, and one pair that works: what an
 * idle one costs in memory, and that the pair does not notice. IDLE_CONNECTIONS sets how many, such
 * as 10000; `ulimit -n` must allow twice as many.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { ChildBroker } from '../support/child-broker.js';
import { cleanUp, onCleanUp } from '../support/cleanup.js';
import { Client } from '../support/client.js';
import { tempFolder } from '../support/temp-folder.js';

const COUNT = Number(process.env.IDLE_CONNECTIONS ?? 1000);
/** Connected at once: more than the backlog of the port holds would be slow. */
const BATCH = 100;
const BYTES_MAX = 20 * 1024;
const ROUNDS = 200;
/** Far above what a busy machine needs, far below what a sweep over all would cost each. */
const SLOWDOWN_MAX = 5;

describe('idle connections', () => {
  afterEach(cleanUp);

  it('cost little memory each, and a pair that works does not notice', async function () {
    this.timeout(60_000 + COUNT * 20);
    const broker = await ChildBroker.start({ mqDir: tempFolder(), connectionsMax: COUNT + 10 });
    const [producer, consumer] = [await broker.connect(), await broker.connect()];
    await producer.expect(200, 'declare', { topic: 't' });
    await roundTripMs(producer, consumer);
    const aloneMs = await roundTripMs(producer, consumer);
    const before = broker.residentBytes();
    for (let made = 0; made < COUNT; made += BATCH) {
      await Promise.all(Array.from({ length: BATCH }, (_, i) => connectIdle(broker.port, i)));
    }
    await producer.fence();
    const each = (broker.residentBytes() - before) / COUNT;
    const crowdedMs = await roundTripMs(producer, consumer);
    console.log(
      `      ${COUNT} idle connections: ${(each / 1024).toFixed(1)} KiB each; a round trip took ` +
        `${aloneMs.toFixed(2)} ms alone, ${crowdedMs.toFixed(2)} ms beside them`,
    );
    assert(each <= BYTES_MAX, `${each.toFixed()} bytes each`);
    assert(crowdedMs < SLOWDOWN_MAX * aloneMs, `${crowdedMs} ms, alone ${aloneMs} ms`);
  });

  /** Each has sent one request, as one that a user left open. */
  async function connectIdle(port: number, index: number): Promise<void> {
    if (index % 2 === 0) {
      const client = await Client.connect(port);
      await client.get('/ping');
      return;
    }
    const webSocket = new WebSocket(`ws://127.0.0.1:${port}/`);
    onCleanUp(() => {
      webSocket.terminate();
    });
    await once(webSocket, 'open');
    webSocket.send('GET /ping HTTP/1.1\r\n\r\n');
    await once(webSocket, 'message');
  }

  /** Of the median of many, from produce to delivery. */
  async function roundTripMs(producer: Client, consumer: Client): Promise<number> {
    const times: number[] = [];
    for (let i = 0; i < ROUNDS; i++) {
      const delivered = consumer.request('consume', { topic: 't' });
      const beganMs = performance.now();
      await producer.expect(200, 'produce', { topic: 't', ack_level: 'page' }, 'x');
      assert.equal((await delivered).status, 200);
      times.push(performance.now() - beganMs);
    }
    return times.sort((a, b) => a - b)[ROUNDS / 2] ?? NaN;
  }
});
