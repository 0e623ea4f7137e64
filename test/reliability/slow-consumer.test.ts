/**
 * Consumers that do not keep up, beside one that does: the broker holds back what they do not take,
 * nobody else notices, and nothing is missing when they come back. SLOW_ROUNDS makes it a long run.
 */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { ChildBroker } from '../support/child-broker.js';
import { cleanUp } from '../support/cleanup.js';
import type { Client } from '../support/client.js';
import { need } from '../support/programs.js';
import { tempFolder } from '../support/temp-folder.js';
import { PacedProducer } from './paced-producer.js';
import { Peer } from './peer.js';
import { BODY, SlowGroup, TOPIC } from './slow-group.js';
import { PREFETCH, SlowReader } from './slow-reader.js';

const ROUNDS = Number(process.env.SLOW_ROUNDS ?? 5);
const MIB = 1024 * 1024;
const BYTES_PER_SECOND = 50_000_000;
/** The default of unsentBytesMax, and what may be handed over when it is almost reached. */
const CAP_BYTES = 8 * MIB;
const LAST_BYTES = 2 * BODY.length;
/** Below half of the cap more is handed over; some then waits on its way into the kernel. */
const UNSENT_BYTES_MIN = CAP_BYTES / 4;
const WITHOUT_MS = 1000;
const BESIDE_MS = 2000;
const SAMPLE_MS = 50;
/** What a heap that was collected a moment earlier or later makes. */
const HEAP_MARGIN_BYTES = 64 * MIB;
const SHARE_MIN = 0.8;

/** What was measured for a time. */
interface Window {
  /** Of the consumer that keeps up. */
  readonly bytesPerSecond: number;
  readonly residentBytesMax: number;
}

interface Round {
  readonly without: Window;
  readonly beside: Window;
  /** Of each slow connection. */
  readonly unsentBytes: readonly number[];
}

/** A broker with a producer and a consumer that keeps up with it. */
class Stream {
  readonly client: Client;
  readonly producer: PacedProducer;
  readonly #broker: ChildBroker;
  #received = 0;
  #slow: readonly [SlowGroup, SlowReader][] = [];

  private constructor(broker: ChildBroker, client: Client, producer: PacedProducer) {
    this.#broker = broker;
    this.client = client;
    this.producer = producer;
  }

  static async start(): Promise<Stream> {
    const broker = await ChildBroker.start({ mqDir: tempFolder() });
    const client = await broker.connect();
    await client.expect(200, 'declare', { topic: TOPIC });
    const producer = await PacedProducer.connect(broker.port);
    const stream = new Stream(broker, client, producer);
    const prompt = await Peer.connect(broker.port, () => stream.#received++);
    prompt.send({ cmd: 'consume', id: 'prompt', topic: TOPIC, prefetch: PREFETCH });
    producer.start({ topic: TOPIC, ack_level: 'page' }, BODY, BYTES_PER_SECOND / BODY.length);
    return stream;
  }

  /** Without slow consumers, then with two on groups of their own that are stuck. */
  async round(n: number): Promise<Round> {
    for (const [, reader] of this.#slow) reader.leave();
    const without = await this.measure(WITHOUT_MS);
    const { client } = this;
    const { port } = this.#broker;
    const slow = await SlowGroup.declare(client, `slow-${n}`, {});
    const explicit = { group_mask: 64, group_ack_window: 65_535 };
    const stuck = await SlowGroup.declare(client, `stuck-${n}`, explicit);
    this.#slow = [
      [slow, await SlowReader.start(port, slow.headers, 1000, slow.got)],
      [stuck, await SlowReader.start(port, stuck.headers, 0, stuck.got)],
    ];
    while ((await this.#unsent()).some((bytes) => bytes < UNSENT_BYTES_MIN));
    const beside = await this.measure(BESIDE_MS);
    return { without, beside, unsentBytes: await this.#unsent() };
  }

  async measure(windowMs: number): Promise<Window> {
    const [beganMs, before] = [performance.now(), this.#received];
    let residentBytesMax = 0;
    while (performance.now() < beganMs + windowMs) {
      residentBytesMax = Math.max(residentBytesMax, this.#broker.residentBytes());
      await delay(SAMPLE_MS);
    }
    const seconds = (performance.now() - beganMs) / 1000;
    const bytesPerSecond = ((this.#received - before) * BODY.length) / seconds;
    return { bytesPerSecond, residentBytesMax };
  }

  /** Of each slow connection: bytes handed to it and still in the broker. */
  #unsent(): Promise<number[]> {
    const unsent = this.#slow.map(
      async ([group, reader]) => (await group.handedBytes()) - reader.leftBrokerBytes,
    );
    return Promise.all(unsent);
  }

  /** One reads on at full speed; the other breaks its connection and comes on a new one. */
  async comeBack(): Promise<void> {
    await this.producer.stop();
    const end = this.producer.acknowledged;
    for (const [group, reader] of this.#slow) {
      if (group.explicit) {
        reader.leave();
        const again = await SlowReader.start(this.#broker.port, group.headers, 0, group.got);
        again.hurry();
      } else {
        reader.hurry();
      }
      await group.gotAllTo(end);
    }
  }
}

describe('a consumer that reads 1 KB/s and one that never reads', function () {
  this.timeout(60_000 + ROUNDS * 20_000);
  before(function () {
    need(this, process.platform === 'linux', 'run on Linux: it looks into /proc');
  });
  afterEach(cleanUp);

  it('hold at most their cap, slow nobody down and lose nothing', async () => {
    const stream = await Stream.start();
    await stream.measure(WITHOUT_MS);
    const rounds: Round[] = [];
    // Another program may take the machine in one window and not in the next: then measure more.
    while (rounds.length < ROUNDS || (share(rounds) < SHARE_MIN && rounds.length < 2 * ROUNDS)) {
      const round = await stream.round(rounds.length);
      print(round);
      rounds.push(round);
      for (const unsent of round.unsentBytes) {
        assert(unsent <= CAP_BYTES + LAST_BYTES, `${mib(unsent)} unsent on one connection`);
        assert(unsent >= UNSENT_BYTES_MIN, `only ${mib(unsent)} unsent: the consumer was not slow`);
      }
    }
    assert(share(rounds) >= SHARE_MIN, `${share(rounds)} of the rate without the slow consumers`);
    const most = Math.max(...rounds.map(({ beside }) => beside.residentBytesMax));
    const grown = most - (rounds[0]?.without.residentBytesMax ?? 0);
    assert(grown <= 2 * CAP_BYTES + HEAP_MARGIN_BYTES, `the broker grew by ${mib(grown)}`);
    await stream.comeBack();
  });
});

/** Median over the rounds. */
function share(rounds: readonly Round[]): number {
  const shares = rounds
    .map(({ without, beside }) => beside.bytesPerSecond / without.bytesPerSecond)
    .sort((a, b) => a - b);
  return shares[Math.floor(shares.length / 2)] ?? 0;
}

function print({ without, beside, unsentBytes }: Round): void {
  const text = ({ bytesPerSecond, residentBytesMax }: Window): string =>
    `${(bytesPerSecond / 1e6).toFixed(1)} MB/s, ${mib(residentBytesMax)}`;
  console.log(
    `      alone ${text(without)}; beside slow ones ${text(beside)}, of which unsent ` +
      unsentBytes.map(mib).join(' and '),
  );
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(1)} MiB`;
}
