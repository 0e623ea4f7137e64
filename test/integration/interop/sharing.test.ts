/**
 * Programs of the family and the client in one consume group: what the one leaves the other gets,
 * and with many of both every message comes exactly once.
 */
import assert from 'node:assert/strict';
import { type Bus, Mask } from '../../../src/index.js';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';
import { RecordedPeer, type Version, versions } from '../../support/recorded-peer.js';
import { openBus, take } from '../client/buses.js';

const PEERS = 8;
const MESSAGES_EACH = 250;
const WINDOW = 25;

describe('programs of the family and the client, in one group', () => {
  let broker: TestBroker;

  beforeEach(async () => {
    broker = await TestBroker.start({ ackLevel: 'page' });
  });
  afterEach(cleanUp);

  it('what a 0.11 consumer did not acknowledge the client gets when that has gone', async () => {
    const bus = await openBus(broker);
    await bus.declare('jobs', { group: 'workers', mask: Mask.ackRequired });
    for (const body of ['done', 'left']) await bus.produce('jobs', body);
    const peer = await RecordedPeer.connect(broker.port, '0.11');
    const first = await peer.consume('jobs', 'workers');
    const second = await peer.consume('jobs', 'workers');
    assert.deepEqual([first.body.toString(), second.body.toString()], ['done', 'left']);
    const acked = await peer.ask('ack', {
      topic: 'jobs',
      consume_group: 'workers',
      offset: first.headers.get('offset') ?? '',
    });
    assert.equal(acked.status, 200);
    await peer.client.close();
    const [message] = await take(bus.consume('jobs', { group: 'workers' }), 1);
    assert.equal(message?.text(), 'left');
    assert.equal(message.retry, 1);
    await message.ack();
    assert.equal((await bus.query('jobs', { group: 'workers' })).messageCount, 0);
  });

  it('what the client gives back a 0.11 consumer gets, and its ack counts', async () => {
    const bus = await openBus(broker);
    await bus.declare('jobs', { group: 'workers', mask: Mask.ackRequired });
    await bus.produce('jobs', 'hard');
    const consumer = bus.consume('jobs', { group: 'workers' });
    const [message] = await take(consumer, 1);
    await consumer.close();
    await message?.nack();
    const peer = await RecordedPeer.connect(broker.port, '0.11');
    const { headers, body } = await peer.consume('jobs', 'workers');
    assert.equal(body.toString(), 'hard');
    assert.equal(headers.get('retry'), '1');
    const names = { topic: 'jobs', consume_group: 'workers' };
    const offset = headers.get('offset') ?? '';
    assert.equal((await peer.ask('ack', { ...names, offset })).status, 200);
    assert.equal((await peer.ask('ack', { ...names, offset })).status, 409);
    assert.equal((await bus.query('jobs', { group: 'workers' })).messageCount, 0);
  });

  it('many of both at once: every message reaches exactly one of them', async () => {
    const control = await openBus(broker);
    await control.declare('many');
    const counts = new Map<string, number>();
    const got = { theirs: 0, ours: 0 };
    let left = 2 * PEERS * MESSAGES_EACH;
    let allCame = (): void => undefined;
    const all = new Promise<void>((resolve) => (allCame = resolve));
    const onBody = (whose: keyof typeof got, body: string): void => {
      counts.set(body, (counts.get(body) ?? 0) + 1);
      got[whose]++;
      if (--left === 0) allCame();
    };
    for (let i = 0; i < PEERS; i++) {
      void consumeRecorded(broker.port, versionOf(i), (body) => onBody('theirs', body));
      void consumeOurs(await openBus(broker), (body) => onBody('ours', body));
    }
    await Promise.all(
      Array.from({ length: PEERS }, async (_, i) => {
        await produceRecorded(broker.port, versionOf(i), i);
        await produceOurs(await openBus(broker), i);
      }),
    );
    await all;
    assert.equal(counts.size, 2 * PEERS * MESSAGES_EACH);
    assert.deepEqual([...new Set(counts.values())], [1]);
    assert(got.theirs > 0 && got.ours > 0, JSON.stringify(got));
    assert.equal((await control.query('many')).consumeGroupList[0]?.messageCount, 0);
  });
});

function versionOf(index: number): Version {
  return versions[index % versions.length] ?? '0.8';
}

/** As programs of the family do: one request for each message, several at once. */
async function consumeRecorded(
  port: number,
  version: Version,
  onBody: (body: string) => void,
): Promise<void> {
  const peer = await RecordedPeer.connect(port, version);
  const take = async (): Promise<void> => {
    for (;;) onBody((await peer.consume('many')).body.toString());
  };
  await Promise.allSettled(Array.from({ length: 4 }, take));
}

async function consumeOurs(bus: Bus, onBody: (body: string) => void): Promise<void> {
  for await (const message of bus.consume('many', { prefetch: 4 })) onBody(message.text());
}

async function produceRecorded(port: number, version: Version, producer: number): Promise<void> {
  const peer = await RecordedPeer.connect(port, version);
  await inWindows((n) => peer.produce('many', `theirs ${producer} ${n} 注文`));
}

async function produceOurs(bus: Bus, producer: number): Promise<void> {
  await inWindows((n) => bus.produce('many', `ours ${producer} ${n} 注文`));
}

async function inWindows(produce: (n: number) => Promise<unknown>): Promise<void> {
  for (let n = 0; n < MESSAGES_EACH; n += WINDOW) {
    await Promise.all(Array.from({ length: WINDOW }, (_, i) => produce(n + i)));
  }
}
