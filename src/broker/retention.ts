/**
 * Retention: which messages of a topic are deleted, and when. Every topic holds a Retention:
 * produce asks it for room, appends are counted in it, and one timer of the broker looks at all of
 * them. Whole blocks go, oldest first, for any rule that lets them. Here is the arithmetic that
 * keeps a topic with a bytes rule within its bound at every moment; the queue does the deleting.
 */
import type { Clock } from '../clock.js';
import type { Queue } from '../queue/queue.js';
import type { OwnRetention } from './topic-definition.js';

export interface RetentionRule {
  /** What the topic may take of the disk (or of memory); null: no bound. */
  readonly bytes: number | null;
  /** Age at which messages go; null: never. */
  readonly ageMs: number | null;
  /** Messages go that every group has consumed. */
  readonly consumed: boolean;
}

export const KEEP_ALL: RetentionRule = { bytes: null, ageMs: null, consumed: false };

/** What all topics of a broker share. */
export interface RetentionOptions {
  /** For topics that say nothing themselves. */
  readonly serverRule: RetentionRule;
  /** Size at which the engine begins a new block unless told otherwise. */
  readonly blockBytes: number;
}

/** What a Retention needs of its topic. */
export interface RetainedTopic {
  readonly queue: Queue;
  /** Every group has consumed what lies before; null when the topic has no group. */
  consumedEnd(): number | null;
  /** Messages were deleted: tells the groups where the log begins now. */
  trimmed(): void;
  failed(error: Error): void;
}

const SWEEP_INTERVAL_MS = 1000;

/**
 * Parts of the bound. Blocks have BLOCK. After a check the topic takes TARGET at most, which counts
 * the last block as full and, once it is half full, the one behind it; so CHECK, half a block, may
 * be appended until the next. WAIT, a quarter, may come while that one deletes, which begins one
 * more block at most. What is left is for positions, the definition and half-used pages.
 */
const TARGET = 13 / 16;
const BLOCK = 2 / 16;
const CHECK = 1 / 16;
const WAIT = 1 / 32;

const BLOCK_BYTES_MIN = 64 * 1024;
/** A record's header and padding. */
const RECORD_OVERHEAD_BYTES = 48;
/**
 * The last block is ended early for messages that were consumed when this much was appended since
 * the last time, or a quarter of a block if that is less, or when the topic was quiet for so long.
 */
const ROLL_BYTES = 1024 * 1024;
const ROLL_QUIET_MS = 60_000;
/** With an age rule a block of BLOCK_BYTES_MIN is ended after this part of the age. */
const AGE_PART = 1 / 8;

/** The topic's own rule, field by field, before the server's. */
export function ruleOf(own: OwnRetention | undefined, server: RetentionRule): RetentionRule {
  const { bytes = server.bytes, ageMs = server.ageMs, consumed = server.consumed } = own ?? {};
  return { bytes, ageMs, consumed };
}

export class Retention {
  readonly #topic: RetainedTopic;
  readonly #options: RetentionOptions;
  readonly #clock: Clock;
  #rule = KEEP_ALL;
  /** The one deletion under way. */
  #deleting: Promise<void> | null = null;
  /** Appended since the bytes rule was last seen to be kept. */
  #uncheckedBytes = 0;
  #checkBytes = Infinity;
  #waitBytes = Infinity;
  /** Appended since the last block was ended for consumed messages. */
  #unrolledBytes = 0;
  /** Up to here what was consumed has been deleted, as far as blocks allow. */
  #consumedEnd = 0;
  /** The next offset when it was last seen to have grown, and when that was. */
  #nextOffset: number;
  #changedAtMs: number;
  /** The next offset when a block was last ended for its age, and when that was. */
  #endedAtOffset = -1;
  #endedAtMs = -Infinity;
  /** What the queue was told last. */
  #limitBytes: number | null = null;
  /** Blocks are as small as they can be until the next append has ended the last one. */
  #endsBlock = false;
  /** The last deletion failed, and was reported. */
  #failing = false;
  #closed = false;

  constructor(
    topic: RetainedTopic,
    own: OwnRetention | undefined,
    options: RetentionOptions,
    clock: Clock,
  ) {
    this.#topic = topic;
    this.#options = options;
    this.#clock = clock;
    this.#nextOffset = topic.queue.nextOffset;
    this.#changedAtMs = clock.nowMs();
    this.redefine(own);
  }

