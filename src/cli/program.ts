/**
 * The command line: its commands, its help, and how it refuses what it does not know. Called by
 * main.ts. The file of a command says what the command takes and does; it is loaded when the
 * command is named, because loading all of them takes longer than most commands run.
 */
import { Command } from 'commander';
import { version } from '../version.js';
import { DEFAULT_COMMAND } from './completion-candidates.js';
import { ExitCode } from './outcome.js';

const DESCRIPTION = `zbus ${version}: message queue and RPC in one process, on one port

Without a command it runs the broker, as zbus serve does.`;

const AFTER_HELP = `
Start here, in two terminals:
  zbus
  zbus produce orders 'first order' --declare && zbus consume orders

zbus <command> --help tells more; zbus serve --help has the options of the broker.`;

type Define = (command: Command) => void;

interface CommandEntry {
  readonly name: string;
  /** Where it stands in the help; hidden without. */
  readonly group?: string;
  readonly description: string;
  readonly load: () => Promise<Define>;
}

/** In the order of the help. */
const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'serve',
    group: 'Broker:',
    description: 'run the broker: what zbus does without a command',
    load: async () => (await import('./serve.js')).defineServeCommand,
  },
  {
    name: 'check',
    group: 'Broker:',
    description: 'verify a data folder on which no broker runs; exit code 1: damaged',
    load: async () => (await import('./check.js')).defineCheckCommand,
  },
  {
    name: 'token',
    group: 'Broker:',
    description: 'add, list and revoke the tokens of a broker',
    load: async () => (await import('./token.js')).defineTokenCommand,
  },
  {
    name: 'produce',
    group: 'Messages:',
    description: 'send messages: an argument, a file, stdin, or one a line',
    load: async () => (await import('./produce.js')).defineProduceCommand,
  },
  {
    name: 'consume',
    group: 'Messages:',
    description: 'take messages from a consume group and print them',
    load: async () => (await import('./consume.js')).defineConsumeCommand,
  },
  {
    name: 'tail',
    group: 'Messages:',
    description: 'look at the last messages of a topic without consuming them',
    load: async () => (await import('./tail.js')).defineTailCommand,
  },
  {
    name: 'topic',
    group: 'Topics and groups:',
    description: 'list, declare, empty, pause and remove topics',
    load: async () => (await import('./topic.js')).defineTopicCommand,
  },
  {
    name: 'group',
    group: 'Topics and groups:',
    description: 'list, declare, move, pause and remove consume groups',
    load: async () => (await import('./group.js')).defineGroupCommand,
  },
  {
    name: 'tracker',
    group: 'Several brokers:',
    description: 'show the servers that a broker is in touch with',
    load: async () => (await import('./tracker.js')).defineTrackerCommand,
  },
  {
    name: 'rpc',
    group: 'Services:',
    description: 'call services, or be one',
    load: async () => (await import('./rpc.js')).defineRpcCommand,
  },
  {
    name: 'bench',
    group: 'Tools:',
    description: 'measure a broker: rates, latencies, and a count of every message',
    load: async () => (await import('./bench.js')).defineBenchCommand,
  },
  {
    name: 'completion',
    group: 'Tools:',
    description: 'print a script that makes a shell complete zbus',
    load: async () => (await import('./completion.js')).defineCompletionCommand,
  },
  {
    name: 'complete',
    description: 'what the script of a shell asks',
    load: async () => {
      const { defineCompleteCommand } = await import('./completion.js');
      return (command) => {
        defineCompleteCommand(command, defineCommand);
      };
    },
  },
];

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
    .addHelpText('after', AFTER_HELP)
    .hook('preSubcommand', (_program, command) => defineCommand(command));
  for (const { name, group, description } of COMMANDS) {
    program
      .command(name, { isDefault: name === DEFAULT_COMMAND, hidden: group === undefined })
      .description(description)
      .helpGroup(group ?? '');
  }
  return program;
}

/** Gives a command of `createProgram` its arguments, options and action. Once for each. */
export async function defineCommand(command: Command): Promise<void> {
  const define = await COMMANDS.find(({ name }) => name === command.name())?.load();
  define?.(command);
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
