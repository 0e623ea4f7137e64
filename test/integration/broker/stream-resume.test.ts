/**
 * Streams whose connections break: a reader that says what it saw last misses nothing, whatever the
 * network had swallowed; who says nonsense, or shares the group, moves nobody.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { promisify } from 'node:util';
import { TestBroker } from '../../support/broker.js';
import { ChildBroker } from '../../support/child-broker.js';
import { cleanUp, onCleanUp } from '../../support/cleanup.js';
import type { Client } from '../../support/client.js';
import { numbered, produceAll } from '../../support/consumer.js';
import { range } from '../../support/group-client.js';
import { needProgram } from '../../support/programs.js';
import { ask, StreamClient } from '../../support/stream-client.js';
import { tempFolder } from '../../support/temp-folder.js';
import { until } from '../../support/wait.js';

let broker: TestBroker;
let client: Client;

async function start(topicMask = 0): Promise<void> {
  broker = await TestBroker.start({ unsentBytesMax: 64 * 1024 });
  client = await broker.connect();
  await client.expect(200, 'declare', { topic: 't', consume_group: 'g', topic_mask: topicMask });
}

/** A stream that says what it saw last. */
function resume(lastSeen: number | string, query = '?prefetch=1'): Promise<StreamClient> {
  const headers = { 'last-event-id': lastSeen };
  return StreamClient.open(broker, `/consume/t/g${query}`, { headers });
}

async function consumersLeft(count: number): Promise<void> {
  await until(async () => {
    const { consumerCount } = await client.query<{ consumerCount: number }>('t', 'g');
    return consumerCount === count;
  });
}

/** Takes the first `count` messages, which then are behind the group. */
async function consumed(count: number): Promise<void> {
  const stream = await StreamClient.open(broker, `/consume/t/g?prefetch=${count}`);
  await stream.ended();
  await consumersLeft(0);
}

/** The first message that a stream gets that resumes behind `lastSeen`. */
async function firstBehind(lastSeen: number | string): Promise<number | undefined> {
  const stream = await resume(lastSeen);
  await stream.ended();
  return stream.offsets[0];
}

describe('a stream that resumes', () => {
  afterEach(cleanUp);

  for (const [kind, mask] of [
    ['disk', 0],
    ['memory', 1],
  ] as const) {
    it(`gets from a ${kind} topic what was sent behind the last it saw`, async () => {
      await start(mask);
      await produceAll(client, 't', numbered(10));
      await consumed(10);
      const stream = await resume(3, '?prefetch=6');
      await stream.ended();
      assert.deepEqual(stream.offsets, range(4, 9));
    });
  }

  it('may say so in the URL, for a page that was loaded anew', async () => {
    await start();
    await produceAll(client, 't', numbered(3));
    await consumed(3);
    const stream = await StreamClient.open(broker, '/consume/t/g?last-event-id=0&prefetch=2');
    await stream.ended();
    assert.deepEqual(stream.offsets, [1, 2]);
  });

  it('goes on where the group is when it saw all, or claims to have seen more', async () => {
    await start();
    await produceAll(client, 't', numbered(10));
    await consumed(5);
    assert.equal(await firstBehind(4), 5);
    await consumersLeft(0);
    assert.equal(await firstBehind(7), 6);
  });

  for (const nonsense of ['', '-1', '1.5', 'abc', '9'.repeat(30), '0x1']) {
    it(`goes on where the group is for the id "${nonsense}"`, async () => {
      await start();
      await produceAll(client, 't', numbered(4));
      await consumed(3);
      assert.equal(await firstBehind(nonsense), 3);
    });
  }

  it('moves no group that has another consumer', async () => {
    await start();
    await produceAll(client, 't', numbered(4));
    await consumed(3);
    const other = await StreamClient.open(broker, '/consume/t/g');
    await other.got(1);
    const stream = await resume(0, '');
    await produceAll(client, 't', numbered(4));
    await stream.got(2);
    assert(
      stream.offsets.every((offset) => offset > 3),
      stream.offsets.join(),
    );
  });

  it('misses nothing below what it saw last that had come back from another', async () => {
    await start();
    const lost = await StreamClient.open(broker, '/consume/t/g');
    lost.response.pause();
    // More than its connection takes, so that it gets no other.
    await produceAll(client, 't', [{ body: 'x'.repeat(16 * 1024 * 1024) }]);
    const other = await StreamClient.open(broker, '/consume/t/g');
    await produceAll(client, 't', numbered(4));
    await other.got(4);
    assert.deepEqual(other.offsets, range(1, 4));
    other.response.destroy();
    await consumersLeft(1);
    lost.response.destroy();
    await consumersLeft(0);
    const stream = await resume(2, '?prefetch=3');
    assert.equal(await stream.ended(), 'whole');
    assert.deepEqual(stream.offsets, [0, 3, 4]);
  });

  it('keeps its place across a restart of the broker', async () => {
    await start();
    await produceAll(client, 't', numbered(10));
    await consumed(10);
    assert.equal(await firstBehind(4), 5);
    await broker.restart();
    const stream = await StreamClient.open(broker, '/consume/t/g?prefetch=1');
    await stream.ended();
    assert.deepEqual(stream.offsets, [6]);
  });
});

