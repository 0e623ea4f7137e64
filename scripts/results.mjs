/**
 * What a test stage came to, told to scripts/test.mjs. Written by the mocha reporter, the native
 * tests and the linters as one JSON line each into the file named by ZBUS_TEST_RESULTS; without
 * that variable (a stage run by hand) nothing is written.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';

/**
 * @typedef {object} Result
 * @property {number} [passed]
 * @property {number} [failed]
 * @property {number} [skipped]
 * @property {{ what: string, install: string }} [leftOut] something not tested, and what to install
 */

/** True when leaving something out is a failure, as in CI. */
export const requireAll = process.env.ZBUS_REQUIRE_ALL === '1';

/** @param {Result} result */
export function report(result) {
  const file = process.env.ZBUS_TEST_RESULTS;
  if (file) appendFileSync(file, `${JSON.stringify(result)}\n`);
}

/**
 * Says that something is left out; under ZBUS_REQUIRE_ALL=1 that fails the stage.
 * @param {string} what
 * @param {string} install how to get what is missing
 */
export function leaveOut(what, install) {
  console.log(`left out: ${what} (${install})`);
  report({ leftOut: { what, install } });
  if (requireAll) process.exitCode = 1;
}

/**
 * @param {string} file
 * @returns {Result[]}
 */
export function readResults(file) {
  if (!existsSync(file)) return [];
  /** @type {Result[]} */
  const results = [];
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    if (line !== '') results.push(/** @type {Result} */ (JSON.parse(line)));
  }
  return results;
}
