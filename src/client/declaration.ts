/** What an application may declare of topics and groups, and the headers that say it. Pure. */
import { Header } from '../protocol/headers.js';
import { checkGroupName, checkId, checkTopicName, latin1Of } from '../protocol/names.js';
import { namingValue } from './requests.js';

export interface TopicOptions {
  /** Sum of bits of Mask. */
  readonly topicMask?: number;
  /** The level of messages that ask for none. */
  readonly ackLevel?: 'disk' | 'page' | 'none';
  /** What is deleted when (docs/operations.md, Retention); null keeps, whatever the broker says. */
  readonly retention?: {
    readonly bytes?: number | null;
    readonly ageMs?: number | null;
    readonly consumed?: boolean;
  };
}

export interface GroupOptions {
  /** Sum of bits of Mask, such as `Mask.ackRequired`. */
  readonly mask?: number;
  /** On tags: docs/protocol.md, Filters. */
  readonly filter?: string;
  /** Messages in the hands of consumers at most, where they must acknowledge. */
  readonly ackWindow?: number;
  /** Milliseconds in which a message must be acknowledged. */
  readonly ackTimeoutMs?: number;
  /** Deliveries after which a message is dead; 0: without end. */
  readonly maxAttempts?: number;
  readonly deadTopic?: string;
}

/** Where a new group starts; moves one that exists. */
export interface StartOptions {
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
