/**
 * `npm test`: builds, then runs every test stage, or those named (`npm test -- unit native`).
 * Prints each stage with its time, what was left out and how to get it, and last one line with the
 * totals of mocha and doctest. ZBUS_REQUIRE_ALL=1 turns what is left out into a failure.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readResults, requireAll } from './results.mjs';
import { root } from './toolchain.mjs';

const STAGES = [
  'compile',
  'lint',
  'typecheck',
  'test:unit',
  'test:native',
  'test:integration',
  'test:browser',
  'test:package',
  'test:reliability',
  'test:node',
];

/** A stage that hangs is stopped, so that the others still run and the total is still printed. */
const STAGE_TIME_MAX_MS = 15 * 60_000;

/** @typedef {import('./results.mjs').Result} Result */

/**
 * @param {string} stage a script of package.json
 * @param {string} resultsFile
 * @returns {Promise<boolean>} whether it passed
 */
async function runStage(stage, resultsFile) {
  // A process group, because npm ends on a signal without ending what it runs.
  const child = spawn('npm', ['run', '--silent', stage], {
    cwd: root,
    env: { ...process.env, ZBUS_TEST_RESULTS: resultsFile },
    stdio: ['ignore', 'inherit', 'inherit'],
    detached: true,
  });
  const stop = () => {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGKILL');
  };
  const onTimeout = () => {
    console.log(`${stage} hangs: stopped after ${STAGE_TIME_MAX_MS / 1000} s`);
    stop();
  };
  const timer = setTimeout(onTimeout, STAGE_TIME_MAX_MS);
  process.once('exit', stop);
  try {
    return await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code) => resolve(code === 0));
    });
  } finally {
    clearTimeout(timer);
    process.off('exit', stop);
  }
}

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
 */
async function measureStage(stage, folder) {
  console.log(`\n=== ${stage}`);
  const startedAt = performance.now();
  const resultsFile = join(folder, stage.replace(':', '-'));
  const passed = await runStage(stage, resultsFile);
  const seconds = (performance.now() - startedAt) / 1000;
  const results = readResults(resultsFile);
  // A stage without counted tests (a linter, a crash) still must not end in "0 failed".
  if (!passed && sum(results, 'failed') === 0) results.push({ failed: 1 });
  return { stage, passed, seconds, results };
}

/** @param {string[]} stages */
async function testAll(stages) {
  const folder = mkdtempSync(join(tmpdir(), 'zbus-test-'));
  const runs = [];
  try {
    for (const stage of stages) {
      const run = await measureStage(stage, folder);
      runs.push(run);
      if (stage === 'compile' && !run.passed) break;
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