/** Passes bytes on to `port`, and cuts each connection after a number of bytes drawn at random. */
async function cuttingProxy(port: number, random: () => number): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((down) => {
    const up = connect(port, '127.0.0.1');
    let left = Math.floor(random() * 20_000);
    const cut = (): void => {
      down.destroy();
      up.destroy();
    };
    for (const socket of [down, up]) {
      sockets.add(socket);
      socket.on('error', cut).on('close', cut);
    }
    down.pipe(up);
    up.on('data', (chunk: Buffer) => {
      down.write(chunk.subarray(0, left));
      left -= chunk.length;
      if (left < 0) down.end(cut);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onCleanUp(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** Numbers from 0 to 1, the same for the same seed (a linear congruential generator). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

describe('a stream over connections that break at any byte', () => {
  afterEach(cleanUp);

  for (const format of ['events', 'lines'] as const) {
    it(`of ${format} loses none of 2,000 messages when it resumes each time`, async () => {
      await start();
      const port = await cuttingProxy(broker.port, randomFrom(format.length));
      const count = 2000;
      const produced = produceAll(client, 't', numbered(count));
      const seen: number[] = [];
      let connections = 0;
      while (seen.at(-1) !== count - 1) {
        const last = seen.at(-1);
        const headers = last === undefined ? {} : { 'last-event-id': last };
        const stream = await StreamClient.open(
          { port, authority: broker.authority },
          '/consume/t/g',
          { format, headers },
        ).catch(() => null);
        connections++;
        if (stream !== null) {
          await until(() => stream.end !== null || stream.offsets.at(-1) === count - 1);
          seen.push(...stream.offsets);
          stream.response.destroy();
        }
        await consumersLeft(0);
      }
      await produced;
      assert.deepEqual(seen, range(0, count - 1));
      assert(connections > 20, `only ${connections} connections`);
    });
  }
});

describe('streams of a broker that is told to stop', () => {
  afterEach(cleanUp);

  it('end in good order, all of 20 and one that does not read, within its grace', async () => {
    const child = await ChildBroker.start({ mqDir: tempFolder() });
    const producer = await child.connect();
    await producer.expect(200, 'declare', { topic: 't' });
    const streams = await Promise.all(
      range(0, 19).map(() => StreamClient.open(child, '/consume/t')),
    );
    await producer.expect(200, 'declare', { topic: 'large' });
    const deaf = await ask(child, '/consume/large', { accept: 'text/event-stream' });
    const body = 'x'.repeat(8 * 1024 * 1024);
    await produceAll(producer, 'large', [{ body }, { body }]);
    await produceAll(producer, 't', numbered(40));
    for (const stream of streams) await stream.got(2);
    const startedMs = performance.now();
    assert.equal(await child.stop(), 0);
    assert(performance.now() - startedMs < 4500);
    for (const stream of streams) {
      assert.equal(await stream.ended(), 'whole');
      assert.deepEqual(
        stream.failures.map(({ status }) => status),
        [503],
      );
    }
    deaf.destroy();
  });
});

describe('what others make of a stream', () => {
  afterEach(cleanUp);

  it('curl prints JSON lines and ends with the stream', async function () {
    const curl = needProgram(this, 'curl', 'curl');
    await start();
    await produceAll(client, 't', numbered(3));
    const url = `http://127.0.0.1:${broker.port}/consume/t/g?prefetch=3`;
    const flags = ['-sNf', '-H', 'accept: application/x-ndjson'];
    const { stdout } = await promisify(execFile)(curl, [...flags, url]);
    const bodies = stdout
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { body: string }).body);
    assert.deepEqual(bodies, ['0', '1', '2']);
  });

  it('fetch reads it as it comes, and leaves by abort', async () => {
    await start();
    const abort = new AbortController();
    const response = await fetch(`http://127.0.0.1:${broker.port}/consume/t/g`, {
      headers: { accept: 'application/x-ndjson' },
      signal: abort.signal,
    });
    assert(response.body !== null);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (const n of range(0, 2)) {
      await produceAll(client, 't', [{ body: `é${n}` }]);
      const { value = '' } = await reader.read();
      assert.equal((JSON.parse(value) as { body: string }).body, `é${n}`);
    }
    abort.abort();
    await consumersLeft(0);
  });
});
