/**
 * The commands ack, nack and renew: what a consumer says of messages that it was given by a group
 * with explicit acks.
 */
import { BadRequestError, ConflictError } from '../errors.js';
import { Header } from '../protocol/headers.js';
import { type OffsetRange, offsetList, parseOffsets } from '../protocol/offsets.js';
import type { Call } from './call.js';
import type { ConsumeGroup } from './group.js';
import type { Topic } from './topic.js';

/** Offsets that an error names at most. */
const NAMED_MAX = 10;
/** A longer list of them is not sent: some clients read no more of a head than twice this. */
const LIST_BYTES_MAX = 8 * 1024;

/** Answers once the acks are stored. */
export function ack(call: Call, topic: Topic): void {
  const group = groupOf(call, topic);
  group.ack(call.exchange.session, offsets(call), (error, refused) => {
    if (error !== null) call.fail(error);
    else answer(call, group, refused);
  });
}

export function nack(call: Call, topic: Topic): void {
  const group = groupOf(call, topic);
  const delayMs = call.number(Header.delay) ?? 0;
  answer(call, group, group.nack(call.exchange.session, offsets(call), delayMs));
}

export function renew(call: Call, topic: Topic): void {
  const group = groupOf(call, topic);
  answer(call, group, group.renew(call.exchange.session, offsets(call)));
}

function groupOf(call: Call, topic: Topic): ConsumeGroup {
  return topic.group(call.group ?? topic.name);
}

function offsets(call: Call): readonly OffsetRange[] {
  const name = call.get(Header.offsets) === undefined ? Header.offset : Header.offsets;
  const value = call.get(name);
  if (value === undefined) throw new BadRequestError('Missing offset');
  return parseOffsets(name, value);
}

function answer(call: Call, group: ConsumeGroup, refused: readonly number[]): void {
  if (refused.length === 0) {
    call.ok('', String(Date.now()));
    return;
  }
  const more = refused.length > NAMED_MAX ? ` and ${refused.length - NAMED_MAX} more` : '';
  const why = group.explicit
    ? 'acknowledged, given to another consumer, or waiting to be'
    : 'the group acknowledges by itself, declare it with group_mask 64';
  const named = refused.slice(0, NAMED_MAX).join(', ');
  const text = `ConsumeGroup(${group.name}): not in your hands: ${named}${more} (${why})`;
  const list = offsetList(refused);
  call.fail(new ConflictError(text, list.length > LIST_BYTES_MAX ? {} : { offsets: list }));
}
