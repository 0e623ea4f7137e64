/**
 * Delivery held against a model: generated commands run on the real broker over the real engine and
 * on a plain in-memory model, and after each one everything that can be seen must be the same: who
 * was given which message, the answers, the counts, the dead letters. In the end everything is
 * consumed, and nothing may be missing.
 *
 * ZBUS_MODEL_RUNS sets the number of trials (1,000 otherwise). A failure prints the shortest
 * commands that fail with a seed, a path and a replayPath; ZBUS_MODEL_SEED, ZBUS_MODEL_PATH and
 * ZBUS_MODEL_REPLAY, all three, run just those commands again.
 */
import fc from 'fast-check';
import { BrokerModel } from './broker-model.js';
import { drain } from './drain.js';
import { LiveBroker } from './live-broker.js';
import { expectStatus, OPERATOR, send } from './step.js';
import { settingHeaders } from './steps-of-operators.js';
import { PEERS, steps } from './trials.js';

const { ZBUS_MODEL_RUNS, ZBUS_MODEL_SEED, ZBUS_MODEL_PATH, ZBUS_MODEL_REPLAY } = process.env;
const COMMANDS_MAX = 80;
const TRIAL_TIME_MAX_MS = 20_000;

interface Trial {
  readonly model: BrokerModel;
  readonly real: LiveBroker;
}

/** A broker with the groups of the model and nothing in them. */
async function begin(): Promise<Trial> {
  const model = new BrokerModel();
  const real = new LiveBroker();
  await real.open();
  model.nowMs = real.clock.nowMs();
  for (const group of model.groups) {
    const headers = settingHeaders(group.settings);
    const declared = expectStatus(send(real, OPERATOR, 'declare', group, headers), 200);
    await real.settle();
    declared.check();
  }
  return { model, real };
}

describe('delivery by the model', function () {
  const numRuns = Number(ZBUS_MODEL_RUNS ?? 1000);
  this.timeout(numRuns * TRIAL_TIME_MAX_MS);

  it('gives each message to whom it must, as often as it must, whatever happens', async () => {
    const replay = ZBUS_MODEL_REPLAY === undefined ? {} : { replayPath: ZBUS_MODEL_REPLAY };
    const commands = fc.commands([...steps], { maxCommands: COMMANDS_MAX, size: 'max', ...replay });
    const property = fc.asyncProperty(commands, async (trialSteps) => {
      const { model, real } = await begin();
      try {
        await fc.asyncModelRun(() => ({ model, real }), trialSteps);
        await drain(model, real, PEERS);
      } finally {
        await real.remove();
      }
    });
    await fc.assert(property, {
      numRuns,
      ...(ZBUS_MODEL_SEED === undefined ? {} : { seed: Number(ZBUS_MODEL_SEED) }),
      ...(ZBUS_MODEL_PATH === undefined ? {} : { path: ZBUS_MODEL_PATH }),
    });
  });
});
