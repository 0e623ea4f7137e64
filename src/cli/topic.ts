/**
 * `zbus topic`: shows, declares, removes, empties and pauses topics. Added to the command line by
 * program.ts. Tables for people; --json prints what the broker answers.
 */
import { type Command, Option } from 'commander';
import type { Bus } from '../client/bus.js';
import type { TopicOptions } from '../client/declaration.js';
import type { TopicInfo } from '../client/info.js';
import type { AskedLevel } from '../client/mq-client.js';
import { hasMask, Mask } from '../protocol/masks.js';
import { serverAddressText } from '../protocol/server-address.js';
import { withBus } from './client-command.js';
import { confirm, type ConfirmFlags } from './confirm.js';
import { addConnectionOptions, type ConnectionFlags } from './connection-options.js';
import { groupTable } from './group-text.js';
import { maskText, parseTopicMask, TOPIC_MASKS } from './mask-names.js';
import { ackLevelOption, sizeOrNone, wholeNumberOrNone } from './option-values.js';
import { print, printJson } from './output.js';
import { bytesText, listText, tableText, timeText } from './table.js';

interface CommonFlags extends ConnectionFlags {
  readonly json?: boolean;
}

interface DeclareFlags extends CommonFlags {
  readonly mask?: number;
  readonly ackLevel?: AskedLevel;
  readonly retentionBytes?: number | null;
  readonly retentionAgeMs?: number | null;
  readonly retentionConsumed?: boolean;
}

export function defineTopicCommand(command: Command): void {
  command.helpCommand(false);
  subcommand(command, 'list', 'all topics that one may see')
    .option('--all', 'of all servers that the broker is in touch with')
    .action(list);
  subcommand(command, 'show <topic>', 'a topic and its groups').action(show);
  addDeclare(command);
  subcommand(command, 'remove <topic>', 'remove a topic with all in it', { yes: true }).action(
    remove,
  );
  subcommand(command, 'empty <topic>', 'drop all messages of a topic', { yes: true }).action(empty);
  subcommand(command, 'pause <topic>', 'deliver nothing of a topic; produce goes on').action(
    (topic: string, flags: CommonFlags) => setPause(topic, flags, true),
  );
  subcommand(command, 'resume <topic>', 'deliver again').action(
    (topic: string, flags: CommonFlags) => setPause(topic, flags, false),
  );
}

/** A command below `topic` or `group`, with what all of these have. */
export function subcommand(
  parent: Command,
  nameAndArguments: string,
  description: string,
  { yes = false } = {},
): Command {
  const command = parent
    .command(nameAndArguments)
    .description(description)
    .allowExcessArguments(false);
  if (yes) command.option('--yes', 'do not ask');
  else command.option('--json', 'print the JSON of the broker');
  return addConnectionOptions(command);
}

function addDeclare(parent: Command): void {
  const about = 'make a topic, or change what the options name';
  subcommand(parent, 'declare <topic>', about)
    .addOption(
      new Option('--mask <names>', 'between commas').choices(TOPIC_MASKS).argParser(parseTopicMask),
    )
    .addOption(ackLevelOption('of messages that ask for none'))
    .addOption(
      new Option(
        '--retention-bytes <size>',
        'delete the oldest ones beyond this, such as 8MiB; none: keep, whatever the broker says',
      ).argParser(sizeOrNone(1)),
    )
    .addOption(
      new Option(
        '--retention-age-ms <ms>',
        'delete messages that are older; none: keep, whatever the broker says',
      ).argParser(wholeNumberOrNone(1)),
    )
    .option('--retention-consumed', 'delete what every group has consumed')
    .option('--no-retention-consumed', 'keep it, whatever the broker says')
    .action(declare);
}

function list(flags: CommonFlags & { readonly all?: boolean }): Promise<void> {
  const { all = false, json } = flags;
  return withBus(flags, async (bus) => {
    const servers = all ? Object.values((await bus.client.tracker()).serverTable) : [];
    if (!all) servers.push(await bus.query());
    const topics = servers.flatMap(({ topicTable }) => Object.values(topicTable));
    if (json === true) return printJson(topics);
    topics.sort((a, b) => (a.topicName < b.topicName ? -1 : 1));
    const head = ['TOPIC', 'MESSAGES', 'STORED', 'GROUPS', 'CONSUMERS', 'MASK', 'CREATED'];
    const rows = topics.map(topicRow);
    if (!all) return print(tableText(head, rows));
    const withServers = rows.map((row, i) => [serverOf(topics[i]), ...row]);
    return print(tableText(['SERVER', ...head], withServers));
  });
}

