/**
 * `zbus consume`: prints the messages of a group as they come, and is done with them. Added to the
 * command line by program.ts. Promises that a message is acknowledged only after it was printed,
 * and that no more than what was printed is taken from the group.
 */
import { type Command, Option } from 'commander';
import type { Bus } from '../client/bus.js';
import type { Consumer } from '../client/consumer.js';
import type { ReceivedMessage } from '../client/stored-message.js';
import { ForbiddenError, NotFoundError } from '../errors.js';
import { Mask } from '../protocol/masks.js';
import { withBus } from './client-command.js';
import { addConnectionOptions, type ConnectionFlags } from './connection-options.js';
import { addFormatOptions, type FormatFlags, formatOf } from './message-format.js';
import { wholeNumber } from './option-values.js';
import { note, UsageError } from './outcome.js';
import { print } from './output.js';
import { parsePlace, type Place, PLACES, startAt } from './place.js';

const IDLE_MS_MAX = 24 * 60 * 60 * 1000;

const AFTER_HELP = `
A message that was consumed does not come again to its group. To look without consuming: zbus tail.

Examples:
  zbus consume orders                            the group orders, until Ctrl-C
  zbus consume orders --group audit --from begin
  zbus consume jobs --group workers --ack -n 1
  zbus consume orders --timeout 500 --json | jq .body`;

interface ConsumeFlags extends FormatFlags, Omit<ConnectionFlags, 'timeout'> {
  readonly group?: string;
  readonly count?: number;
  readonly timeout?: number;
  readonly from?: Place;
  readonly filter?: string;
  readonly ack?: boolean;
  readonly prefetch?: number;
}

export function defineConsumeCommand(command: Command): void {
  command
    .argument('<topic>', 'which must be there')
    .option(
      '-g, --group <group>',
      'made when it is not there (default: the one named as the topic)',
    )
    .addOption(
      new Option('-n, --count <n>', 'end after so many (default: go on)').argParser(wholeNumber(1)),
    )
    .addOption(
      new Option(
        '--timeout <ms>',
        'end when no message came for so long (default: go on)',
      ).argParser(wholeNumber(1, IDLE_MS_MAX)),
    )
    .addOption(
      new Option('--from <place>', `put the group there first: ${PLACES}`).argParser((text) =>
        parsePlace(text),
      ),
    )
    .option('--filter <filter>', "set the group's filter on tags, such as 'paid.*'")
    .option('--ack', 'make the group one whose consumers must acknowledge')
    .addOption(
      new Option(
        '--prefetch <n>',
        'messages on their way at once: more is faster; those that were not printed come again ' +
          'to a group with acknowledgements, and are lost to one without (default: 1)',
      ).argParser(wholeNumber(1, 10_000)),
    );
  addFormatOptions(command).allowExcessArguments(false).addHelpText('after', AFTER_HELP);
  addConnectionOptions(command, { timeout: false }).action(consume);
}

async function consume(topic: string, { timeout, ...flags }: ConsumeFlags): Promise<void> {
  const format = formatOf(flags);
  if (flags.from !== undefined && flags.group === undefined) {
    throw new UsageError(
      '--from moves a group for all its consumers: name it with --group, or look with zbus tail',
    );
  }
  await withBus(
    flags,
    async (bus, interrupted) => {
      const group = flags.group ?? topic;
      await prepareGroup(bus, topic, group, flags);
      const consumer = bus.consume(topic, { group, prefetch: flags.prefetch ?? 1 });
      const idle = new IdleTimer(timeout, () => void consumer.close());
      interrupted.addEventListener('abort', () => void consumer.close());
      if (interrupted.aborted) void consumer.close();
      try {
        await printAll(consumer, flags.count ?? Infinity, idle, (message) =>
          print(format(message)),
        );
      } finally {
        idle.stop();
      }
      interrupted.throwIfAborted();
    },
    { onInterrupt: 'finish' },
  );
}

/** A consumer would make the topic, too, which a mistyped name does not mean. */
async function prepareGroup(
  bus: Bus,
  topic: string,
  group: string,
  { ack, filter, from }: ConsumeFlags,
): Promise<void> {
  const mask = await ifAllowed(
    async () => {
      await bus.query(topic);
      return ack === true ? (await maskOf(bus, topic, group)) | Mask.ackRequired : null;
    },
    ack === true ? Mask.ackRequired : null,
  );
  if (mask === null && filter === undefined && from === undefined) return;
  await bus.declare(topic, {
    group,
    ...(mask === null ? {} : { mask }),
    ...(filter === undefined ? {} : { filter }),
    ...(from === undefined ? {} : { start: startAt(from) }),
  });
}

/** A token may allow to consume, and not to query. */
async function ifAllowed<Result>(ask: () => Promise<Result>, otherwise: Result): Promise<Result> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof ForbiddenError) return otherwise;
    throw error;
  }
}

async function maskOf(bus: Bus, topic: string, group: string): Promise<number> {
  try {
    return (await bus.query(topic, { group })).mask;
  } catch (error) {
    if (error instanceof NotFoundError) return 0;
    throw error;
  }
}

async function printAll(
  consumer: Consumer,
  countMax: number,
  idle: IdleTimer,
  printMessage: (message: ReceivedMessage) => Promise<void>,
): Promise<void> {
  const acknowledging = new Set<Promise<void>>();
  let count = 0;
  idle.restart();
  for await (const message of consumer) {
    await printMessage(message);
    const acknowledged = acknowledge(message).finally(() => acknowledging.delete(acknowledged));
    acknowledging.add(acknowledged);
    if (++count >= countMax) break;
    idle.restart();
  }
  await Promise.all(acknowledging);
}

async function acknowledge(message: ReceivedMessage): Promise<void> {
  try {
    await message.ack();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    note(`offset ${message.offset} was printed and could not be acknowledged: ${reason}`);
  }
}

/** Calls `onIdle` when nothing restarts it for `timeoutMs`; never without one. */
class IdleTimer {
  readonly #timeoutMs: number | undefined;
  readonly #onIdle: () => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(timeoutMs: number | undefined, onIdle: () => void) {
    this.#timeoutMs = timeoutMs;
    this.#onIdle = onIdle;
  }

  restart(): void {
    if (this.#timeoutMs === undefined) return;
    this.stop();
    this.#timer = setTimeout(this.#onIdle, this.#timeoutMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
