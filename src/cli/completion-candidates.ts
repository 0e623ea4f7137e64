/**
 * What could stand at the end of a command line that has been begun, read off the commands and
 * options themselves, so that it cannot fall behind them. Used by completion.ts. Pure.
 */
import type { Argument, Command, Option } from 'commander';

export interface Candidate {
  readonly value: string;
  readonly description: string;
}

export interface Completion {
  /** Already cut down to what begins like the word. */
  readonly candidates: readonly Candidate[];
  /** Names that only the broker knows; those of groups are of `topic`. */
  readonly names: 'topic' | 'group' | null;
  readonly topic: string | null;
  /** Stands before each name: the option in `--group=name`. */
  readonly prefix: string;
  /** The shell completes names of files. */
  readonly files: boolean;
  /** Values of the options so far, by long name. */
  readonly given: ReadonlyMap<string, string>;
}

/** What `<…>` of an option and the names of arguments mean. */
const FILES = new Set(['file', 'folder', 'dir']);
const HELP = '--help';
/** The command that runs when none is named. */
export const DEFAULT_COMMAND = 'serve';

interface Place {
  command: Command;
  readonly operands: string[];
  readonly given: Map<string, string>;
  /** The option whose value comes next. */
  option: Option | null;
  /** Behind `--` nothing is an option. */
  optionsEnded: boolean;
}

/** `words` stand between the name of the program and `current`, the word that is completed. */
export function completionOf(
  program: Command,
  words: readonly string[],
  current: string,
): Completion {
  const place: Place = {
    command: program,
    operands: [],
    given: new Map(),
    option: null,
    optionsEnded: false,
  };
  for (const word of words) step(place, word);
  const { option, optionsEnded } = place;
  if (option !== null) return ofValue(place, option, { prefix: '', begun: current });
  if (!current.startsWith('-') || optionsEnded) return ofOperand(place, current);
  const equals = current.indexOf('=');
  if (equals < 0) return finished(place, current, optionCandidates(place.command));
  const named = optionOf(place.command, current.slice(0, equals));
  const prefix = current.slice(0, equals + 1);
  if (named === undefined) return finished(place, current, []);
  return ofValue(place, named, { prefix, begun: current.slice(equals + 1) });
}

function step(place: Place, word: string): void {
  const { command, operands, given, option } = place;
  if (option !== null) {
    given.set(option.long ?? '', word);
    place.option = null;
  } else if (word === '--' && !place.optionsEnded) {
    place.optionsEnded = true;
  } else if (word.startsWith('-') && word !== '-' && !place.optionsEnded) {
    const [name = '', value] = word.split(/=(.*)/s);
    const named = optionOf(command, name);
    if (named === undefined || !takesValue(named)) return;
    if (value === undefined) place.option = named;
    else given.set(named.long ?? '', value);
  } else {
    const below = operands.length === 0 ? commandNamed(command, word) : undefined;
    if (below === undefined) operands.push(word);
    else place.command = below;
  }
}

/** Without a command the broker runs, with its options. */
function optionsOf(command: Command): readonly Option[] {
  const byDefault = command.parent === null ? commandNamed(command, DEFAULT_COMMAND) : undefined;
  const all = [command, ...(byDefault === undefined ? [] : [byDefault])];
  return all.flatMap((each) => each.createHelp().visibleOptions(each));
}

function optionOf(command: Command, name: string): Option | undefined {
  return optionsOf(command).find(({ long, short }) => long === name || short === name);
}

function takesValue({ required, optional }: Option): boolean {
  return required || optional;
}

export function commandNamed(parent: Command, name: string): Command | undefined {
  return parent.commands.find((each) => each.name() === name);
}

function optionCandidates(command: Command): Candidate[] {
  const found = optionsOf(command).flatMap(({ long, description }) =>
    long === undefined ? [] : [{ value: long, description }],
  );
  const others = found.filter(({ value }) => value !== HELP);
  return [...others, ...found.filter(({ value }) => value === HELP).slice(0, 1)];
}

function ofValue(
  place: Place,
  option: Option,
  { prefix, begun }: { prefix: string; begun: string },
): Completion {
  const choices = (option.argChoices ?? []).map((value) => ({ value, description: '' }));
  const meaning = /[<[]([^>\]]+)[>\]]/.exec(option.flags)?.[1] ?? '';
  return { ...finished(place, begun, choices, meaning), prefix };
}

function ofOperand(place: Place, current: string): Completion {
  const { command, operands } = place;
  const commands = operands.length > 0 ? [] : command.createHelp().visibleCommands(command);
  const argument = argumentAt(command, operands.length);
  const candidates = [
    ...commands.map((each) => ({ value: each.name(), description: each.description() })),
    ...(argument?.argChoices ?? []).map((value) => ({ value, description: '' })),
  ];
  return finished(place, current, candidates, argument?.name());
}

function argumentAt(command: Command, index: number): Argument | undefined {
  const all = command.registeredArguments;
  const last = all[all.length - 1];
  return all[index] ?? (last?.variadic === true ? last : undefined);
}

function finished(
  { operands, given }: Place,
  begun: string,
  candidates: readonly Candidate[],
  meaning = '',
): Completion {
  return {
    candidates: candidates.filter(({ value }) => value.startsWith(begun)),
    names: meaning === 'topic' || meaning === 'group' ? meaning : null,
    topic: operands[0] ?? null,
    prefix: '',
    files: FILES.has(meaning),
    given,
  };
}
