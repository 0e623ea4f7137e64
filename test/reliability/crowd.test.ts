/**
 * A hundred consumers on one group with explicit acks: whatever they do to it, each message ends
 * acknowledged or dead; and where they do nothing, each gets its share. CROWD_MESSAGES makes it a
 * long run.
 */
import assert from 'node:assert/strict';
import { ChildBroker } from '../support/child-broker.js';
import { cleanUp } from '../support/cleanup.js';
import type { Client } from '../support/client.js';
import { tempFolder } from '../support/temp-folder.js';
import type { Verdict } from './ack-ledger.js';
import { Crowd, deadLetters } from './crowd.js';
import { randomOf, runSeed } from './payload.js';

const MESSAGES = Number(process.env.CROWD_MESSAGES ?? 100_000);
const FAIR_MESSAGES = 0.75 * MESSAGES;
const CONSUMERS = 100;
const MESSAGE_TIMEOUT_MS = 1.2;
/** Every such message fails whoever gets it. */
const POISON_EVERY = 500;
const NACK_SHARE = 0.01;
const FORGET_SHARE = 0.002;
const DROP_SHARE = 0.002;
const SHARE_ERROR_MAX = 0.2;

function failing(random: () => number): (offset: number) => Verdict {
  return (offset) => {
    if (offset % POISON_EVERY === 0) return 'nack';
    const share = random();
    if (share < NACK_SHARE) return 'nack';
    if (share < NACK_SHARE + FORGET_SHARE) return 'forget';
    return share < NACK_SHARE + FORGET_SHARE + DROP_SHARE ? 'drop' : 'ack';
  };
}

describe('100 consumers of one group', () => {
  afterEach(cleanUp);

  it('that fail at random: each message ends acknowledged or dead', async function () {
    this.timeout(60_000 + MESSAGES * MESSAGE_TIMEOUT_MS);
    const seed = runSeed();
    console.log(`      RELIABILITY_SEED=${seed}`);
    const random = randomOf(seed);
    const { crowd, client } = await startCrowd(MESSAGES, random, failing(random));
    await crowd.produce(client);
    await crowd.settled(client);
    const dead = await deadLetters(client);
    print(crowd, dead.length);

    const deadOnce = new Set(dead);
    assert.equal(deadOnce.size, dead.length, 'a dead letter is there once');
    for (let offset = 0; offset < MESSAGES; offset++) {
      const settled = crowd.ledger.wasSettled(offset);
      const buried = deadOnce.has(offset);
      assert(!(settled && buried), `${offset} was acknowledged and is dead`);
      if (settled || buried) continue;
      assert(crowd.doubtful.has(offset), `${offset} was neither acknowledged nor is it dead`);
    }
    for (let offset = 0; offset < MESSAGES; offset += POISON_EVERY) {
      assert(deadOnce.has(offset), `${offset} failed every time and is not dead`);
    }
    assert(
      crowd.dropped > (MESSAGES * DROP_SHARE) / 2,
      `only ${crowd.dropped} connections were dropped`,
    );
  });

  it('that are equally fast get equal shares', async function () {
    this.timeout(60_000 + FAIR_MESSAGES * MESSAGE_TIMEOUT_MS);
    const { crowd, client } = await startCrowd(FAIR_MESSAGES, Math.random, () => 'ack');
    await crowd.produce(client);
    await crowd.settled(client);
    const mean = FAIR_MESSAGES / CONSUMERS;
    const [least, most] = [Math.min(...crowd.shares), Math.max(...crowd.shares)];
    console.log(`      each of ${CONSUMERS} got ${least} to ${most} of ${FAIR_MESSAGES}`);
    assert(least >= mean * (1 - SHARE_ERROR_MAX), `one got ${least} where ${mean} is fair`);
    assert(most <= mean * (1 + SHARE_ERROR_MAX), `one got ${most} where ${mean} is fair`);
  });
});

/** A broker with the group, and all consumers asking. */
async function startCrowd(
  messages: number,
  random: () => number,
  verdictOn: (offset: number) => Verdict,
): Promise<{ crowd: Crowd; client: Client }> {
  const broker = await ChildBroker.start({ mqDir: tempFolder() });
  const client = await broker.connect();
  await Crowd.declare(client);
  const crowd = new Crowd({
    port: broker.port,
    consumers: CONSUMERS,
    messages,
    random,
    verdictOn,
  });
  await crowd.start();
  return { crowd, client };
}

function print({ ledger, dropped, doubtful }: Crowd, dead: number): void {
  const { settled, returned } = ledger.endRound();
  console.log(
    `      ${MESSAGES} messages: ${settled} acks answered, ${dead} dead, ${returned} delivered ` +
      `again; ${dropped} connections dropped with ${doubtful.size} acks unanswered`,
  );
}
