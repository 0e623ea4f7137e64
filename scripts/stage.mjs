/**
 * One stage of scripts/test.mjs in processes of its own. Promises that a stage that hangs is
 * stopped, that nothing of it outlives the run, and that the output of stages that run side by
 * side is not mixed.
 */
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { root } from './toolchain.mjs';

/** A stage that hangs is stopped, so that the others still run and the total is still printed. */
const STAGE_TIME_MAX_MS = 15 * 60_000;

/**
 * @typedef {object} Conditions
 * @property {boolean} beside another stage runs at the same time: the output is shown at the end
 * @property {boolean} yielding gets what the others leave of the processors
 */

/**
 * Puts a stage behind all others in the line for the processors.
 * @param {number} pid
 */
function yieldProcessors(pid) {
  setPriority(pid, constants.priority.PRIORITY_LOW);
  try {
    // Where Linux shares the processors by session, the priority of a process counts only within
    // its own, and this sets that of the session.
    writeFileSync(`/proc/${pid}/autogroup`, `${constants.priority.PRIORITY_LOW}`);
  } catch {
    // Not shared by session here.
  }
}

/**
 * @param {string} stage a script of package.json
 * @param {string} resultsFile
 * @param {number | 'inherit'} output
 * @param {boolean} yielding
 * @returns {Promise<boolean>} whether it passed
 */
async function runToEnd(stage, resultsFile, output, yielding) {
  // A process group, because npm ends on a signal without ending what it runs.
  const child = spawn('npm', ['run', '--silent', stage], {
    cwd: root,
    env: { ...process.env, ZBUS_TEST_RESULTS: resultsFile },
    stdio: ['ignore', output, output],
    detached: true,
  });
  if (yielding && child.pid !== undefined) yieldProcessors(child.pid);
  const stop = () => {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGKILL');
  };
  const onTimeout = () => {
    const line = `${stage} hangs: stopped after ${STAGE_TIME_MAX_MS / 1000} s`;
    if (output === 'inherit') console.log(line);
    else writeSync(output, `${line}\n`);
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

/**
 * @param {string} stage
 * @param {string} resultsFile where its results are to be written
 * @param {Conditions} conditions
 * @returns {Promise<boolean>} whether it passed
 */
export async function runStage(stage, resultsFile, { beside, yielding }) {
  if (!beside) {
    console.log(`\n=== ${stage}`);
    return runToEnd(stage, resultsFile, 'inherit', yielding);
  }
  console.log(`... ${stage} begins, its output follows when it ends`);
  const outputFile = `${resultsFile}.output`;
  const output = openSync(outputFile, 'a+');
  const show = () => {
    console.log(`\n=== ${stage}`);
    process.stdout.write(readFileSync(outputFile));
  };
  // Also when the run is ended from outside: what was said so far tells why it took long.
  process.once('exit', show);
  try {
    return await runToEnd(stage, resultsFile, output, yielding);
  } finally {
    closeSync(output);
    process.off('exit', show);
    show();
  }
}
