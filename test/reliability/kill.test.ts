/**
 * kill -9 at any moment, under load, in recovery and again: what was acknowledged is there, what is
 * there is what was sent, in order and without a hole, and the broker goes on. KILL_ROUNDS and
 * KILL_RECOVERY_ROUNDS make it a long run.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { cleanUp } from '../support/cleanup.js';
import { Trial } from './trial.js';

const ROUNDS = Number(process.env.KILL_ROUNDS ?? 20);
const RECOVERY_ROUNDS = Number(process.env.KILL_RECOVERY_ROUNDS ?? 5);
const ROUND_TIMEOUT_MS = 20_000;
/** Recovery lies in the last part of a start, most of which is the loading of Node. */
const RECOVERY_KILLS = 2;
const RECOVERY_FROM = 0.6;
const RECOVERY_TO = 1.1;

describe('kill -9', () => {
  afterEach(cleanUp);

  it('under load loses nothing acknowledged and invents nothing', async function () {
    this.timeout(ROUNDS * ROUND_TIMEOUT_MS);
    const trial = new Trial();
    await trial.declare();
    for (let round = 0; round < ROUNDS; round++) {
      await trial.run('SIGKILL');
    }
    await trial.finish();
  });

  it('during recovery changes nothing: the next recovery finds the same', async function () {
    this.timeout(RECOVERY_ROUNDS * ROUND_TIMEOUT_MS);
    const trial = new Trial();
    const beganMs = performance.now();
    await trial.declare();
    const startMs = performance.now() - beganMs;
    for (let round = 0; round < RECOVERY_ROUNDS; round++) {
      await trial.run('SIGKILL');
      for (let kill = 0; kill < RECOVERY_KILLS; kill++) {
        const broker = trial.spawn();
        const share = RECOVERY_FROM + (RECOVERY_TO - RECOVERY_FROM) * trial.random();
        await delay(startMs * share);
        await broker.end('SIGKILL');
      }
    }
    await trial.finish();
  });
});
