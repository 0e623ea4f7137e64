/** What an application may declare of topics and groups, and the headers that say it. Pure. */
import { Header } from '../protocol/headers.js';
import { checkGroupName, checkId, checkTopicName, latin1Of } from '../protocol/names.js';
import { namingValue } from './requests.js';

/** What a topic is; options that are absent change nothing of one that is there. */
export interface TopicOptions {
  /** Sum of bits of Mask, such as `Mask.memory`; default of a new topic 0. */
  readonly topicMask?: number;
  /** The level of messages that ask for none; default: the broker's. */
  readonly ackLevel?: 'disk' | 'page' | 'none';
  /** What is deleted when (docs/operations.md, Retention); null keeps, whatever the broker says. */
  readonly retention?: {
    /** The oldest messages beyond so many bytes. */
    readonly bytes?: number | null;
    /** Messages stored longer ago than so many milliseconds. */
    readonly ageMs?: number | null;
    /** Messages that every group is done with. */
    readonly consumed?: boolean;
  };
}

/** What a consume group is; options that are absent change nothing of one that is there. */
export interface GroupOptions {
  /** Sum of bits of Mask, such as `Mask.ackRequired`. */
  readonly mask?: number;
  /** Takes messages by their tags: docs/protocol.md, Filters. Default: takes all. */
  readonly filter?: string;
  /** Messages in the hands of consumers at most, where they must acknowledge. Default 100. */
  readonly ackWindow?: number;
  /** Milliseconds in which a message must be acknowledged. Default 30,000. */
  readonly ackTimeoutMs?: number;
  /** Deliveries after which a message is dead; 0 (default): without end. */
  readonly maxAttempts?: number;
  /** Topic for dead messages, made when needed. Default: the topic's name with `.dead`. */
  readonly deadTopic?: string;
}

/**
 * Where a new group starts; moves one that exists. Absent, a new group starts where the group is
 * that has read furthest, or at the first message when there is none.
 */
export interface StartOptions {
  /**
   * Where the group `copyOf` of this topic is; at the message `offset`, which must have the id
   * `messageId` when one is given; or at the first message stored at or after `timeMs`,
   * milliseconds since 1970.
   */
  readonly start?:
    | { readonly copyOf: string }
    | { readonly offset: number; readonly messageId?: string }
    | { readonly timeMs: number };
}

const KEEP = 'none';

/** Throws BadRequestError. */
export function addDeclaration(
  headers: Map<string, string>,
  options: TopicOptions & GroupOptions & StartOptions,
): void {
  const set = (name: string, value: string | number | boolean | undefined): void => {
    if (value !== undefined) headers.set(name, String(value));
  };
  const { retention = {}, filter, deadTopic } = options;
  set(Header.topicMask, options.topicMask);
  set(Header.ackLevel, options.ackLevel);
  set(Header.retentionBytes, retention.bytes === null ? KEEP : retention.bytes);
  set(Header.retentionAgeMs, retention.ageMs === null ? KEEP : retention.ageMs);
  set(Header.retentionConsumed, retention.consumed);
  set(Header.groupMask, options.mask);
  set(
    Header.groupFilter,
    filter === undefined ? undefined : namingValue(Header.groupFilter, filter),
  );
  set(Header.groupAckWindow, options.ackWindow);
  set(Header.groupAckTimeout, options.ackTimeoutMs);
  set(Header.groupMaxAttempts, options.maxAttempts);
  set(
    Header.groupDeadTopic,
    deadTopic === undefined ? undefined : latin1Of(checkTopicName(deadTopic)),
  );
  addStart(set, options.start);
}

function addStart(
  set: (name: string, value: string | number | undefined) => void,
  start: StartOptions['start'],
): void {
  if (start === undefined) return;
  if ('copyOf' in start) {
    set(Header.groupStartCopy, latin1Of(checkGroupName(start.copyOf)));
  } else if ('offset' in start) {
    const { offset, messageId } = start;
    set(Header.groupStartOffset, offset);
    set(Header.groupStartMsgid, messageId === undefined ? undefined : checkId(latin1Of(messageId)));
  } else {
    set(Header.groupStartTime, start.timeMs);
  }
}
