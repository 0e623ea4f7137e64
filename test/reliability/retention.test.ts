/**
 * Retention under load: producers at full speed into a topic with a bound, groups that keep up, lag
 * and never read. The disk must not take more than the bound at any moment, and every group must
 * get or be told that it has missed each message.
 */
import assert from 'node:assert/strict';
import { BrokerProcess } from '../support/broker-process.js';
import { cleanUp, onCleanUp } from '../support/cleanup.js';
import { Client } from '../support/client.js';
import { diskBytes } from '../support/disk-bytes.js';
import type { Reply } from '../support/reply-parser.js';
import { tempFolder } from '../support/temp-folder.js';
import { Payloads, randomOf, runSeed } from './payload.js';

const MIB = 1024 * 1024;
const TOPIC = 'bounded';
const BOUND = 8 * MIB;
const RUN_MS = Number(process.env.RETENTION_RUN_MS ?? 10_000);
const PRODUCERS = 4;
const PRODUCE_WINDOW = 64;
const BODY_BYTES_MAX = 8 * 1024;
/** Requests that a group keeps waiting: one does what it can, one asks again now and then. */
const FAST_WINDOW = 128;
const LAG_MS = 20;

interface TopicJson {
  messageDepth: number;
  firstOffset: number;
  storedBytes: number;
}

interface GroupJson {
  messageCount: number;
  lostCount?: number;
}

class RetentionTrial {
  readonly broker: BrokerProcess;
  readonly #dir: string;
  readonly #payloads = new Payloads(runSeed());
  readonly #random = randomOf(runSeed());
  /** By offset: which message was acknowledged for it. */
  readonly produced = new Map<number, number>();
  /** By group: the offsets in the order they came. */
  readonly received = new Map<string, number[]>();
  producing = true;
  /** Until the last produce is answered: a group that found nothing before that may get more. */
  answering = true;
  producedBytes = 0;
  readonly samples: number[] = [];
  #sent = 0;

  constructor(dir: string) {
    this.#dir = dir;
    this.broker = new BrokerProcess({ dir });
    onCleanUp(async () => {
      await this.broker.end('SIGKILL');
    });
  }

  async declare(client: Client, groups: readonly string[]): Promise<void> {
    await client.expect(200, 'declare', { topic: TOPIC, retention_bytes: BOUND });
    for (const group of groups) {
      this.received.set(group, []);
      await client.expect(200, 'declare', { topic: TOPIC, consume_group: group });
    }
    await client.expect(200, 'remove', { topic: TOPIC, consume_group: TOPIC });
  }

  /** One producer at full speed, at level page, until the run is over. */
  async produce(): Promise<void> {
    const client = await Client.connect(this.broker.port);
    const produceNext = async (): Promise<void> => {
      while (this.producing) {
        const n = this.#sent++;
        const body = this.#payloads.bodyOf(0, n, Math.ceil(this.#random() * BODY_BYTES_MAX));
        const headers = { topic: TOPIC, ack_level: 'page', n, size: body.length };
        const reply = await client.expect(200, 'produce', headers, body);
        const offset = Number(reply.headers.get('offset'));
        assert(!this.produced.has(offset), `offset ${offset} was given twice`);
        this.produced.set(offset, n);
        this.producedBytes += body.length;
      }
    };
    await Promise.all(Array.from({ length: PRODUCE_WINDOW }, produceNext));
  }

  /** A group with `window` requests waiting, each `pauseMs` after the last; until it has all. */
  async read(group: string, window: number, pauseMs: number): Promise<void> {
    const client = await Client.connect(this.broker.port);
    const readNext = async (): Promise<void> => {
      for (;;) {
        const mayGetMore = this.answering;
        const headers = { topic: TOPIC, consume_group: group, timeout: mayGetMore ? 100 : 0 };
        const reply = await client.request('consume', headers);
        if (reply.status === 200) this.#received(group, reply);
        else if (!mayGetMore) return;
        if (this.producing && pauseMs > 0) await delay(pauseMs);
      }
    };
    await Promise.all(Array.from({ length: window }, readNext));
  }

  /** Looks at the disk until the run is over. */
  async watchDisk(): Promise<void> {
    while (this.producing) {
      this.samples.push(diskBytes(this.#dir, TOPIC));
      await delay(1);
    }
  }

  #received(group: string, reply: Reply): void {
    const offset = Number(reply.headers.get('offset'));
    const n = Number(reply.headers.get('n'));
    const body = this.#payloads.bodyOf(0, n, Number(reply.headers.get('size')));
    assert(body.equals(reply.body), `the message at ${offset} has other bytes than were sent`);
    this.received.get(group)?.push(offset);
  }
}

describe('retention under load', () => {
  afterEach(cleanUp);

  it('keeps to the bound on disk; groups get or are told of each message', async function () {
    this.timeout(RUN_MS + 60_000);
    const trial = new RetentionTrial(tempFolder());
    await trial.broker.listening();
    const client = await Client.connect(trial.broker.port);
    const groups = ['eager', 'lags', 'never-reads'];
    await trial.declare(client, groups);
    const reading = [trial.read('eager', FAST_WINDOW, 0), trial.read('lags', 4, LAG_MS)];
    const watching = trial.watchDisk();
    const producing = Array.from({ length: PRODUCERS }, () => trial.produce());
    await delay(RUN_MS);
    trial.producing = false;
    await Promise.all(producing);
    trial.answering = false;
    await Promise.all([...reading, watching]);
    await trial.read('never-reads', FAST_WINDOW, 0);

    const count = trial.produced.size;
    const used = Math.max(...trial.samples);
    const { firstOffset, messageDepth } = await client.query<TopicJson>(TOPIC);
    const mib = (bytes: number): string => (bytes / MIB).toFixed(2);
    console.log(
      `      ${count} messages, ${mib(trial.producedBytes)} MiB in ${RUN_MS} ms; at most ` +
        `${mib(used)} of ${mib(BOUND)} MiB on disk in ${trial.samples.length} samples; ` +
        `${messageDepth} kept`,
    );
    assert(used <= BOUND, `${used} bytes on disk, ${BOUND} are allowed`);
    assert(trial.producedBytes > 4 * BOUND, 'the run was too short to mean anything');
    assert.equal(firstOffset + messageDepth, count);
    for (const group of groups) {
      const { lostCount = 0, messageCount } = await client.query<GroupJson>(TOPIC, group);
      const got = trial.received.get(group) ?? [];
      console.log(`      ${group}: ${got.length} received, ${lostCount} missed`);
      assert.equal(new Set(got).size, got.length, `${group} got no message twice`);
      assert.equal(got.length + lostCount, count, `${group} got or missed each message`);
      assert.equal(messageCount, 0);
    }
  });
});

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
