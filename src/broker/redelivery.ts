/**
 * What happens to messages that a consumer was given and did not acknowledge: they come back when
 * their time is over, their consumer is gone or gives them back, and go to the dead-letter topic
 * once they were handed out as often as the group allows. Owned by ConsumeGroup.
 */
import type { Clock } from '../clock.js';
import type { GroupPositions } from './group-positions.js';
import type { Lease, ReturnReason } from './lease.js';
import type { Session } from './session.js';
import type { GroupDefinition } from './topic-definition.js';
import type { TrafficCounts } from './traffic-counts.js';

export interface RedeliveryContext {
  readonly clock: Clock;
  readonly traffic: TrafficCounts;
  readonly definition: GroupDefinition;
  readonly positions: GroupPositions;
  /** Stores a copy of the message in the dead-letter topic. */
  readonly bury: (lease: Lease) => Promise<void>;
  /** The position changed, and there may be something to deliver. */
  readonly changed: () => void;
  readonly failed: (error: Error) => void;
}

/** Before all that is to be handed out again, also what never left the broker. */
const DEAD_DUE_MS = -Infinity;
/** After this a message that could not be buried is tried again. */
const BURY_RETRY_MS = 10_000;

export class Redelivery {
  /** Messages that died since the broker started. */
  deadCount = 0;
  readonly #context: RedeliveryContext;
  #failedAtMs = -Infinity;
  #closed = false;

  constructor(context: RedeliveryContext) {
    this.#context = context;
  }

  /** The message is to be handed out again at `dueMs`; a dead one is dead at once. */
  takeBack(lease: Lease, reason: ReturnReason, dueMs: number): void {
    const { positions, changed } = this.#context;
    lease.reason = reason;
    positions.giveBack(lease, this.#isExhausted(lease) ? DEAD_DUE_MS : dueMs);
    changed();
  }

  /** Takes back what sessions held that are gone, and what was not acknowledged in time. */
  takeBackOverdue(gone: ReadonlySet<Session>, nowMs: number): void {
    const { positions, definition } = this.#context;
    if (gone.size > 0) {
      for (const lease of positions.held) {
        const left = lease.holder !== null && gone.has(lease.holder);
        if (left) this.takeBack(lease, 'consumer gone', nowMs);
      }
    }
    for (const lease of positions.held) {
      if (lease.atMs + definition.ackTimeoutMs > nowMs) break;
      this.takeBack(lease, 'timeout', nowMs);
    }
  }

  /** The message to hand out again first; those that are dead before it are buried. */
  due(nowMs: number): Lease | undefined {
    const { positions } = this.#context;
    for (;;) {
      const lease = positions.due(nowMs);
      if (lease === undefined || !this.#isExhausted(lease)) return lease;
      positions.takeOutDue();
      void this.#bury(lease);
    }
  }

  close(): void {
    this.#closed = true;
  }

  #isExhausted({ attempts }: Lease): boolean {
    const { maxAttempts } = this.#context.definition;
    return maxAttempts > 0 && attempts >= maxAttempts;
  }

  async #bury(lease: Lease): Promise<void> {
    const { positions, clock, bury, traffic, changed, failed } = this.#context;
    let failure: Error | null = null;
    try {
      await bury(lease);
    } catch (error) {
      failure = error as Error;
    }
    if (this.#closed || !positions.isCurrent(lease)) return;
    if (failure === null) {
      positions.settle(lease);
      this.deadCount++;
      traffic.died();
    } else {
      const nowMs = clock.nowMs();
      // One line for all messages that fail for the same reason at the same time.
      if (nowMs - this.#failedAtMs >= BURY_RETRY_MS) {
        this.#failedAtMs = nowMs;
        failed(failure);
      }
      positions.giveBack(lease, nowMs + BURY_RETRY_MS);
    }
    changed();
  }
}
