#!/usr/bin/env node
/**
 * The zbus command. Reads the command line, hands over to a command's own file, and turns an error
 * that a user can mend into one line on stderr and exit code 1; any other error is a fault of the
 * program and keeps its stack trace.
 */
import { ConfigError } from '../config/sources.js';
import { ZbusError } from '../errors.js';
import { createProgram } from './program.js';
import { StartError } from './start.js';

function isForUser(error: unknown): error is Error {
  return error instanceof ConfigError || error instanceof StartError || error instanceof ZbusError;
}

try {
  await createProgram().parseAsync();
} catch (error) {
  if (!isForUser(error)) throw error;
  process.stderr.write(`zbus: ${error.message}\n`);
  process.exit(1);
}
