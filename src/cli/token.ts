/**
 * `zbus token`: adds, lists and revokes the tokens in a token file. Made part of the command line
 * by program.ts. A secret is made here, printed once and kept as its SHA-256; none is ever taken
 * from the command line, which every user of the machine can read.
 */
import { randomBytes } from 'node:crypto';
import type { Command } from 'commander';
import { patternFault } from '../auth/name-patterns.js';
import { EVERY_OPERATION, operations } from '../auth/operations.js';
import { changeTokens } from '../auth/token-change.js';
import {
  type FileToken,
  nameFault,
  operationFault,
  parseTokenFile,
  readTokenFile,
} from '../auth/token-file.js';
import { sha256Of } from '../auth/token-set.js';
import { ConfigError } from '../config/config-error.js';
import { loadConfig } from '../config/sources.js';
import { addConfigOption, configFileOption } from './serve.js';
import { tableText } from './table.js';

const SECRET_BYTES = 32;

const AFTER_HELP = `
The file is that of --token-file, ZBUS_TOKEN_FILE or the configuration; a broker that runs
sees a change within a second.

Operations: ${operations.join(', ')}, or * for all.
Patterns are as in filters, on the parts of a name between dots: + takes one part,
* one (last: one or more), # (last only) any number.

Examples:
  zbus token add shop --operations produce --topics 'orders.#' --token-file tokens.json
  zbus token add billing --operations consume --topics orders --groups billing
  zbus token list --json
  zbus token revoke shop`;

interface AddOptions {
  readonly operations: string;
  readonly topics?: string;
  readonly groups?: string;
}

export function defineTokenCommand(command: Command): void {
  command.helpCommand(false).addHelpText('after', AFTER_HELP);
  fileOptions(command.command('add <name>'))
    .allowExcessArguments(false)
    .description('make a token and print its secret, once')
    .requiredOption('--operations <list>', 'what it allows, between commas; * is everything')
    .option('--topics <patterns>', 'topics it is for, between commas (default: all)')
    .option('--groups <patterns>', 'consume groups it is for, between commas (default: all)')
    .action(add);
  fileOptions(command.command('list'))
    .allowExcessArguments(false)
    .description('show the tokens, without their secrets')
    .option('--json', 'as JSON')
    .action(list);
  fileOptions(command.command('revoke <name>'))
    .allowExcessArguments(false)
    .description('remove a token; connections that use it are ended')
    .action(revoke);
}

function fileOptions(command: Command): Command {
  addConfigOption(command, 'tokenFile');
  return command.addOption(configFileOption());
}

function add(name: string, options: AddOptions, command: Command): void {
  const file = tokenFileOf(command);
  check(`name "${name}"`, nameFault(name));
  const chosen = listed(options.operations);
  if (chosen.length === 0) check('--operations', 'must name at least one operation');
  for (const each of chosen) check(`operation "${each}"`, operationFault(each));
  const patterns = { topics: listed(options.topics), groups: listed(options.groups) };
  for (const each of Object.values(patterns).flat()) check(`"${each}"`, patternFault(each));
  const secret = randomBytes(SECRET_BYTES).toString('base64url');
  const token: FileToken = {
    name,
    sha256: sha256Of(secret).toString('hex'),
    operations: chosen,
    ...(options.topics === undefined ? {} : { topics: patterns.topics }),
    ...(options.groups === undefined ? {} : { groups: patterns.groups }),
  };
  changeTokens(file, (tokens) => {
    if (tokens.some((each) => each.name === name)) {
      throw new ConfigError(`${file} has a token ${name} already: revoke it, or take another name`);
    }
    return [...tokens, token];
  });
  process.stdout.write(`${secret}\n`);
  process.stderr.write(`zbus: added ${name} to ${file}; its secret is not shown again\n`);
}

function list({ json = false }: { readonly json?: boolean }, command: Command): void {
  const file = tokenFileOf(command);
  const tokens = parseTokenFile(readTokenFile(file), file).map(
    ({ name, operations, topics, groups }) => ({
      name,
      operations,
      topics: topics ?? [EVERY_OPERATION],
      groups: groups ?? [EVERY_OPERATION],
    }),
  );
  if (json) {
    process.stdout.write(`${JSON.stringify(tokens, null, 2)}\n`);
    return;
  }
  const rows = tokens.map(({ name, operations, topics, groups }) => [
    name,
    ...[operations, topics, groups].map((each) => (each.length === 0 ? '-' : each.join())),
  ]);
  process.stdout.write(tableText(['NAME', 'OPERATIONS', 'TOPICS', 'GROUPS'], rows));
}

function revoke(name: string, _options: unknown, command: Command): void {
  const file = tokenFileOf(command);
  changeTokens(file, (tokens) => {
    const others = tokens.filter((each) => each.name !== name);
    if (others.length < tokens.length) return others;
    const names = tokens.map((each) => each.name).join(', ');
    throw new ConfigError(`${file} has no token ${name}; it has ${names === '' ? 'none' : names}`);
  });
  process.stderr.write(`zbus: revoked ${name} in ${file}\n`);
}

/** The file as the broker would find it. Throws ConfigError. */
function tokenFileOf(command: Command): string {
  const { config, tokenFile } = command.opts<Record<string, unknown>>();
  const file = typeof config === 'string' ? config : undefined;
  const found = loadConfig({ flags: { tokenFile }, env: process.env, file }).tokenFile;
  if (found === null) throw new ConfigError('which file? give --token-file or ZBUS_TOKEN_FILE');
  return found;
}

function listed(text = ''): string[] {
  return text
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '');
}

function check(what: string, fault: string | null): void {
  if (fault !== null) throw new ConfigError(`${what} ${fault}`);
}