function topicRow(topic: TopicInfo): (string | number)[] {
  return [
    topic.topicName,
    topic.messageDepth,
    topic.storedBytes === undefined ? '-' : bytesText(topic.storedBytes),
    topic.consumeGroupList.length,
    topic.consumerCount,
    maskText(topic.mask),
    timeText(topic.createdTime),
  ];
}

function serverOf(topic: TopicInfo | undefined): string {
  return topic === undefined ? '' : serverAddressText(topic.serverAddress);
}

function show(topic: string, flags: CommonFlags): Promise<void> {
  return withBus(flags, async (bus) => {
    await printTopic(await bus.query(topic), flags);
  });
}

function declare(topic: string, flags: DeclareFlags): Promise<void> {
  const { mask, ackLevel, retentionBytes, retentionAgeMs, retentionConsumed } = flags;
  const options: TopicOptions = {
    ...(mask === undefined ? {} : { topicMask: mask }),
    ...(ackLevel === undefined ? {} : { ackLevel }),
    retention: {
      ...(retentionBytes === undefined ? {} : { bytes: retentionBytes }),
      ...(retentionAgeMs === undefined ? {} : { ageMs: retentionAgeMs }),
      ...(retentionConsumed === undefined ? {} : { consumed: retentionConsumed }),
    },
  };
  return withBus(flags, async (bus) => {
    await printTopic(await bus.declare(topic, options), flags);
  });
}

function remove(topic: string, flags: ConnectionFlags & ConfirmFlags): Promise<void> {
  return withBus(flags, async (bus, interrupted) => {
    const { messageDepth, consumeGroupList } = await bus.query(topic);
    const lost = `${messageDepth} messages and ${consumeGroupList.length} groups`;
    await confirm(`removes topic ${topic} with ${lost}`, flags, interrupted);
    await bus.remove(topic);
  });
}

function empty(topic: string, flags: ConnectionFlags & ConfirmFlags): Promise<void> {
  return withBus(flags, async (bus, interrupted) => {
    const { messageDepth } = await bus.query(topic);
    await confirm(`drops ${messageDepth} messages of topic ${topic}`, flags, interrupted);
    await bus.empty(topic);
  });
}

function setPause(topic: string, flags: CommonFlags, paused: boolean): Promise<void> {
  return withBus(flags, async (bus) => {
    await printTopic(await withPause(bus, topic, paused), flags);
  });
}

/** Between query and declare another may change the mask: that change would be undone. */
async function withPause(bus: Bus, topic: string, paused: boolean): Promise<TopicInfo> {
  const info = await bus.query(topic);
  if (hasMask(info.mask, Mask.pause) === paused) return info;
  return bus.declare(topic, { topicMask: info.mask ^ Mask.pause });
}

function offsetsText(first: number, count: number): string {
  return count === 0 ? `none, the next is ${first}` : `${first} to ${first + count - 1}`;
}

async function printTopic(info: TopicInfo, { json }: CommonFlags): Promise<void> {
  if (json === true) return printJson(info);
  const { firstOffset, storedBytes, retention, consumeGroupList } = info;
  const text = listText([
    ['topic', info.topicName],
    ['mask', maskText(info.mask)],
    ['messages', info.messageDepth],
    ['offsets', firstOffset === undefined ? null : offsetsText(firstOffset, info.messageDepth)],
    ['stored', storedBytes === undefined ? null : bytesText(storedBytes)],
    ['retention', retention === undefined ? 'keeps everything' : retentionText(retention)],
    ['lost', info.lostCount ?? null],
    ['read-only', info.readOnly === true ? 'the disk failed: restart the broker' : null],
    ['consumers', info.consumerCount],
    ['created', timeText(info.createdTime)],
    ['changed', timeText(info.lastUpdatedTime)],
  ]);
  await print(consumeGroupList.length === 0 ? text : `${text}\n${groupTable(consumeGroupList)}`);
}

function retentionText(rule: NonNullable<TopicInfo['retention']>): string {
  const rules = [
    ...(rule.bytes === null ? [] : [`beyond ${bytesText(rule.bytes)}`]),
    ...(rule.ageMs === null ? [] : [`older than ${rule.ageMs} ms`]),
    ...(rule.consumed ? ['consumed by all groups'] : []),
  ];
  return rules.length === 0 ? 'keeps everything' : `deletes what is ${rules.join(' or ')}`;
}
