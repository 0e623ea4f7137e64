/**
 * `npm test`: builds, then runs every test stage, or those named (`npm test -- unit native`).
 * Stages that mostly compile run beside stages that mostly wait.
 * Prints each stage with its time, what was left out and how to get it, and last one line with the
 * totals of mocha and doctest. ZBUS_REQUIRE_ALL=1 turns what is left out into a failure.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readResults, requireAll } from './results.mjs';
import { runStage } from './stage.mjs';

/** Before all others: they run what it makes. */
const BUILD = 'compile';
/** Compute; at the lowest priority, so that what runs beside them hardly notices. */
const COMPUTING = ['lint', 'typecheck', 'test:native'];
/** Start brokers and wait for them; what they check is what happens, not when. */
const WAITING = ['test:unit', 'test:tls', 'test:integration', 'test:node'];
/**
 * Waits for faults to pass and for brokers to come back, and leaves the processors idle; then looks
 * at pages and installs what was packed, when the others have computed most of theirs.
 */
const FAULTS = ['test:reliability', 'test:browser', 'test:package'];
const STAGES = [BUILD, ...COMPUTING, ...WAITING, ...FAULTS];

/** @typedef {import('./results.mjs').Result} Result */
/** @typedef {{ stage: string, passed: boolean, seconds: number, results: Result[] }} Run */

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

/** @param {string[]} names */
function chooseStages(names) {
  const wanted = names.map((name) => (STAGES.includes(name) ? name : `test:${name}`));
  const unknown = wanted.filter((name) => !STAGES.includes(name));
  if (unknown.length > 0) {
    console.error(`unknown stage: ${unknown.join(', ')}; there are ${STAGES.join(', ')}`);
    process.exit(1);
  }
  if (wanted.length > 0) return STAGES.filter((stage) => wanted.includes(stage));
  // It repeats stages that have run, with a download; worth its time only where all must run.
  return requireAll ? STAGES : STAGES.filter((stage) => stage !== 'test:node');
}

/**
 * @param {Result[]} results
 * @param {'passed' | 'failed' | 'skipped'} field
 */
function sum(results, field) {
  return results.reduce((total, result) => total + (result[field] ?? 0), 0);
}

/**
 * @param {string} stage
 * @param {string} folder for the results
 * @param {import('./stage.mjs').Conditions} conditions
 * @returns {Promise<Run>}
 */
async function measureStage(stage, folder, conditions) {
  const startedAt = performance.now();
  const resultsFile = join(folder, stage.replace(':', '-'));
  const passed = await runStage(stage, resultsFile, conditions);
  const seconds = (performance.now() - startedAt) / 1000;
  const results = readResults(resultsFile);
  // A stage without counted tests (a linter, a crash) still must not end in "0 failed".
  if (!passed && sum(results, 'failed') === 0) results.push({ failed: 1 });
  return { stage, passed, seconds, results };
}

/** @param {string[]} stages */
async function testAll(stages) {
  const folder = mkdtempSync(join(tmpdir(), 'zbus-test-'));
  /** @type {Run[]} */
  const runs = [];
  /**
   * One after the other.
   * @param {string[]} lane
   * @param {import('./stage.mjs').Conditions} conditions
   */
  const runLane = async (lane, conditions) => {
    for (const stage of lane.filter((name) => stages.includes(name))) {
      runs.push(await measureStage(stage, folder, conditions));
    }
  };
  try {
    await runLane([BUILD], { beside: false, yielding: false });
    if (runs.every(({ passed }) => passed)) {
      const lanes = [COMPUTING, WAITING, FAULTS];
      const beside = lanes.filter((lane) => lane.some((s) => stages.includes(s))).length > 1;
      await Promise.all(
        lanes.map((lane) => runLane(lane, { beside, yielding: beside && lane === COMPUTING })),
      );
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return runs;
}

const stages = chooseStages(process.argv.slice(2));
const runs = await testAll(stages);
const results = runs.flatMap((run) => run.results);

console.log('\n=== summary');
for (const { stage, passed, seconds } of runs) {
  console.log(`${passed ? 'passed' : 'FAILED'}  ${stage.padEnd(18)} ${seconds.toFixed(1)} s`);
}
for (const { leftOut } of results) {
  if (leftOut) console.log(`left out: ${leftOut.what} (${leftOut.install})`);
}
if (!stages.includes('test:node')) {
  console.log('left out: the tests on the current Node (npm run test:node)');
}
const passed = sum(results, 'passed');
const failed = sum(results, 'failed');
const skipped = sum(results, 'skipped');
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = failed === 0 ? 0 : 1;
