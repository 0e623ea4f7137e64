/**
 * A disk that is really full: produce says so, everything else goes on, and so does produce when
 * there is room again, without a restart and without losing what was acknowledged.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { cleanUp, onCleanUp } from '../support/cleanup.js';
import { Client } from '../support/client.js';
import { need } from '../support/programs.js';
import { BrokerProcess } from '../support/broker-process.js';
import { Payloads, runSeed } from './payload.js';
import { type FileSystem, canMount, mountSmallDisk } from './small-disk.js';

const DISK_BYTES = 64 * 1024 * 1024;
const LARGE_BYTES = 64 * 1024;
const BALLAST_BODY = Buffer.alloc(LARGE_BYTES, 'b');
const BALLAST_COUNT = 160;
/** The disk without the ballast and without what the file system takes holds more than these. */
const LARGE_COUNT_MIN = 500;
const TIMEOUT_MS = 180_000;
/** No reserve: the file system itself must say that it is full. */
const ENV = { ZBUS_MIN_FREE_BYTES: '0', ZBUS_BLOCK_BYTES: String(1024 * 1024) };

type Level = 'disk' | 'page';

class FullDiskTrial {
  readonly #dir: string;
  readonly #level: Level;
  readonly #payloads = new Payloads(runSeed());
  /** By offset: the body whose produce was answered 200. */
  readonly #acked = new Map<number, Buffer>();
  #sent = 0;

  constructor(kind: FileSystem, level: Level) {
    this.#dir = join(mountSmallDisk(kind, DISK_BYTES), 'data');
    this.#level = level;
  }

  async start(): Promise<BrokerProcess> {
    const broker = new BrokerProcess({ dir: this.#dir, env: ENV });
    onCleanUp(async () => {
      await broker.end('SIGKILL');
    });
    await broker.listening();
    return broker;
  }

  /** The topic under test, its group, and another topic whose removal makes room. */
  async prepare(client: Client): Promise<void> {
    await client.expect(200, 'declare', { topic: 'kept' });
    await client.expect(200, 'declare', { topic: 'kept', consume_group: 'readers' });
    await client.expect(200, 'declare', { topic: 'ballast' });
    for (let i = 0; i < BALLAST_COUNT; i++) {
      await client.expect(200, 'produce', { topic: 'ballast' }, BALLAST_BODY);
    }
  }

  /**
   * Produces until the disk is full: large messages, then those that fit between; returns how many.
   */
  async fill(client: Client): Promise<number> {
    const before = this.#acked.size;
    while (await this.#produce(client, this.#payloads.bodyOf(0, this.#sent, LARGE_BYTES)));
    while (await this.#produce(client, this.#payloads.body(0, this.#sent)));
    return this.#acked.size - before;
  }

  /** True when the message was stored, false when the disk was full. */
  async #produce(client: Client, body: Buffer): Promise<boolean> {
    const headers = { topic: 'kept', ack_level: this.#level, n: this.#sent++ };
    const reply = await client.request('produce', headers, body);
    if (reply.status === 507) return false;
    assert.equal(reply.status, 200, reply.body.toString());
    this.#acked.set(Number(reply.headers.get('offset')), body);
    return true;
  }

  /** Takes the group's next message and checks it. */
  async consume(client: Client, expectedOffset: number): Promise<void> {
    const reply = await client.expect(200, 'consume', { topic: 'kept', consume_group: 'readers' });
    assert.equal(Number(reply.headers.get('offset')), expectedOffset);
    this.#checkBytes(expectedOffset, reply.body);
  }

  async assertAllKept(client: Client): Promise<void> {
    const { messageDepth } = await client.query<{ messageDepth: number }>('kept');
    assert.equal(messageDepth, this.#acked.size, 'as many messages as were acknowledged');
    for (let offset = 0; offset < messageDepth; offset++) {
      const reply = await client.expect(200, 'consume', { topic: 'kept', offset });
      this.#checkBytes(offset, reply.body);
    }
  }

  #checkBytes(offset: number, body: Buffer): void {
    assert(this.#acked.get(offset)?.equals(body), `the message at ${offset} has other bytes`);
  }
}

describe('a full disk', function () {
  this.timeout(TIMEOUT_MS);
  before(function () {
    need(this, canMount, 'run as root on Linux: a small disk must be mounted');
  });
  afterEach(cleanUp);

  for (const kind of ['tmpfs', 'ext4'] as const) {
    for (const level of ['page', 'disk'] as const) {
      it(`answers 507, serves the rest and recovers by itself (${kind}, ${level})`, async () => {
        const trial = new FullDiskTrial(kind, level);
        let broker = await trial.start();
        let client = await Client.connect(broker.port);
        await trial.prepare(client);
        assert((await trial.fill(client)) > LARGE_COUNT_MIN);

        // Full: what is there is served, positions move, questions are answered.
        await trial.consume(client, 0);
        await trial.consume(client, 1);
        await trial.assertAllKept(client);

        await client.expect(200, 'remove', { topic: 'ballast' });
        assert((await trial.fill(client)) > BALLAST_COUNT / 2, 'produce goes on in the room made');

        // A full disk is no reason not to start.
        await broker.end('SIGKILL');
        broker = await trial.start();
        client = await Client.connect(broker.port);
        await trial.assertAllKept(client);
        await trial.consume(client, 2);
        await client.close();
        assert.equal((await broker.end('SIGTERM')).code, 0);
      });
    }
  }
});
