/**
 * What a declare says of a consume group, checked and read from its headers. Used by declare alone;
 * the headers are described in docs/protocol.md, declare.
 */
import { BadRequestError } from '../errors.js';
import { Header } from '../protocol/headers.js';
import { decodeValue } from '../protocol/names.js';
import type { Call } from './call.js';
import { deadTopicName } from './dead-letter-name.js';
import type { GroupDefinition } from './topic-definition.js';

/** Nothing but what the request sets. */
export type Settings = Partial<
  Pick<
    GroupDefinition,
    'mask' | 'filter' | 'ackWindow' | 'ackTimeoutMs' | 'maxAttempts' | 'deadTopic'
  >
>;

const WINDOW_MAX = 65_535;
const ATTEMPTS_MAX = 1_000_000;
/** A timer holds 31 bits of milliseconds. */
const TIMEOUT_MAX_MS = 2 ** 31 - 1;

/** Throws BadRequestError. */
export function groupSettings(call: Call): Settings {
  const mask = call.mask(Header.groupMask);
  const filter = call.filter();
  const ackWindow = numberIn(call, Header.groupAckWindow, 1, WINDOW_MAX);
  const ackTimeoutMs = numberIn(call, Header.groupAckTimeout, 1, TIMEOUT_MAX_MS);
  const maxAttempts = numberIn(call, Header.groupMaxAttempts, 0, ATTEMPTS_MAX);
  const deadTopic = deadTopicOf(call);
  // A name made of the topic's is checked where the group is told to use it.
  if (maxAttempts !== undefined && maxAttempts > 0) deadTopicName(call.topic, deadTopic ?? '');
  return {
    ...(mask === undefined ? {} : { mask }),
    ...(filter === undefined ? {} : { filter }),
    ...(ackWindow === undefined ? {} : { ackWindow }),
    ...(ackTimeoutMs === undefined ? {} : { ackTimeoutMs }),
    ...(maxAttempts === undefined ? {} : { maxAttempts }),
    ...(deadTopic === undefined ? {} : { deadTopic }),
  };
}

/** '' for the topic's name with `.dead`. */
function deadTopicOf(call: Call): string | undefined {
  const value = call.command.encoded(Header.groupDeadTopic);
  if (value === undefined || value === '') return value;
  return deadTopicName(call.topic, decodeValue(value));
}

function numberIn(call: Call, name: string, min: number, max: number): number | undefined {
  const number = call.number(name);
  if (number === undefined || (number >= min && number <= max)) return number;
  throw new BadRequestError(`Bad ${name} "${number}": must be from ${min} to ${max}`);
}
