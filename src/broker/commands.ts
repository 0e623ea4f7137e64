/**
 * The one table from command to handler. A handler answers or silences its call, now or later, or
 * throws a ZbusError, which Broker answers. One that returns a promise holds back the later
 * requests of its session until the promise is settled, so that a produce behind a declare finds
 * the topic.
 */
import { NotFoundError } from '../errors.js';
import type { LimitReports } from '../limit-reports.js';
import { CommandName } from '../protocol/commands.js';
import { Header } from '../protocol/headers.js';
import type { Tracker } from '../tracker/tracker.js';
import { ack, nack, renew } from './acknowledge.js';
import type { Call } from './call.js';
import { consume, unconsume } from './consume.js';
import { declare, ensure } from './declare.js';
import { redrive } from './dead-letters.js';
import type { Exchange } from './exchange.js';
import { groupDetail, groupInfo, type ServerIdentity, serverInfo, topicInfo } from './info.js';
import { type AskedLevel, produce } from './produce.js';
import { callByPath, callService, route, rpc } from './rpc/rpc-commands.js';
import type { RpcCalls } from './rpc/rpc-calls.js';
import type { TopicTable } from './topic-table.js';
import { trackerTable, trackPub, trackSub } from './track-commands.js';
import { type Topic, topicNotFound } from './topic.js';

/** What the handlers need of the broker. */
export interface CommandContext {
  readonly topics: TopicTable;
  readonly calls: RpcCalls;
  readonly identity: ServerIdentity;
  readonly infoVersion: number;
  readonly ackLevel: AskedLevel;
  readonly autoCreateTopics: boolean;
  readonly pages: Pages;
  readonly limits: LimitReports;
  readonly tracker: Tracker;
  readonly monitor: MonitorCommands;
}

/** What the page shows, and others who watch: docs/monitor.md. */
export interface MonitorCommands {
  readonly monitor: (call: Call) => void;
  readonly history: (call: Call) => void;
  readonly browse: (call: Call) => void | Promise<void>;
}

/** What is answered to people; each answers the exchange. */
export interface Pages {
  readonly home: (exchange: Exchange) => void;
  /** Hands out the cookie of the token in the body. */
  readonly login: (exchange: Exchange) => void;
  readonly logout: (exchange: Exchange) => void;
  /** For Prometheus. */
  readonly metrics: (exchange: Exchange) => void;
}

const PEM_LINES = 'content-type: application/x-pem-file\r\n';
/** How lists of servers mark an address that speaks TLS. */
const SSL_PREFIX = /^\[SSL\]/i;

export type Handler = (broker: CommandContext, call: Call) => void | Promise<void>;

export const commands: ReadonlyMap<string, Handler> = new Map<string, Handler>([
  [CommandName.produce, produceTo],
  [CommandName.consume, consumeFrom],
  [CommandName.unconsume, onTopic(unconsume)],
  [CommandName.ack, onTopic(ack)],
  [CommandName.nack, onTopic(nack)],
  [CommandName.renew, onTopic(renew)],
  [CommandName.redrive, sendBack],
  [CommandName.declare, declareAndShow],
  [CommandName.query, query],
  [CommandName.remove, remove],
  [CommandName.empty, empty],
  [CommandName.rpc, rpc],
  [CommandName.route, route],
  [CommandName.server, server],
  [CommandName.tracker, trackerTable],
  [CommandName.trackSub, trackSub],
  [CommandName.trackPub, trackPub],
  [CommandName.ssl, ssl],
  [CommandName.monitor, watch('monitor')],
  [CommandName.history, watch('history')],
  [CommandName.browse, watch('browse')],
  [CommandName.metrics, page('metrics')],
  [CommandName.health, state('ok')],
  [CommandName.ready, state('ready')],
  [CommandName.ping, ping],
  [CommandName.heartbeat, heartbeat],
  [CommandName.home, page('home')],
  [CommandName.login, page('login')],
  [CommandName.logout, page('logout')],
]);

/** undefined when the command is unknown, and the path names no topic that carries RPC. */
export function handlerOf(broker: CommandContext, call: Call): Handler | undefined {
  return commands.get(call.command.cmd) ?? callByPath(broker, call);
}

function produceTo(broker: CommandContext, call: Call): void | Promise<void> {
  const name = call.topic;
  const topic = broker.topics.find(name);
  if (topic?.desk) {
    callService(broker, call, topic, topic.desk);
    return;
  }
  if (topic !== undefined) return produce(call, topic, broker.ackLevel, broker.identity.address);
  return autoCreated(broker, call, (created) =>
    produce(call, created, broker.ackLevel, broker.identity.address),
  );
}

