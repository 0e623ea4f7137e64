/**
 * `zbus tail`: prints the last messages of a topic, and new ones as they come. Added to the command
 * line by program.ts. Promises to change nothing that others see: it reads by offset and has no
 * group, because a group would show in lists, hold back what retention deletes as consumed, and be
 * where the next new group starts.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Command, Option } from 'commander';
import type { Bus } from '../client/bus.js';
import type { StoredMessage } from '../client/stored-message.js';
import { BadRequestError, NotFoundError } from '../errors.js';
import { checkFilter, compileFilter } from '../protocol/filter.js';
import { latin1Of } from '../protocol/names.js';
import { withBus } from './client-command.js';
import { addConnectionOptions, type ConnectionFlags } from './connection-options.js';
import { addFormatOptions, type FormatFlags, formatOf } from './message-format.js';
import { wholeNumber } from './option-values.js';
import { CommandError } from './outcome.js';
import { print } from './output.js';

const COUNT = 10;
/** Read at once: enough to be fast, few enough to hold them all. */
const READ_AT_ONCE = 16;
/** How often the end is looked at while nothing new comes. */
const LOOK_MS = 100;

const AFTER_HELP = `
Looks without consuming: no group is made or moved, and every message stays where it is. New
messages are looked for ten times a second.

Examples:
  zbus tail orders
  zbus tail orders -n 0 --follow
  zbus tail orders --filter 'eu.#' --json`;

interface TailFlags extends ConnectionFlags, FormatFlags {
  readonly count: number;
  readonly follow?: boolean;
  readonly filter?: string;
}

type Matches = (message: StoredMessage) => boolean;

export function defineTailCommand(command: Command): void {
  command
    .argument('<topic>', 'which must be there')
    .addOption(
      new Option('-n, --count <n>', 'so many of the last ones')
        .argParser(wholeNumber(0))
        .default(COUNT),
    )
    .option('-f, --follow', 'go on with new ones, until Ctrl-C')
    .option('--filter <filter>', "those alone whose tag passes, such as 'paid.*'");
  addFormatOptions(command).allowExcessArguments(false).addHelpText('after', AFTER_HELP);
  addConnectionOptions(command).action(tail);
}

async function tail(topic: string, flags: TailFlags): Promise<void> {
  const format = formatOf(flags);
  const matches = matcher(flags.filter);
  await withBus(flags, async (bus, interrupted) => {
    const reader = new TopicReader(bus, topic);
    const { first, end } = await reader.bounds();
    for (const message of await lastOnes(reader, first, end, flags.count, matches)) {
      await print(format(message));
    }
    if (flags.follow !== true) return;
    let next = reader.seenEnd ?? end;
    while (!interrupted.aborted) {
      const before = next;
      for await (const message of newOnes(reader, before)) {
        if (matches(message)) await print(format(message));
        next = message.offset + 1;
      }
      if (next === before) await sleep(LOOK_MS);
    }
  });
}

/**
 * What can be read from `next` on. What cannot may have been damaged or deleted, or not have
 * reached its ack level yet: it is passed over when one behind it can be read.
 */
async function* newOnes(reader: TopicReader, next: number): AsyncGenerator<StoredMessage, void> {
  const { first, end } = await reader.bounds();
  // A topic that was removed and made anew begins before.
  let from = Math.min(Math.max(next, first), end);
  for (; from < end; from += READ_AT_ONCE) {
    yield* await reader.between(from, Math.min(from + READ_AT_ONCE, end));
  }
}

/** The last `count` that match, oldest first; reads backwards from the end. */
async function lastOnes(
  reader: TopicReader,
  first: number,
  end: number,
  count: number,
  matches: Matches,
): Promise<StoredMessage[]> {
  const found: StoredMessage[] = [];
  let before = end;
  while (found.length < count && before > first) {
    const from = Math.max(first, before - Math.min(READ_AT_ONCE, Math.max(count, 1)));
    found.unshift(...(await reader.between(from, before)).filter(matches));
    before = from;
  }
  return count === 0 ? [] : found.slice(-count);
}

/** As a group with this filter would choose. Throws CommandError. */
function matcher(filter: string | undefined): Matches {
  if (filter === undefined || filter === '') return () => true;
  try {
    // Filters are written with %XX on the wire, and as they are on the command line.
    const passes = compileFilter(checkFilter(latin1Of(filter).replaceAll('%', '%25')));
    return (message) => passes(latin1Of(message.tag));
  } catch (error) {
    if (error instanceof BadRequestError) {
      throw new CommandError(error.message.replace('group_filter', '--filter'), { cause: error });
    }
    throw error;
  }
}

class TopicReader {
  /** Behind the last message that was read; null when there was none. */
  seenEnd: number | null = null;
  readonly #bus: Bus;
  readonly #topic: string;

  constructor(bus: Bus, topic: string) {
    this.#bus = bus;
    this.#topic = topic;
  }

  /** The offset of the first message, and the one that the next message gets. */
  async bounds(): Promise<{ readonly first: number; readonly end: number }> {
    const { firstOffset, messageDepth } = await this.#bus.query(this.#topic);
    if (firstOffset === undefined) {
      throw new CommandError(`topic ${this.#topic} carries RPC: it keeps no messages to look at`);
    }
    return { first: firstOffset, end: firstOffset + messageDepth };
  }

  /** Those that can be read: damaged ones, and what was deleted meanwhile, are passed over. */
  async between(first: number, end: number): Promise<StoredMessage[]> {
    const offsets = Array.from({ length: Math.max(0, end - first) }, (_, i) => first + i);
    const read = await Promise.all(offsets.map((offset) => this.#read(offset)));
    return read.filter((message) => message !== null);
  }

  async #read(offset: number): Promise<StoredMessage | null> {
    try {
      const message = await this.#bus.client.read(this.#topic, offset);
      this.seenEnd = Math.max(this.seenEnd ?? 0, offset + 1);
      return message;
    } catch (error) {
      if (error instanceof NotFoundError) return null;
      throw error;
    }
  }
}
