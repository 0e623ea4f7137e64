/**
 * The command line: commands, flags and help, made from the list of options in config.ts. Called by
 * main.ts; knows nothing of what a command does.
 */
import { Command, Option } from 'commander';
import {
  configKeys,
  type ConfigKey,
  defaultConfig,
  defaultText,
  environmentName,
  flagName,
  optionInfo,
} from '../config/config.js';
import { version } from '../version.js';
import { CANNOT_CHECK, check, type CheckFlags } from './check.js';
import { start } from './start.js';
import { addTokenCommand } from './token.js';

const DESCRIPTION = `zbus ${version}: message queue in one process, on one port`;

const AFTER_HELP = `
Every option can also stand in the environment or in the file, under its name in camelCase:
  { "serverAddress": "127.0.0.1:15555", "ackLevel": "page" }
A flag wins over the environment, the environment over the file.

Examples:
  zbus
  zbus --server-address 127.0.0.1:0 --mq-dir /tmp/zbus
  zbus --config zbus.json --ack-level page`;

export function createProgram(): Command {
  const program = new Command('zbus')
    .description(DESCRIPTION)
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
    .configureOutput({ outputError: writeError })
    .showSuggestionAfterError()
    .allowExcessArguments()
    .addOption(
      new Option('--config <file>', 'JSON file with options (env: ZBUS_CONFIG)').helpGroup(
        'Server:',
      ),
    )
    .addHelpText('after', AFTER_HELP)
    .action(runStart);
  for (const key of configKeys) addConfigOption(program, key);
  program
    .command('start')
    .description('run the broker (the default)')
    .allowExcessArguments(false)
    .action(runStart);
  program
    .command('check')
    .description('verify a data folder on which no broker runs; exit code 1: damaged')
    .argument('<dir>', 'the data folder')
    .option('--json', 'print the report as JSON')
    .option('--repair', 'write missing and damaged indexes anew; nothing else is changed')
    .allowExcessArguments(false)
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : CANNOT_CHECK))
    .action((dir: string, flags: CheckFlags) => check(dir, flags));
  addTokenCommand(program);
  return program;
}

async function runStart(_options: unknown, command: Command): Promise<void> {
  const [unknownCommand] = command.args;
  if (unknownCommand !== undefined) {
    const names = command.commands.map((known) => known.name()).join(', ');
    command.error(`unknown command '${unknownCommand}'; the commands are: ${names}`);
  }
  const { config: file, ...flags } = command.optsWithGlobals<Record<string, unknown>>();
  await start({ flags, env: process.env, file: typeof file === 'string' ? file : undefined });
}

function addConfigOption(program: Command, key: ConfigKey): void {
  const { group, description, placeholder, alias } = optionInfo(key);
  const flag = flagName(key);
  const flags = alias === undefined ? flag : `${alias}, ${flag}`;
  const about = `${description} (default: ${defaultText(key)}, env: ${environmentName(key)})`;
  const shown = placeholder === undefined ? flags : `${flags} <${placeholder}>`;
  program.addOption(new Option(shown, about).helpGroup(`${group}:`));
  if (typeof defaultConfig[key] === 'boolean') {
    // For a switch that the environment or the file has turned on.
    program.addOption(new Option(flag.replace('--', '--no-')).hideHelp());
  }
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
