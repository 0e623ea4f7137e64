/**
 * SIGTERM under load: the broker ends in good order and soon, and every answer that went out is
 * kept.
 */
import assert from 'node:assert/strict';
import { cleanUp } from '../support/cleanup.js';
import { Trial } from './trial.js';

const ROUNDS = Number(process.env.STOP_ROUNDS ?? 3);
const ROUND_TIMEOUT_MS = 20_000;
const STOP_MS_MAX = 5000;

describe('SIGTERM under load', () => {
  afterEach(cleanUp);

  it('exits 0 within 5 s and keeps everything it has acknowledged', async function () {
    this.timeout(ROUNDS * ROUND_TIMEOUT_MS);
    const trial = new Trial();
    await trial.declare();
    for (let round = 0; round < ROUNDS; round++) {
      const { code, signal, tookMs } = await trial.run('SIGTERM');
      assert.deepEqual({ code, signal }, { code: 0, signal: null });
      assert(tookMs < STOP_MS_MAX, `took ${tookMs} ms to stop`);
    }
    await trial.finish();
  });
});