  get rule(): RetentionRule {
    return this.#rule;
  }

  get keepsAll(): boolean {
    const { bytes, ageMs, consumed } = this.#rule;
    return bytes === null && ageMs === null && !consumed;
  }

  /** Takes the topic's own rule as changed; what it lets go is deleted by the next sweep. */
  redefine(own: OwnRetention | undefined): void {
    const rule = ruleOf(own, this.#options.serverRule);
    const { bytes } = rule;
    this.#rule = rule;
    this.#checkBytes = bytes === null ? Infinity : bytes * CHECK;
    this.#waitBytes = bytes === null ? Infinity : bytes * WAIT;
    this.#endsBlock = false;
    this.#limitBlocks(this.#blockLimit());
  }

  /**
   * null when a record of so many bytes may be appended now; else resolves when it is worth asking
   * again: blocks are being deleted, and until they are gone the bound would not hold.
   */
  roomFor(bytes: number): Promise<void> | null {
    const waitsAbove = this.#checkBytes + this.#waitBytes;
    const fits = this.#deleting === null || this.#uncheckedBytes + bytes <= waitsAbove;
    if (fits && bytes <= this.#waitBytes) return null;
    if (this.#deleting === null && !this.#failing) this.#check(bytes);
    return this.#deleting;
  }

  /** Counts what was appended, and deletes in time for what comes next. */
  appended(bytes: number): void {
    const stored = bytes + RECORD_OVERHEAD_BYTES;
    this.#uncheckedBytes += stored;
    this.#unrolledBytes += stored;
    if (this.#endsBlock) this.#blockEnded();
    if (this.#uncheckedBytes < this.#checkBytes) return;
    if (this.#deleting === null && !this.#failing) this.#check(0);
  }

  /** Deletes what the rules let go; null when there is nothing. */
  enforce(): Promise<void> | null {
    if (this.#closed || this.#deleting !== null || this.keepsAll) return null;
    const { ageMs, consumed } = this.#rule;
    let keepFrom = this.#retainFrom(0, ageMs === null ? null : Date.now() - ageMs);
    if (ageMs !== null) this.#endBlockInTime(ageMs);
    if (consumed) keepFrom = Math.max(keepFrom, this.#consumedBefore());
    if (keepFrom > this.#topic.queue.firstOffset) this.#delete(keepFrom);
    return this.#deleting;
  }

  /** Ends what is under way; resolves when the queue may be closed. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#deleting;
  }

  /** Looks at the bytes rule before `comingBytes` are appended. */
  #check(comingBytes: number): void {
    if (this.#closed || this.#rule.bytes === null) return;
    const { queue } = this.#topic;
    const { firstOffset } = queue;
    const keepFrom = this.#retainFrom(comingBytes, null);
    // Where nothing can go, all there is may have to be written first, and its blocks sealed: a
    // deletion waits for that too.
    const mustBeWritten = comingBytes === 0 && queue.retainFrom(0, null) <= firstOffset;
    if (keepFrom > firstOffset || mustBeWritten) this.#delete(keepFrom);
    else if (comingBytes === 0) this.#uncheckedBytes = 0;
  }

  #retainFrom(comingBytes: number, beforeMs: number | null): number {
    const { bytes } = this.#rule;
    if (bytes === null && beforeMs === null) return 0;
    const target = bytes === null ? null : Math.max(0, Math.floor(bytes * TARGET) - comingBytes);
    return this.#topic.queue.retainFrom(target, beforeMs);
  }

  /** Where to delete up to what every group has consumed; 0 when there is no use in it now. */
  #consumedBefore(): number {
    const { queue } = this.#topic;
    const nowMs = this.#clock.nowMs();
    const { nextOffset } = queue;
    if (nextOffset !== this.#nextOffset) {
      this.#nextOffset = nextOffset;
      this.#changedAtMs = nowMs;
    }
    const end = this.#topic.consumedEnd();
    if (end === null) return 0;
    const quiet = nowMs - this.#changedAtMs >= ROLL_QUIET_MS;
    const mayRoll = quiet || this.#unrolledBytes >= this.#rollBytes();
    // A block of which one record is kept stays, so the last one is not ended for nothing.
    const keepFrom = end === nextOffset && !mayRoll ? end - 1 : end;
    return keepFrom > this.#consumedEnd ? keepFrom : 0;
  }

  #rollBytes(): number {
    const { blockBytes } = this.#options;
    return Math.min(ROLL_BYTES, (this.#blockLimit() ?? blockBytes) / 4, blockBytes / 4);
  }

  #blockLimit(): number | null {
    const { bytes } = this.#rule;
    return bytes === null ? null : Math.max(Math.floor(bytes * BLOCK), BLOCK_BYTES_MIN);
  }

  #limitBlocks(bytes: number | null): void {
    if (bytes === this.#limitBytes) return;
    this.#limitBytes = bytes;
    this.#topic.queue.limitBlocks(bytes);
  }

  /** The usual size again. The new block was not foreseen by the last check. */
  #blockEnded(): void {
    this.#endsBlock = false;
    this.#limitBlocks(this.#blockLimit());
    if (this.#deleting === null && !this.#failing) this.#check(0);
  }

  /** A block goes when its newest message is too old: few messages must not share it for long. */
  #endBlockInTime(ageMs: number): void {
    const { queue } = this.#topic;
    const nowMs = this.#clock.nowMs();
    const { nextOffset } = queue;
    if (nowMs - this.#endedAtMs < ageMs * AGE_PART || nextOffset === this.#endedAtOffset) return;
    this.#endedAtOffset = nextOffset;
    this.#endedAtMs = nowMs;
    this.#endsBlock = true;
    this.#limitBlocks(BLOCK_BYTES_MIN);
  }

  #delete(keepFrom: number): void {
    this.#deleting = this.#deleteBefore(keepFrom).finally(() => {
      this.#deleting = null;
    });
  }

  /** Deletes, and again until the bytes rule is kept. Never throws. */
  async #deleteBefore(wantedFrom: number): Promise<void> {
    const { queue } = this.#topic;
    for (let keepFrom = wantedFrom; ; keepFrom = this.#retainFrom(0, null)) {
      const { firstOffset } = queue;
      const endsLastBlock = keepFrom >= queue.nextOffset;
      const failure = await queue.deleteBefore(keepFrom).then(() => null, asError);
      if (this.#closed) return;
      // Also after a failure: some blocks may be gone.
      this.#topic.trimmed();
      if (failure !== null) {
        this.#reportOnce(failure);
        return;
      }
      this.#failing = false;
      this.#deletedBefore(keepFrom, endsLastBlock);
      // Nothing goes before the turn has written it.
      const stuck = queue.firstOffset === firstOffset && queue.readableEnd < queue.nextOffset;
      if (stuck) await new Promise(setImmediate);
      if (this.#isKept()) return;
    }
  }

  /** Whether the topic is back within the bytes rule, and no blocks wait to be sealed. */
  #isKept(): boolean {
    if (this.#closed || this.#rule.bytes === null) return true;
    const { firstOffset, stagedBytes } = this.#topic.queue.state();
    if (this.#retainFrom(0, null) > firstOffset || stagedBytes > this.#waitBytes) return false;
    this.#uncheckedBytes = 0;
    return true;
  }

  #deletedBefore(offset: number, endsLastBlock: boolean): void {
    if (!endsLastBlock) {
      this.#consumedEnd = Math.max(this.#consumedEnd, offset);
    } else if (this.#topic.queue.firstOffset >= offset) {
      // Else a message came meanwhile, or there was no room for a new block: tried again.
      this.#consumedEnd = offset;
      this.#unrolledBytes = 0;
    }
  }

  /** A disk that fails does so at every sweep: one line in the log is enough until it recovers. */
  #reportOnce(failure: Error): void {
    if (!this.#failing) this.#topic.failed(failure);
    this.#failing = true;
  }
}

/** Looks at every topic once a second, one after the other; returns what ends it. */
export function sweepRetention(
  clock: Clock,
  topics: Iterable<{ readonly retention: Retention }>,
): () => void {
  let sweeping = false;
  const sweep = async (): Promise<void> => {
    sweeping = true;
    for (const { retention } of topics) {
      const deleting = retention.enforce();
      if (deleting !== null) await deleting;
    }
    sweeping = false;
  };
  return clock.every(SWEEP_INTERVAL_MS, () => {
    if (!sweeping) void sweep();
  });
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
