#!/usr/bin/env node
/**
 * The zbus command. Reads the command line, hands over to a command's own file, and turns an error
 * that a user can mend into one line on stderr and an exit code (outcome.ts); any other error is a
 * fault of the program and keeps its stack trace.
 */
import { errorLine, exitCodeOf } from './outcome.js';
import { createProgram } from './program.js';

try {
  await createProgram().parseAsync();
} catch (error) {
  const exitCode = exitCodeOf(error);
  if (exitCode === null) throw error;
  process.stderr.write(errorLine(error) ?? '');
  process.exit(exitCode);
}
