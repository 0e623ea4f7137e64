/** Limits of the broker and its storage: each is counted when it is reached. */
import assert from 'node:assert/strict';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';
import type { Config } from '../../../src/config/config.js';
import type { Client, Headers } from '../../support/client.js';

interface Case {
  readonly limit: keyof Config;
  readonly config: Partial<Config>;
  /** Sent in this order; the last is one too much. */
  readonly requests: readonly (readonly [cmd: string, headers: Headers, bytes?: number])[];
  readonly status: number;
}

const T: Headers = { topic: 't' };
const declareT = ['declare', T] as const;
const CASES: readonly Case[] = [
  {
    limit: 'topicsMax',
    config: { topicsMax: 2 },
    requests: [declareT, ['declare', { topic: 'u' }], ['declare', { topic: 'v' }]],
    status: 429,
  },
  {
    limit: 'groupsPerTopicMax',
    config: { groupsPerTopicMax: 2 },
    requests: [
      declareT,
      ['declare', { ...T, consume_group: 'g' }],
      ['declare', { ...T, consume_group: 'h' }],
    ],
    status: 429,
  },
  {
    limit: 'memoryTopicBytesMax',
    config: { memoryTopicBytesMax: 64 * 1024 },
    requests: [
      ['declare', { ...T, topic_mask: 1 }],
      ['produce', T, 30_000],
      ['produce', T, 30_000],
      ['produce', T, 30_000],
    ],
    status: 507,
  },
  {
    limit: 'minFreeBytes',
    config: { minFreeBytes: 2 ** 50 },
    requests: [declareT, ['produce', T, 1]],
    status: 507,
  },
];

describe('a limit of the broker', () => {
  afterEach(cleanUp);

  async function limitsOf(client: Client): Promise<unknown> {
    const { body } = await client.expect(200, 'server');
    return (JSON.parse(body.toString()) as { limits?: unknown }).limits;
  }

  for (const { limit, config, requests, status } of CASES) {
    it(`${limit} is answered ${status} one over, and counted`, async () => {
      const broker = await TestBroker.start(config);
      const client = await broker.connect();
      const [tooMuch, ...fitting] = [...requests].reverse();
      for (const [cmd, headers, bytes = 0] of fitting.reverse()) {
        await client.expect(200, cmd, headers, 'x'.repeat(bytes));
      }
      assert.equal(await limitsOf(client), undefined);
      assert(tooMuch);
      const [cmd, headers, bytes = 0] = tooMuch;
      await client.expect(status, cmd, headers, 'x'.repeat(bytes));
      assert.deepEqual(await limitsOf(client), { [limit]: 1 });
    });
  }

  it('waitingMax is answered 429 one over, and counted, on one connection', async () => {
    const broker = await TestBroker.start({ waitingMax: 2 });
    const [client, other] = [await broker.connect(), await broker.connect()];
    await client.expect(200, 'declare', T);
    for (const id of ['1', '2']) client.send({ cmd: 'consume', ...T, id });
    const { body } = await client.expect(429, 'consume', T);
    assert.match(body.toString(), /waitingMax/);
    assert.deepEqual(await limitsOf(other), { waitingMax: 1 });
  });

  it('that a peer exceeds without a reply is counted all the same', async () => {
    const broker = await TestBroker.start({ topicsMax: 1 });
    const client = await broker.connect();
    await client.expect(200, 'declare', T);
    client.send({ cmd: 'declare', topic: 'u', ack: 'false', id: 'q' });
    await client.fence();
    assert.deepEqual(await limitsOf(client), { topicsMax: 1 });
  });
});
