/** What the broker tells of itself: its JSON (docs/protocol.md, JSON), as types. */

import type { ServerAddress } from '../protocol/server-address.js';

export type { ServerAddress };

export interface GroupInfo {
  readonly topicName: string;
  readonly groupName: string;
  readonly mask: number;
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
  /** These only where consumers must acknowledge. */
  readonly ackWindow?: number;
  readonly ackTimeoutMs?: number;
  readonly maxAttempts?: number;
  readonly deadTopic?: string;
  readonly settledOffset?: number;
  readonly nextOffset?: number;
  readonly inFlightCount?: number;
  readonly returnedCount?: number;
  readonly redeliveredCount?: number;
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
  readonly inHandCount: number;
  readonly requestBytes: number;
  readonly answeredCount: number;
  readonly timedOutCount: number;
  readonly unservedCount: number;
  readonly failedCount: number;
  readonly abandonedCount: number;
  readonly refusedCount: number;
  readonly retriedCount: number;
  /** Answers that came when their calls had ended. */
  readonly lateCount: number;
}

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
  readonly rpc?: RpcInfo;
  readonly retention?: {
    readonly bytes: number | null;
    readonly ageMs: number | null;
    readonly consumed: boolean;
  };
  /** Of the first message kept; the next one gets `firstOffset + messageDepth`. */
  readonly firstOffset?: number;
  readonly storedBytes?: number;
  readonly lostCount?: number;
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
