/**
 * The command line: its commands, its help, and how it refuses what it does not know. Called by
 * main.ts. Each command's own file adds the command and says what it does.
 */
import { Command } from 'commander';
import { version } from '../version.js';
import { addBenchCommand } from './bench.js';
import { addCheckCommand } from './check.js';
import { addCompletionCommand } from './completion.js';
import { addConsumeCommand } from './consume.js';
import { addGroupCommand } from './group.js';
import { ExitCode } from './outcome.js';
import { addProduceCommand } from './produce.js';
import { addRpcCommand } from './rpc.js';
import { addServeCommand } from './serve.js';
import { addTailCommand } from './tail.js';
import { addTokenCommand } from './token.js';
import { addTopicCommand } from './topic.js';

const DESCRIPTION = `zbus ${version}: message queue and RPC in one process, on one port

Without a command it runs the broker, as zbus serve does.`;

const AFTER_HELP = `
Start here, in two terminals:
  zbus
  zbus produce orders 'first order' --declare && zbus consume orders

zbus <command> --help tells more; zbus serve --help has the options of the broker.`;

export function createProgram(): Command {
  const program = new Command('zbus')
    .description(DESCRIPTION)
    .usage('[command] [options]')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
    .enablePositionalOptions()
    .configureOutput({ outputError: writeError })
    .showSuggestionAfterError()
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? ExitCode.ok : ExitCode.usage))
    .addHelpText('after', AFTER_HELP);
  addServeCommand(program);
  addCheckCommand(program);
  addTokenCommand(program);
  addProduceCommand(program);
  addConsumeCommand(program);
  addTailCommand(program);
  addTopicCommand(program);
  addGroupCommand(program);
  addRpcCommand(program);
  addBenchCommand(program);
  addCompletionCommand(program);
  return program;
}

/** Commander writes "error: …" and a suggestion on a line of its own. */
function writeError(text: string, write: (text: string) => void): void {
  write(
    `zbus: ${text
      .replace(/^error: /, '')
      .trimEnd()
      .replace(/\n/g, ' ')}\n`,
  );
}
