/**
 * What the monitor's commands answer, as JSON (docs/monitor.md): types alone, for the broker that
 * writes them and the page that reads them. Times ending in `AtMs` are milliseconds since 1970 by
 * the broker's clock, `Ms` durations; rates are per second.
 */

import type { RpcFigures } from '../broker/rpc/rpc-figures.js';

/** Answer to `monitor`: whole when it begins and on each new link, then once a second. */
export interface MonitorState {
  /** Whole: forget everything before. Else `topics` holds only those that have changed. */
  readonly whole: boolean;
  /** When it was taken. */
  readonly atMs: number;
  readonly server: ServerState;
  readonly alarms: readonly Alarm[];
  /** New or changed, whole each. */
  readonly topics: readonly TopicState[];
  /** Names of topics that are gone. */
  readonly removed: readonly string[];
  /** Of whoever asks; absent unless `whole`. */
  readonly access?: Access;
}

/** What the token of whoever asks allows. */
export interface Access {
  /** Name of the token; null on a broker without tokens. */
  readonly tokenName: string | null;
  /** Names of operations, `*` for all (docs/operations.md, Tokens). */
  readonly operations: readonly string[];
}

export interface ServerState {
  /** `host:port` as its clients are told. */
  readonly address: string;
  readonly sslEnabled: boolean;
  readonly version: string;
  readonly startedAtMs: number;
  readonly rates: Rates;
  readonly topicCount: number;
  readonly connectionCount: number;
  /** Messages that groups have not been given, in all. */
  readonly backlogCount: number;
  readonly inFlightCount: number;
  /** Of all topics. */
  readonly storedBytes: number;
  /** Of the file system of the data folder; null while unknown, and in memory. */
  readonly disk: { readonly freeBytes: number; readonly totalBytes: number } | null;
  readonly memoryBytes: number;
  /** Share of time in which the event loop was busy, 0 to 1, in the last second. */
  readonly loopBusy: number;
  /** What is deleted without being asked, in words; null: nothing. */
  readonly retention: string | null;
}

/** Per second, over the last one. */
export interface Rates {
  readonly produced: number;
  readonly producedBytes: number;
  readonly delivered: number;
  /** Calls that have ended, well or not. */
  readonly rpc: number;
}

export interface TopicState {
  readonly name: string;
  readonly mask: number;
  readonly createdAtMs: number;
  /** Messages kept. */
  readonly messageCount: number;
  readonly storedBytes: number;
  readonly firstOffset: number;
  readonly nextOffset: number;
  readonly rates: Rates;
  readonly groups: readonly GroupState[];
  /** Calls since the broker started; null unless the topic has the rpc mask. */
  readonly rpc: RpcState | null;
  /** Messages known lost to damaged blocks. */
  readonly lostCount: number;
  /** The disk failed under it. */
  readonly readOnly: boolean;
}

export interface GroupState {
  readonly name: string;
  readonly mask: number;
  readonly filter: string;
  /** The next message that it has not been given. */
  readonly position: number;
  /** Not given to it yet, or to be given again; the filter is not looked at. */
  readonly backlogCount: number;
  /** In the hands of consumers. */
  readonly inFlightCount: number;
  /** How long the oldest of them has been; null without any, and without acks. */
  readonly oldestInFlightMs: number | null;
  /** `address:port` of each. */
  readonly consumers: readonly string[];
  readonly explicitAcks: boolean;
  readonly paused: boolean;
  /** Topic that its dead letters go to; '' without explicit acks. */
  readonly deadTopic: string;
  readonly redeliveredCount: number;
  readonly deadCount: number;
  /** Deleted before the group was done with them. */
  readonly lostCount: number;
}

export interface RpcState extends Readonly<RpcFigures> {
  /** No service has them. */
  readonly queuedCount: number;
  /** A service has them, and has not answered. */
  readonly inHandCount: number;
}

export type AlarmCode =
  | 'read-only-topic'
  | 'damaged-topic'
  | 'low-disk'
  | 'slow-consumers'
  | 'lost-messages'
  | 'dead-letters';

export interface Alarm {
  readonly level: 'critical' | 'warning';
  readonly code: AlarmCode;
  /** What is wrong. */
  readonly text: string;
  readonly whatToDo: string;
  readonly topic: string | null;
  readonly group: string | null;
}

/** Answer to `history`, of the server or with `topic` of one. Oldest first, gaps are null. */
export interface History {
  /** The last five minutes. */
  readonly fine: Series;
  /** The last hour; null for a topic. */
  readonly coarse: Series | null;
}

/** Arrays of equal length. */
export interface Series {
  readonly stepMs: number;
  /** Of the first value. */
  readonly firstAtMs: number;
  readonly produced: readonly (number | null)[];
  readonly delivered: readonly (number | null)[];
  readonly rpc: readonly (number | null)[];
  readonly backlogCount: readonly (number | null)[];
}

/** Answer to `browse`: messages as they lie in the log; nothing is consumed. */
export interface Browsed {
  readonly firstOffset: number;
  readonly nextOffset: number;
  /** In the order of the direction asked for. */
  readonly messages: readonly BrowsedMessage[];
  /** Where to go on with `offset`, in the same direction; null when the log ends there. */
  readonly continueAt: number | null;
  readonly scannedCount: number;
}

export interface BrowsedMessage {
  readonly offset: number;
  readonly storedAtMs: number;
  readonly id: string;
  readonly tag: string;
  /** By name; bytes of UTF-8 are decoded. */
  readonly headers: Readonly<Record<string, string>>;
  readonly bodyBytes: number;
  /** The body, or its beginning where `bodyBytes` says more. */
  readonly body: string;
  /** base64 when the bytes are no UTF-8. */
  readonly encoding: 'utf8' | 'base64';
  readonly truncated: boolean;
}
