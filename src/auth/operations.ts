/**
 * What a token can be given: the operations of the zbus family, and THE table that says which one
 * each command needs and of what. Used by the broker to decide on a request, by the token file and
 * the cli to check what a person wrote. docs/operations.md, Tokens, states the table for users.
 */
import { CommandName } from '../protocol/commands.js';

export const operations = [
  'produce',
  'consume',
  'rpc',
  'route',
  'declare',
  'query',
  'empty',
  'remove',
  'server',
  'tracker',
  'track_sub',
  'track_pub',
  'ssl',
  'admin',
] as const;

export type Operation = (typeof operations)[number];

/** Stands for every operation in a token. */
export const EVERY_OPERATION = '*';

/** What of the names in a request must be within the token's topics and groups. */
export const Scope = {
  /** The request names nothing that is looked at. */
  none: 'none',
  topic: 'topic',
  /** The topic and its group; the group is named like the topic when the request names none. */
  group: 'group',
  /** The topic, and the group if one is named. */
  namedGroup: 'namedGroup',
  /** As namedGroup, but without a group it concerns all of them, so the token must too. */
  everyGroup: 'everyGroup',
} as const;
export type Scope = (typeof Scope)[keyof typeof Scope];

export interface Rule {
  /** null: needs no token. */
  readonly operation: Operation | null;
  readonly scope: Scope;
}

type Command = (typeof CommandName)[keyof typeof CommandName];

function rule(operation: Operation | null, scope: Scope = Scope.none): Rule {
  return { operation, scope };
}

/** A record and not a map, so that a command without a rule does not compile. */
const RULES: Readonly<Record<Command, Rule>> = {
  [CommandName.produce]: rule('produce', Scope.topic),
  [CommandName.consume]: rule('consume', Scope.group),
  [CommandName.unconsume]: rule('consume', Scope.group),
  [CommandName.ack]: rule('consume', Scope.group),
  [CommandName.nack]: rule('consume', Scope.group),
  [CommandName.renew]: rule('consume', Scope.group),
  // It moves what a group gets, as a declare with group_start_offset does.
  [CommandName.redrive]: rule('declare', Scope.group),
  [CommandName.declare]: rule('declare', Scope.namedGroup),
  [CommandName.query]: rule('query', Scope.namedGroup),
  [CommandName.empty]: rule('empty', Scope.everyGroup),
  [CommandName.remove]: rule('remove', Scope.everyGroup),
  [CommandName.rpc]: rule('rpc', Scope.topic),
  [CommandName.route]: rule('route'),
  [CommandName.server]: rule('server'),
  [CommandName.tracker]: rule('tracker'),
  [CommandName.trackSub]: rule('track_sub'),
  [CommandName.trackPub]: rule('track_pub'),
  [CommandName.ssl]: rule('ssl'),
  [CommandName.monitor]: rule('server'),
  [CommandName.history]: rule('server'),
  [CommandName.metrics]: rule('server'),
  // Whoever restarts a broker that does not answer has no token, and learns nothing else.
  [CommandName.health]: rule(null),
  [CommandName.ready]: rule(null),
  // As reading one message by its offset.
  [CommandName.browse]: rule('consume', Scope.group),
  [CommandName.ping]: rule(null),
  [CommandName.heartbeat]: rule(null),
  // The page decides itself: without a token it is the form to log in.
  [CommandName.home]: rule(null),
  [CommandName.login]: rule(null),
  [CommandName.logout]: rule(null),
};

const rules: ReadonlyMap<string, Rule> = new Map(Object.entries(RULES));

/** The rule of a command; undefined for what is none. */
export function ruleOf(command: string): Rule | undefined {
  return rules.get(command);
}
