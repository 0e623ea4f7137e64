/** What the broker tells of itself: its JSON (docs/protocol.md, JSON), as types. */

import type { ServerAddress } from '../protocol/server-address.js';

export type { ServerAddress };

/** A consume group. Times are milliseconds since 1970. */
export interface GroupInfo {
  readonly topicName: string;
  readonly groupName: string;
  /** Sum of bits of Mask. */
  readonly mask: number;
  /** '' takes every message. */
  readonly filter: string;
  /** Not yet delivered, or to be delivered again; the filter is not looked at. */
  readonly messageCount: number;
  readonly consumerCount: number;
  /** `address:port` of each; null when there is none. */
  readonly consumerList: readonly string[] | null;
  readonly creator: string;
  readonly createdTime: number;
  readonly lastUpdatedTime: number;
  /** Messages deleted before the group was done with them. */
  readonly lostCount?: number;
  /** The rest only where consumers must acknowledge. Messages in their hands at most. */
  readonly ackWindow?: number;
  readonly ackTimeoutMs?: number;
  readonly maxAttempts?: number;
  readonly deadTopic?: string;
  /** All before it is done with. */
  readonly settledOffset?: number;
  /** Of the next message that was never delivered. */
  readonly nextOffset?: number;
  /** Delivered and not acknowledged. */
  readonly inFlightCount?: number;
  /** Came back, to be delivered again. */
  readonly returnedCount?: number;
  /** Deliveries of messages that came back, since the broker started. */
  readonly redeliveredCount?: number;
  /** Messages that died, since the broker started. */
  readonly deadCount?: number;
  /** These only in the answer about one group. */
  readonly inFlight?: readonly {
    readonly offset: number;
    readonly retry: number;
    readonly consumer: string;
    readonly timeoutInMs: number;
  }[];
  readonly returned?: readonly {
    readonly offset: number;
    readonly retry: number;
    readonly dueInMs: number;
  }[];
}

/** The calls of a topic with the rpc mask; counts of ended ones are since the broker started. */
export interface RpcInfo {
  /** No service has them. */
  readonly queuedCount: number;
  /** A service has them, and has not answered. */
  readonly inHandCount: number;
  /** Of requests that are kept: queued, or to be handed out again. */
  readonly requestBytes: number;
  readonly answeredCount: number;
  /** No answer came in time. */
  readonly timedOutCount: number;
  /** No service was there, or came in time. */
  readonly unservedCount: number;
  /** The service went away with the call. */
  readonly failedCount: number;
  /** The caller was gone before the answer. */
  readonly abandonedCount: number;
  /** Not taken: too many were unanswered. */
  readonly refusedCount: number;
  /** Handed out again, their service having gone. */
  readonly retriedCount: number;
  /** Answers that came when their calls had ended. */
  readonly lateCount: number;
}

/** A topic. Times are milliseconds since 1970. */
export interface TopicInfo {
  readonly serverAddress: ServerAddress;
  readonly serverVersion: string;
  readonly topicName: string;
  readonly mask: number;
  /** Messages kept. */
  readonly messageDepth: number;
  readonly consumerCount: number;
  readonly consumeGroupList: readonly GroupInfo[];
  readonly creator: string;
  readonly createdTime: number;
  readonly lastUpdatedTime: number;
  /** Only of a topic that carries RPC. */
  readonly rpc?: RpcInfo;
  /** What is deleted of it, in effect; absent when it keeps everything. */
  readonly retention?: {
    readonly bytes: number | null;
    readonly ageMs: number | null;
    readonly consumed: boolean;
  };
  /** Of the first message kept; the next one gets `firstOffset + messageDepth`. */
  readonly firstOffset?: number;
  /** On disk, or in memory. */
  readonly storedBytes?: number;
  /** Messages known lost to damage of the disk. */
  readonly lostCount?: number;
  /** The disk failed: no produce until the broker restarts. */
  readonly readOnly?: true;
}

export interface ServerInfo {
  readonly serverAddress: ServerAddress;
  readonly serverVersion: string;
  readonly infoVersion: number;
  readonly trackerList: readonly ServerAddress[];
  readonly topicTable: Readonly<Record<string, TopicInfo>>;
}

/** What a tracker knows: every server that it is in touch with, by its address. */
export interface TrackerInfo {
  readonly serverAddress: ServerAddress;
  readonly serverVersion: string;
  readonly infoVersion: number;
  /** In a change only those that are new or have changed. */
  readonly serverTable: Readonly<Record<string, ServerInfo>>;
  /** Only in a change: servers that are gone. */
  readonly removedList?: readonly string[];
}
