/**
 * What a test needs of the machine and may lack. Such a test is skipped and named in the summary of
 * `npm test`; under ZBUS_REQUIRE_ALL=1 it fails.
 */
import { findProgram } from '../../scripts/toolchain.mjs';
import { report, requireAll } from '../../scripts/results.mjs';

/** Goes on if `present`; else `remedy` says how to have it. Call it in a test or hook. */
export function need(context: Mocha.Context, present: boolean, remedy: string): void {
  if (present) return;
  const title = context.test?.parent?.fullTitle() ?? 'a test';
  if (requireAll) throw new Error(`${title} cannot run: ${remedy}`);
  report({ leftOut: { what: title, install: remedy } });
  context.skip();
}

/** The path of `program`, which is in the Debian package `debianPackage`. */
export function needProgram(
  context: Mocha.Context,
  program: string,
  debianPackage: string,
): string {
  const path = findProgram(program);
  need(context, path !== undefined, `apt-get install ${debianPackage}`);
  return path ?? program;
}
