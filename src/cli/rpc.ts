/** `zbus rpc`: calls services, and serves a module. Added to the command line by program.ts. */
import type { Command } from 'commander';
import { addConnectionOptions } from './connection-options.js';
import { header, wholeNumber } from './option-values.js';
import { callService } from './rpc-call.js';
import { serveModule } from './rpc-serve.js';

const TIME_MS_MAX = 2 ** 31 - 1;

const AFTER_CALL_HELP = `
A parameter that is JSON is sent as its value, any other as text: 1 and true are no texts, '"1"' and
Ann are. The result is printed as JSON, bytes as they are.

Examples:
  zbus rpc call calc plus 1 2
  zbus rpc call greeter hello Ann '{"polite": true}' --raw
  zbus rpc call images resize --body - < picture.png > smaller.png`;

const AFTER_SERVE_HELP = `
The methods are those of the default export, when that is an object, else the exported functions. A
default export that is a function gets every call as it is.

Example:
  echo 'export const plus = (a, b) => a + b' > calc.mjs
  zbus rpc serve calc calc.mjs`;

export function defineRpcCommand(command: Command): void {
  command.helpCommand(false);
  addConnectionOptions(
    command
      .command('call')
      .description('have a service run a method, and print what it returns')
      .argument('<topic>', 'what the service serves')
      .argument('[method]', 'absent with --body alone')
      .argument('[params...]', 'its parameters')
      .option('--text', 'send all parameters as text')
      .option('--module <name>', 'which of the services behind the topic')
      .option('--wait <ms>', 'time for a service to come', wholeNumber(0, TIME_MS_MAX))
      .option('--idempotent', 'may be run again by another service, when one goes away')
      .option('-H, --header <name: value>', 'handed to the service; may be given again', header)
      .option('--body <text>', 'send this as it is instead of method and parameters; -: stdin')
      .option('-r, --raw', 'print a result that is text as it is')
      .addHelpText('after', AFTER_CALL_HELP)
      .action(callService),
  );
  addConnectionOptions(
    command
      .command('serve')
      .description('serve the functions of a module until Ctrl-C')
      .argument('<topic>', 'made when it is missing')
      .argument('<file>', 'an ES module or CommonJS module')
      .allowExcessArguments(false)
      .option('--module <name>', 'serve the calls of this module alone')
      .option('--group <group>', 'the consume group (default: named like the topic)')
      .option('--concurrency <count>', 'calls in hand at most', wholeNumber(1, 65_535), 100)
      .addHelpText('after', AFTER_SERVE_HELP)
      .action(serveModule),
  );
}
