/**
 * A topic as retention sees it: its queue answers as the test says, records what it was asked, and
 * finishes a deletion when the test lets it. For the tests of this folder.
 */
import { Buffer } from 'node:buffer';
import {
  KEEP_ALL,
  type RetainedTopic,
  type RetentionOptions,
} from '../../../src/broker/retention.js';
import { MemoryQueue } from '../../../src/queue/memory-queue.js';
import type { QueueState } from '../../../src/queue/queue.js';
import { Turn } from '../../../src/turn.js';
import { record } from '../queue/queues.js';

export const MIB = 1024 * 1024;

/** Of a broker without rules. */
export const keepingAll: RetentionOptions = {
  serverRule: KEEP_ALL,
  blockBytes: 64 * MIB,
};

export interface Asked {
  readonly bytesMax: number | null;
  readonly beforeMs: number | null;
}

interface Deletion {
  readonly offset: number;
  readonly finish: (error?: Error) => Promise<void>;
}

export class AskedQueue extends MemoryQueue {
  /** What retainFrom answers, and what it answers when as much as possible is to go. */
  keepFrom = 0;
  lastBlock = Infinity;
  /** As in QueueState. */
  stagedBytes = 0;
  readonly asked: Asked[] = [];
  readonly deletions: Deletion[] = [];
  readonly limits: (number | null)[] = [];
  readonly #turn: Turn;

  constructor(turn = new Turn()) {
    super(turn, 't', 64 * MIB);
    this.#turn = turn;
  }

  /** Appends small records; their offsets are all that matters. */
  fill(count: number): void {
    for (let n = 0; n < count; n++) {
      this.append(record('r', Buffer.alloc(1)), 'page', () => undefined);
    }
    this.#turn.end();
  }

  override retainFrom(bytesMax: number | null, beforeMs: number | null): number {
    if (bytesMax === 0) return this.lastBlock;
    this.asked.push({ bytesMax, beforeMs });
    return this.keepFrom;
  }

  override state(): QueueState {
    return { ...super.state(), stagedBytes: this.stagedBytes };
  }

  override limitBlocks(bytes: number | null = null): void {
    this.limits.push(bytes);
  }

  override deleteBefore(offset: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const finish = async (error?: Error): Promise<void> => {
        await super.deleteBefore(offset);
        if (error === undefined) resolve();
        else reject(error);
        // What waits for it runs in the microtasks until then.
        await new Promise(setImmediate);
      };
      this.deletions.push({ offset, finish });
    });
  }
}

export class AskedTopic implements RetainedTopic {
  readonly queue = new AskedQueue();
  consumed: number | null = null;
  trimmedAt: number[] = [];
  readonly failures: string[] = [];

  consumedEnd(): number | null {
    return this.consumed;
  }

  trimmed(): void {
    this.trimmedAt.push(this.queue.firstOffset);
  }

  failed(error: Error): void {
    this.failures.push(error.message);
  }
}
