/**
 * Backlogs far larger than memory should hold: memory stays flat, and opening them costs no scan of
 * them.
 */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { DiskStore } from '../../src/queue/disk-store.js';
import { Turn } from '../../src/turn.js';
import { ChildBroker } from '../support/child-broker.js';
import { cleanUp } from '../support/cleanup.js';
import type { Client } from '../support/client.js';
import { tempFolder } from '../support/temp-folder.js';
import { turn } from '../support/wait.js';

const MIB = 1024 * 1024;

/** Runs `request` for 0 … count - 1, at most `window` at once, and tells each end. */
async function pipelined(
  count: number,
  window: number,
  request: (n: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await request(next++);
  };
  await Promise.all(Array.from({ length: window }, worker));
}

describe('a topic of 1 GiB', function () {
  this.timeout(120_000);
  afterEach(cleanUp);

  const COUNT = 16 * 1024;
  const BODY = Buffer.alloc(64 * 1024, 'b');

  it('is produced and consumed with flat memory', async () => {
    const broker = await ChildBroker.start({ mqDir: tempFolder() });
    const client = await broker.connect();
    await client.expect(200, 'declare', { topic: 't' });
    const idleBytes = broker.residentBytes();
    let most = 0;
    const sample = (n: number): void => {
      if (n % 256 === 0) most = Math.max(most, broker.residentBytes());
    };
    await pipelined(COUNT, 64, async (n) => {
      await client.expect(200, 'produce', { topic: 't', ack_level: 'page' }, BODY);
      sample(n);
    });
    const producing = most - idleBytes;
    most = 0;
    await pipelined(COUNT, 64, (n) => consumeOne(client, n, sample));
    const consuming = most - idleBytes;
    // 64 bodies in flight are 4 MiB; the rest is what the collector of Node leaves for later.
    for (const grown of [producing, consuming]) {
      assert(grown < 160 * MIB, `grown by ${producing} and ${consuming} bytes`);
    }
  });

  async function consumeOne(client: Client, n: number, sample: (n: number) => void): Promise<void> {
    const { headers, body } = await client.expect(200, 'consume', { topic: 't' });
    assert.equal(Number(headers.get('offset')), n);
    assert.equal(body.length, BODY.length);
    sample(n);
  }
});

describe('a topic of 1 million messages', function () {
  this.timeout(120_000);
  afterEach(cleanUp);

  const COUNT = 1_000_000;
  const BLOCK_BYTES = 4 * MIB;

  /** Through the queue itself, since this is about opening and not about producing. */
  async function fill(mqDir: string): Promise<void> {
    const store = new DiskStore(
      {
        dir: mqDir,
        blockBytes: BLOCK_BYTES,
        syncIntervalMs: 1000,
        openFilesMax: 64,
        minFreeBytes: 0,
        memoryTopicBytesMax: 0,
      },
      new Turn(),
    );
    const queue = await store.open('t', 'disk');
    const body = Buffer.alloc(100, 'm');
    for (let n = 0; n < COUNT; n++) {
      const record = { id: `${n}`, tag: '', head: 'content-length: 100\r\n\r\n', body };
      queue.append(record, 'none', (error) => assert.equal(error, null));
      if (n % 1000 === 0) await turn();
    }
    await queue.close();
    await store.close();
  }

  it('opens after a kill -9 by reading its last block, not the others', async () => {
    const mqDir = tempFolder();
    const config = { mqDir, blockBytes: BLOCK_BYTES };
    const first = await ChildBroker.start(config);
    await (await first.connect()).expect(200, 'declare', { topic: 't' });
    const emptyBytes = first.readBytes();
    assert.equal(await first.stop(), 0);
    await fill(mqDir);
    const second = await ChildBroker.start(config);
    await (await second.connect()).expect(200, 'produce', { topic: 't' }, 'x');
    await second.kill();
    const broker = await ChildBroker.start(config);
    const readBytes = broker.readBytes() - emptyBytes;
    assert(readBytes < 3 * BLOCK_BYTES, `${readBytes} bytes read to open a topic`);
    const client = await broker.connect();
    const { messageDepth } = await client.query<{ messageDepth: number }>('t');
    assert.equal(messageDepth, COUNT + 1);
    for (const offset of [0, COUNT / 2, COUNT]) {
      await client.expect(200, 'consume', { topic: 't', offset });
    }
  });
});
