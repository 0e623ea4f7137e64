/**
 * A broker that is killed and started again, under producers and consumers that know nothing of it:
 * nothing acknowledged is lost, and only what was sent twice is there twice.
 */
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { Bus } from '../../../src/client/bus.js';
import { Mask } from '../../../src/protocol/masks.js';
import { ChildBroker } from '../../support/child-broker.js';
import { cleanUp } from '../../support/cleanup.js';
import { tempFolder } from '../../support/temp-folder.js';
import { until } from '../../support/wait.js';
import { openTo } from './buses.js';

const KILLS = 3;
const PRODUCERS = 4;
const BETWEEN_KILLS = 150;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

interface Sent {
  readonly body: string;
  readonly attempts: number;
}

describe('a broker that is killed', function () {
  this.timeout(120_000);
  afterEach(cleanUp);

  /** Produces one message after the other until it is told to stop. */
  async function produce(bus: Bus, name: string, run: { going: boolean }): Promise<Sent[]> {
    const sent: Sent[] = [];
    while (run.going) {
      const body = `${name}-${sent.length}`;
      const { attempts } = await bus.produce('T', body);
      sent.push({ body, attempts });
    }
    return sent;
  }

  it('loses nothing acknowledged, and its clients go on by themselves', async () => {
    const mqDir = tempFolder();
    const serverAddress = `127.0.0.1:${await freePort()}`;
    const config = { mqDir, serverAddress, ackLevel: 'page' } as const;
    let broker = await ChildBroker.start(config);
    const buses = await Promise.all(Array.from({ length: PRODUCERS }, () => openTo(broker.port)));
    const [bus] = buses;
    assert(bus !== undefined);
    const group = { group: 'g', mask: Mask.ackRequired };
    await bus.declare('T', group);

    const received: string[] = [];
    const consuming = buses.map(async (own) => {
      for await (const message of own.consume('T', { ...group, prefetch: 20 })) {
        received.push(message.text());
        await message.ack().catch(() => undefined);
      }
    });
    const run = { going: true };
    const producing = buses.map((own, n) => produce(own, `p${n}`, run));
    for (let kills = 0; kills < KILLS; kills++) {
      const reached = received.length + BETWEEN_KILLS;
      await until(() => received.length >= reached);
      await broker.kill();
      broker = await ChildBroker.start(config);
    }
    const reached = received.length + BETWEEN_KILLS;
    await until(() => received.length >= reached);
    run.going = false;
    const sent = (await Promise.all(producing)).flat();
    const missing = (): string[] => {
      const there = new Set(received);
      return sent.map(({ body }) => body).filter((body) => !there.has(body));
    };
    await until(() => missing().length === 0);

    const { messageDepth } = await bus.query('T');
    const resent = sent.filter(({ attempts }) => attempts > 1).length;
    assert(messageDepth >= sent.length, `${messageDepth} stored of ${sent.length}`);
    assert(messageDepth <= sent.length + resent, `${messageDepth} stored, ${resent} sent again`);
    await Promise.all(buses.map((own) => own.close()));
    await Promise.all(consuming);
    assert.equal(await broker.stop(), 0);
  });
});