function consumeFrom(broker: CommandContext, call: Call): void | Promise<void> {
  const topic = broker.topics.find(call.topic);
  const { group } = call;
  const missing = topic === undefined || (group !== undefined && !topic.findGroup(group));
  if (topic === undefined || (missing && broker.autoCreateTopics)) {
    return autoCreated(broker, call, (created) => {
      consume(call, created);
    });
  }
  consume(call, topic);
}

/** Makes the topic and group of the call, when the server may; else throws NotFoundError. */
async function autoCreated(
  broker: CommandContext,
  call: Call,
  then: (topic: Topic) => void | Promise<void>,
): Promise<void> {
  const { topic: name, group } = call;
  if (!broker.autoCreateTopics) throw topicNotFound(name);
  await then(await broker.topics.exclusively(name, () => ensure(broker.topics, name, group)));
}

/** A command on a topic that exists. */
function onTopic(command: (call: Call, topic: Topic) => void): Handler {
  return (broker, call) => {
    command(call, broker.topics.get(call.topic));
  };
}

async function sendBack(broker: CommandContext, call: Call): Promise<void> {
  const limit = call.number(Header.limit) ?? Infinity;
  const { group } = call;
  const redriven = await broker.topics.exclusively(call.topic, () => {
    const topic = broker.topics.get(call.topic);
    return redrive(broker.topics, topic, topic.group(group ?? topic.name), limit);
  });
  call.json({ redriven });
}

async function declareAndShow(broker: CommandContext, call: Call): Promise<void> {
  const { topic, group } = await broker.topics.exclusively(call.topic, () =>
    declare(call, broker.topics),
  );
  call.json(
    group === null ? topicInfo(topic, broker.identity, call.grant) : groupInfo(topic, group),
  );
}

function query(broker: CommandContext, call: Call): void {
  if (!call.namesTopic) {
    server(broker, call);
    return;
  }
  const topic = broker.topics.get(call.topic);
  const { group } = call;
  call.json(
    group === undefined
      ? topicInfo(topic, broker.identity, call.grant)
      : groupDetail(topic, topic.group(group)),
  );
}

async function remove(broker: CommandContext, call: Call): Promise<void> {
  const { group } = call;
  await broker.topics.exclusively(call.topic, async () => {
    const topic = broker.topics.get(call.topic);
    if (group === undefined) await broker.topics.remove(topic);
    else await topic.removeGroup(topic.group(group));
  });
  call.ok('', String(Date.now()));
}

async function empty(broker: CommandContext, call: Call): Promise<void> {
  const { group } = call;
  await broker.topics.exclusively(call.topic, async () => {
    const topic = broker.topics.get(call.topic);
    if (group === undefined) await topic.empty();
    else topic.group(group).moveTo(topic.queue.nextOffset);
  });
  call.ok('', String(Date.now()));
}

function server(broker: CommandContext, call: Call): void {
  const { topics, identity, infoVersion, calls } = broker;
  const { counts } = broker.limits;
  call.json(serverInfo(topics, identity, infoVersion, calls.strayCount, counts, call.grant));
}

/** The certificate of a server, for clients that know no other way to trust it. */
function ssl({ identity }: CommandContext, call: Call): void {
  const asked = call.get(Header.server) ?? '';
  const address = asked.replace(SSL_PREFIX, '');
  const own = address === '' || address.toLowerCase() === identity.address.toLowerCase();
  if (!own || identity.certificatePem === null) {
    throw new NotFoundError(`Certificate(${asked === '' ? identity.address : asked}) not found`);
  }
  call.ok(PEM_LINES, identity.certificatePem);
}

function ping(_broker: CommandContext, call: Call): void {
  if (call.quiet) call.exchange.silence();
  else call.exchange.answerPlain(200, '', 'OK');
}

/** Answered while the broker serves: it listens once its topics are open. */
function state(text: string): Handler {
  return (_broker, call) => {
    call.exchange.answerPlain(200, 'cache-control: no-store\r\n', text);
  };
}

function heartbeat(_broker: CommandContext, call: Call): void {
  call.exchange.silence();
}

function watch(name: keyof MonitorCommands): Handler {
  return (broker, call) => broker.monitor[name](call);
}

function page(name: keyof Pages): Handler {
  return (broker, call) => {
    broker.pages[name](call.exchange);
  };
}
