/**
 * `zbus group`: shows, declares, moves, pauses and removes consume groups. Added to the command
 * line by program.ts. Tables for people; --json prints what the broker answers.
 */
import { type Command, Option } from 'commander';
import type { Bus } from '../client/bus.js';
import type { GroupOptions, StartOptions } from '../client/declaration.js';
import type { GroupInfo } from '../client/info.js';
import { hasMask, Mask } from '../protocol/masks.js';
import { withBus } from './client-command.js';
import { confirm, type ConfirmFlags } from './confirm.js';
import type { ConnectionFlags } from './connection-options.js';
import { groupTable, groupText } from './group-text.js';
import { GROUP_MASKS, parseGroupMask } from './mask-names.js';
import { wholeNumber } from './option-values.js';
import { print, printJson } from './output.js';
import { parsePlace, type Place, PLACES, startAt } from './place.js';
import { subcommand } from './topic.js';

interface CommonFlags extends ConnectionFlags {
  readonly json?: boolean;
}

interface DeclareFlags extends CommonFlags {
  readonly mask?: number;
  readonly filter?: string;
  readonly ackWindow?: number;
  readonly ackTimeout?: number;
  readonly maxAttempts?: number;
  readonly deadTopic?: string;
  readonly from?: Place;
}

export function defineGroupCommand(command: Command): void {
  command.helpCommand(false);
  subcommand(command, 'list <topic>', 'the groups of a topic').action(list);
  subcommand(command, 'show <topic> <group>', 'a group and what its consumers hold').action(show);
  addDeclare(command);
  addSeek(command);
  subcommand(command, 'empty <topic> <group>', 'move a group to the end', { yes: true }).action(
    empty,
  );
  subcommand(command, 'remove <topic> <group>', 'remove a group', { yes: true }).action(remove);
  subcommand(command, 'pause <topic> <group>', 'deliver nothing to a group').action(
    (topic: string, group: string, flags: CommonFlags) => setPause(topic, group, flags, true),
  );
  subcommand(command, 'resume <topic> <group>', 'deliver again').action(
    (topic: string, group: string, flags: CommonFlags) => setPause(topic, group, flags, false),
  );
  addRedrive(command);
}

function addDeclare(parent: Command): void {
  const number = (flag: string, about: string, min: number): Option =>
    new Option(flag, about).argParser(wholeNumber(min));
  subcommand(parent, 'declare <topic> <group>', 'make a group, or change what the options name')
    .addOption(
      new Option('--mask <names>', 'between commas').choices(GROUP_MASKS).argParser(parseGroupMask),
    )
    .option('--filter <filter>', "on tags, such as 'paid.*'; empty: takes everything")
    .addOption(number('--ack-window <n>', 'messages in the hands of consumers at most', 1))
    .addOption(number('--ack-timeout <ms>', 'time in which a message must be acknowledged', 1))
    .addOption(number('--max-attempts <n>', 'deliveries after which it is dead; 0: no end', 0))
    .option('--dead-topic <topic>', 'where dead messages go')
    .addOption(
      new Option('--from <place>', `where it starts, or is moved to: ${PLACES}`).argParser(place),
    )
    .action(declare);
}

function addSeek(parent: Command): void {
  subcommand(parent, 'seek <topic> <group>', 'move a group that exists')
    .addOption(new Option('--to <place>', PLACES).argParser(place).makeOptionMandatory())
    .action(seek);
}

function addRedrive(parent: Command): void {
  subcommand(parent, 'redrive <topic> <group>', 'send the dead messages of a group back to it')
    .addOption(
      new Option('--limit <n>', 'at most so many (default: all)').argParser(wholeNumber(1)),
    )
    .action(redrive);
}

/** Commander hands over the value before, too. */
function place(text: string): Place {
  return parsePlace(text);
}

function list(topic: string, flags: CommonFlags): Promise<void> {
  return withBus(flags, async (bus) => {
    const { consumeGroupList } = await bus.query(topic);
    await (flags.json === true ? printJson(consumeGroupList) : print(groupTable(consumeGroupList)));
  });
}

function show(topic: string, group: string, flags: CommonFlags): Promise<void> {
  return withBus(flags, async (bus) => {
    await printGroup(await bus.query(topic, { group }), flags);
  });
}

function declare(topic: string, group: string, flags: DeclareFlags): Promise<void> {
  const { mask, filter, ackWindow, ackTimeout, maxAttempts, deadTopic, from } = flags;
  const options: GroupOptions & StartOptions = {
    ...(mask === undefined ? {} : { mask }),
    ...(filter === undefined ? {} : { filter }),
    ...(ackWindow === undefined ? {} : { ackWindow }),
    ...(ackTimeout === undefined ? {} : { ackTimeoutMs: ackTimeout }),
    ...(maxAttempts === undefined ? {} : { maxAttempts }),
    ...(deadTopic === undefined ? {} : { deadTopic }),
    ...(from === undefined ? {} : { start: startAt(from) }),
  };
  return withBus(flags, async (bus) => {
    // A declare would make the topic, too, which a mistyped name does not mean.
    await bus.query(topic);
    await printGroup(await bus.declare(topic, { group, ...options }), flags);
  });
}

function seek(topic: string, group: string, flags: CommonFlags & { to: Place }): Promise<void> {
  return withBus(flags, async (bus) => {
    await bus.query(topic, { group });
    await printGroup(await bus.declare(topic, { group, start: startAt(flags.to) }), flags);
  });
}

function empty(topic: string, group: string, flags: ConnectionFlags & ConfirmFlags): Promise<void> {
  return withBus(flags, async (bus, interrupted) => {
    const { messageCount } = await bus.query(topic, { group });
    const what = `moves group ${group} of topic ${topic} past ${messageCount} messages`;
    await confirm(what, flags, interrupted);
    await bus.empty(topic, { group });
  });
}

function remove(
  topic: string,
  group: string,
  flags: ConnectionFlags & ConfirmFlags,
): Promise<void> {
  return withBus(flags, async (bus, interrupted) => {
    const { messageCount, consumerCount } = await bus.query(topic, { group });
    const has = `with ${messageCount} messages to come and ${consumerCount} consumers`;
    await confirm(`removes group ${group} of topic ${topic} ${has}`, flags, interrupted);
    await bus.remove(topic, { group });
  });
}

function setPause(
  topic: string,
  group: string,
  flags: CommonFlags,
  paused: boolean,
): Promise<void> {
  return withBus(flags, async (bus) => {
    await printGroup(await withPause(bus, topic, group, paused), flags);
  });
}

/** Between query and declare another may change the mask: that change would be undone. */
async function withPause(
  bus: Bus,
  topic: string,
  group: string,
  paused: boolean,
): Promise<GroupInfo> {
  const info = await bus.query(topic, { group });
  if (hasMask(info.mask, Mask.pause) === paused) return info;
  return bus.declare(topic, { group, mask: info.mask ^ Mask.pause });
}

function redrive(
  topic: string,
  group: string,
  flags: CommonFlags & { readonly limit?: number },
): Promise<void> {
  return withBus(flags, async (bus) => {
    const { limit } = flags;
    const redriven = await bus.client.redrive(topic, {
      group,
      ...(limit === undefined ? {} : { limit }),
    });
    await (flags.json === true ? printJson({ redriven }) : print(`${redriven} sent back\n`));
  });
}

async function printGroup(group: GroupInfo, { json }: CommonFlags): Promise<void> {
  await (json === true ? printJson(group) : print(groupText(group)));
}
