/**
 * SIGTERM while producers and acknowledging consumers work: each request is answered 200, or 503
 * with the advice to come back, or its connection ends; what was answered 200 holds, messages and
 * acknowledgements alike. DRAIN_ROUNDS sets how often.
 */
import assert from 'node:assert/strict';
import { ChildBroker } from '../support/child-broker.js';
import { cleanUp } from '../support/cleanup.js';
import type { Client } from '../support/client.js';
import { isStopping, type Reply } from '../support/reply-parser.js';
import { tempFolder } from '../support/temp-folder.js';
import { until } from '../support/wait.js';

const ROUNDS = Number(process.env.DRAIN_ROUNDS ?? 3);
const PRODUCERS = 4;
const CONSUMERS = 4;
const STOP_MS_MAX = 5000;
const JOBS = { topic: 'jobs', consume_group: 'workers' };

/** What the clients of one round were told. */
class Ledger {
  produced = 0;
  /** Replies that said that the connection ends. */
  told = 0;
  readonly acked = new Set<number>();
  readonly delivered = new Set<number>();
}

/** Null when the connection ended instead of an answer. */
async function answer(reply: Promise<Reply>, ledger: Ledger): Promise<Reply | null> {
  const got = await reply.catch(() => null);
  const closes = got?.headers.get('connection') === 'close';
  if (closes) ledger.told++;
  if (got === null || got.status === 200) return got;
  assert(isStopping(got) && closes, got.body.toString());
  return null;
}

async function produce(client: Client, ledger: Ledger): Promise<void> {
  while ((await answer(client.get('/produce/jobs', {}, 'job'), ledger)) !== null) ledger.produced++;
}

/** Takes one message after the other, and acknowledges what it has even when it is told to go. */
async function work(client: Client, ledger: Ledger): Promise<void> {
  for (;;) {
    const message = await answer(client.request('consume', JOBS), ledger);
    if (message === null) return;
    const offset = Number(message.headers.get('offset'));
    ledger.delivered.add(offset);
    const acked = await answer(client.request('ack', { ...JOBS, offset }), ledger);
    if (acked === null) return;
    ledger.acked.add(offset);
  }
}

describe('SIGTERM under producers and consumers that acknowledge', () => {
  afterEach(cleanUp);

  for (let round = 1; round <= ROUNDS; round++) {
    it(`loses no message and no acknowledgement, round ${round}`, async function () {
      this.timeout(60_000);
      const mqDir = tempFolder();
      const broker = await ChildBroker.start({ mqDir });
      const control = await broker.connect();
      await control.expect(200, 'declare', { ...JOBS, group_mask: 64 });
      const ledger = new Ledger();
      const clients: Promise<void>[] = [];
      for (let i = 0; i < PRODUCERS; i++) clients.push(produce(await broker.connect(), ledger));
      for (let i = 0; i < CONSUMERS; i++) clients.push(work(await broker.connect(), ledger));
      await until(() => ledger.acked.size > 50);

      const beganMs = performance.now();
      assert.equal(await broker.stop(), 0);
      assert(performance.now() - beganMs < STOP_MS_MAX);
      await Promise.all(clients);
      // The consumers were in the middle of work, and none was cut off.
      assert.deepEqual([...ledger.delivered].sort(), [...ledger.acked].sort());
      // Who had asked nothing at that moment saw its connection end instead.
      assert(ledger.told > 0, 'nobody was told');

      const restarted = await ChildBroker.start({ mqDir });
      const after = await restarted.connect();
      const { messageDepth } = await after.query<{ messageDepth: number }>('jobs');
      assert(messageDepth >= ledger.produced, `${messageDepth} of ${ledger.produced} kept`);
      const left = messageDepth - ledger.acked.size;
      const { messageCount } = await after.query<{ messageCount: number }>('jobs', 'workers');
      assert.equal(messageCount, left);
      for (let i = 0; i < Math.min(left, 100); i++) {
        const { headers } = await after.expect(200, 'consume', JOBS);
        assert(
          !ledger.acked.has(Number(headers.get('offset'))),
          'an acknowledged message came back',
        );
      }
    });
  }
});
