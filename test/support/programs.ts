/**
 * Programs that a test needs and a machine may lack. A test without its program is skipped and named in
 * the summary of `npm test`; under ZBUS_REQUIRE_ALL=1 it fails.
 */
import { findProgram } from '../../scripts/toolchain.mjs';
import { report, requireAll } from '../../scripts/results.mjs';

/** The path of `program`, which is in the Debian package `debianPackage`. Call it in a test or hook. */
export function needProgram(
  context: Mocha.Context,
  program: string,
  debianPackage: string,
): string {
  const path = findProgram(program);
  if (path !== undefined) return path;
  const title = context.currentTest?.fullTitle() ?? context.test?.parent?.fullTitle() ?? 'a test';
  const install = `apt-get install ${debianPackage}`;
  if (requireAll) throw new Error(`${program} is missing: ${install}`);
  report({ leftOut: { what: title, install } });
  return context.skip();
}
