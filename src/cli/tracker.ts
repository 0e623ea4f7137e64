/**
 * `zbus tracker`: shows what a broker knows of the servers that are in touch with it. Added to the
 * command line by program.ts. Tables for people; --json prints what the broker answers.
 */
import type { Command } from 'commander';
import type { ServerInfo } from '../client/info.js';
import { serverAddressText } from '../protocol/server-address.js';
import { withBus } from './client-command.js';
import type { ConnectionFlags } from './connection-options.js';
import { print, printJson } from './output.js';
import { tableText, timeText } from './table.js';
import { subcommand } from './topic.js';

export function defineTrackerCommand(command: Command): void {
  command.helpCommand(false);
  subcommand(command, 'status', 'the servers that a broker is in touch with').action(status);
}

function status(flags: ConnectionFlags & { readonly json?: boolean }): Promise<void> {
  return withBus(flags, async (bus) => {
    const table = await bus.client.tracker();
    if (flags.json === true) return printJson(table);
    const asked = serverAddressText(table.serverAddress);
    const servers = Object.entries(table.serverTable).sort(([a], [b]) => (a < b ? -1 : 1));
    const rows = servers.map(([key, server]) => rowOf(key, server, asked));
    const head = ['SERVER', 'VERSION', 'TOPICS', 'MESSAGES', 'CONSUMERS', 'JOINS', 'CHANGED'];
    await print(tableText(head, rows));
  });
}

function rowOf(key: string, server: ServerInfo, asked: string): (string | number)[] {
  const topics = Object.values(server.topicTable);
  const sum = (figures: number[]): number => figures.reduce((all, one) => all + one, 0);
  return [
    key === asked ? `${key} (asked)` : key,
    server.serverVersion,
    topics.length,
    sum(topics.map(({ messageDepth }) => messageDepth)),
    sum(topics.map(({ consumerCount }) => consumerCount)),
    server.trackerList.map(serverAddressText).join(' ') || '-',
    // The version of what a server tells is the time at which it told it.
    timeText(server.infoVersion),
  ];
}
