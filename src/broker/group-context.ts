/** What a consume group is made with: shared by topic.ts, which has it, and group.ts. */
import type { Clock } from '../clock.js';
import type { Queue } from '../queue/queue.js';
import type { Turn } from '../turn.js';
import type { BatchBudget } from './batch-budget.js';
import type { ConsumeGroup } from './group.js';
import type { Lease } from './lease.js';
import type { RpcDesk } from './rpc/rpc-desk.js';
import type { TrafficCounts } from './traffic-counts.js';

/** What a group needs of its topic and broker. */
export interface GroupContext {
  readonly queue: Queue;
  readonly turn: Turn;
  readonly clock: Clock;
  readonly budget: BatchBudget;
  /** Of the topic. */
  readonly traffic: TrafficCounts;
  /** Of a topic with the rpc mask: calls are handed out, and no messages. */
  readonly desk: RpcDesk | null;
  /** Mask of the topic. */
  readonly topicMask: () => number;
  /** A consumer came or went; `last` when it was the last one. */
  readonly consumersChanged: (group: ConsumeGroup, last: boolean) => void;
  /** Stores a copy of the message in the group's dead-letter topic. */
  readonly bury: (group: ConsumeGroup, lease: Lease) => Promise<void>;
  /** A read or a store failed; the group goes on when it can. */
  readonly failed: (group: ConsumeGroup, error: Error) => void;
}
