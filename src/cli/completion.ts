/**
 * `zbus completion`: the script that makes a shell complete zbus, and the hidden command that it
 * asks. Promises an answer, be it empty, within about half a second, also without a broker.
 */
import { Argument, type Command } from 'commander';
import {
  commandNamed,
  completionOf,
  type Completion,
  DEFAULT_COMMAND,
} from './completion-candidates.js';
import { completionScripts, type Shell } from './completion-scripts.js';
import { print } from './output.js';

const TIMEOUT_MS = 500;

const AFTER_HELP = `
To have it in every new shell:
  bash        echo 'source <(zbus completion bash)' >> ~/.bashrc
  zsh         echo 'source <(zbus completion zsh)' >> ~/.zshrc
  fish        zbus completion fish > ~/.config/fish/completions/zbus.fish
  powershell  zbus completion powershell >> $PROFILE`;

/** Gives a command its arguments and options. */
type DefineCommand = (command: Command) => Promise<void>;

/** Run by every new shell, so it loads nothing else. */
export function defineCompletionCommand(command: Command): void {
  command
    .addArgument(new Argument('<shell>').choices(Object.keys(completionScripts)))
    .allowExcessArguments(false)
    .addHelpText('after', AFTER_HELP)
    .action((shell: Shell) => print(completionScripts[shell]));
}

export function defineCompleteCommand(command: Command, define: DefineCommand): void {
  command
    .argument('[words...]')
    .requiredOption('--current <word>')
    .action(async (words: string[], { current }: { current: string }) => {
      const program = command.parent ?? command;
      const first = words[0] ?? current;
      const named = commandNamed(program, first.startsWith('-') ? DEFAULT_COMMAND : first);
      if (named !== undefined && named !== command) await define(named);
      await complete(program, words, current);
    });
}

async function complete(
  program: Command,
  words: readonly string[],
  current: string,
): Promise<void> {
  const completion = completionOf(program, words, current);
  const { candidates, prefix, files } = completion;
  const names = (await namesOf(completion)).map((value) => ({ value, description: '' }));
  const lines = [...candidates, ...names]
    .map(({ value, description }) => ({ value: prefix + value, description }))
    .filter(({ value }) => value.startsWith(current))
    .map(({ value, description }) => `${value}\t${description.replace(/\s+/g, ' ')}\n`);
  await print(lines.join('') + (files ? ':files\n' : ''));
  // An attempt to connect may still be under way.
  process.exit(0);
}

/** Nothing when there is no broker, or it does not answer in time, or does not tell. */
async function namesOf(completion: Completion): Promise<string[]> {
  const { names, topic, given } = completion;
  if (names === null || (names === 'group' && topic === null)) return [];
  const server = given.get('--server');
  const tokenFrom = given.get('--token-from');
  const ca = given.get('--ca');
  const { openBus } = await import('./connection-options.js');
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  try {
    const bus = await openBus(
      {
        timeout: TIMEOUT_MS,
        ...(server === undefined ? {} : { server: server.split(',') }),
        ...(tokenFrom === undefined ? {} : { tokenFrom }),
        ...(ca === undefined ? {} : { ca }),
      },
      signal,
    );
    if (names === 'topic' || topic === null) return Object.keys((await bus.query()).topicTable);
    const { consumeGroupList } = await bus.query(topic, { signal });
    return consumeGroupList.map(({ groupName }) => groupName);
  } catch {
    return [];
  }
}
