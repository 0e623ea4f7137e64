/**
 * What a consume group must do, written down as plainly as possible: no batches, no timers, no
 * files, and every question answered by looking at everything. The model test holds the broker
 * against it.
 */
import { compileFilter } from '../../src/protocol/filter.js';
import { hasMask, Mask } from '../../src/protocol/masks.js';
import type { OffsetRange } from '../../src/protocol/offsets.js';
import { LineModel } from './line-model.js';

export interface ModelMessage {
  readonly body: string;
  readonly tag: string;
  /** The one group it is for; null: all. */
  readonly group: string | null;
}

export interface ModelLog {
  readonly messages: ModelMessage[];
  /** What lies before was dropped. */
  firstOffset: number;
}

export interface Settings {
  mask: number;
  filter: string;
  ackWindow: number;
  ackTimeoutMs: number;
  maxAttempts: number;
}

/** A message that was handed out and is not settled. */
export interface ModelLease {
  readonly offset: number;
  attempts: number;
  /** The peer in charge; null once it came back. */
  holder: string | null;
  explicit: boolean;
  sent: boolean;
  /** When it was handed out or renewed; once it came back, when it is due again. */
  atMs: number;
  reason: string;
}

export interface ModelLetter {
  readonly body: string;
  readonly originGroup: string;
  readonly originOffset: number;
  readonly attempts: number;
  readonly reason: string;
}

/** What the group asks of the world around it. */
export interface GroupWorld {
  readonly log: ModelLog;
  readonly topicMask: () => number;
  readonly nowMs: () => number;
  /** Whether the peer takes no more of this group now. */
  readonly isCongested: (peer: string, group: GroupModel) => boolean;
  /** The request `id` of the peer in charge is answered with the message. */
  readonly handedOut: (group: GroupModel, lease: ModelLease, id: string) => void;
  readonly settled: (group: GroupModel, lease: ModelLease) => void;
  readonly waitEnded: (id: string, status: number) => void;
  readonly died: (letter: ModelLetter) => void;
}

export class GroupModel {
  readonly name: string;
  readonly settings: Settings;
  /** The next offset that was never handed out. */
  next = 0;
  /** By offset. */
  readonly unsettled = new Map<number, ModelLease>();
  /** Peers that consume, in the order they came. */
  consumers: string[] = [];
  /** How far its dead letters were sent back. */
  redriven = 0;
  redeliveredCount = 0;
  deadCount = 0;
  readonly #world: GroupWorld;
  /** Those a consumer must acknowledge, in the order in which their timeouts end. */
  #held: ModelLease[] = [];
  readonly #line: LineModel;

  constructor(name: string, settings: Settings, world: GroupWorld) {
    this.name = name;
    this.settings = settings;
    this.#world = world;
    this.#line = new LineModel({
      nowMs: world.nowMs,
      isCongested: (peer) => world.isCongested(peer, this),
    });
  }

  get explicit(): boolean {
    return hasMask(this.settings.mask | this.#world.topicMask(), Mask.ackRequired);
  }

  get paused(): boolean {
    return hasMask(this.settings.mask | this.#world.topicMask(), Mask.pause);
  }

  get exclusive(): boolean {
    return hasMask(this.settings.mask, Mask.exclusive);
  }

  get held(): readonly ModelLease[] {
    return this.#held;
  }

  /** In the order in which they are handed out again. */
  get returned(): ModelLease[] {
    return [...this.unsettled.values()]
      .filter(({ holder }) => holder === null)
      .sort((a, b) => a.atMs - b.atMs || a.offset - b.offset);
  }

  get floor(): number {
    return Math.min(this.next, ...this.unsettled.keys());
  }

  get messageCount(): number {
    const { messages, firstOffset } = this.#world.log;
    return messages.length - Math.max(this.next, firstOffset) + this.returned.length;
  }

  /** Ids of the requests of `peer` that wait. */
  waiting(peer: string): string[] {
    return this.#line.idsOf(peer);
  }

  isCurrent(lease: ModelLease): boolean {
    return this.unsettled.get(lease.offset) === lease;
  }

  // ---- consumers -------------------------------------------------------------------------------

  /** Whether the peer may consume. */
  consume(peer: string, id: string, credits: number, timeoutMs: number | null): boolean {
    if (!this.consumers.includes(peer)) {
      if (this.exclusive && this.consumers.length > 0) return false;
      this.consumers.push(peer);
    }
    this.#line.push(peer, id, credits, timeoutMs);
    return true;
  }

  grant(peer: string, id: string, credits: number): void {
    this.#line.grant(peer, id, credits);
  }

  unconsume(peer: string): void {
    this.#line.remove(peer);
    this.consumers = this.consumers.filter((consumer) => consumer !== peer);
  }

  /** The connection of `peer` takes bytes again. */
  writable(peer: string): void {
    this.#line.writable(peer);
  }

  /** Answers 204 to those that waited too long. */
  expire(): void {
    for (const id of this.#line.expire()) this.#world.waitEnded(id, 204);
  }

  // ---- what consumers say ----------------------------------------------------------------------

  /** What `peer` is in charge of among `ranges`, and the offsets that it is not. */
  select(
    peer: string,
    ranges: readonly OffsetRange[],
  ): { chosen: ModelLease[]; refused: number[] } {
    const chosen = new Set<ModelLease>();
    const refused: number[] = [];
    for (const { first, last } of ranges) {
      const inRange = [...this.unsettled.values()]
        .filter(({ offset }) => offset >= first && offset <= last)
        .sort((a, b) => a.offset - b.offset);
      if (inRange.length === 0) refused.push(first);
      for (const lease of inRange) {
        if (lease.holder === peer && lease.explicit) chosen.add(lease);
        else refused.push(lease.offset);
      }
    }
    return { chosen: [...chosen], refused };
  }

  settle(lease: ModelLease): void {
    this.unsettled.delete(lease.offset);
    this.#release(lease);
    this.#world.settled(this, lease);
  }

  takeBack(lease: ModelLease, reason: string, dueMs: number): void {
    lease.reason = reason;
    this.#giveBack(lease, this.#isExhausted(lease) ? -Infinity : dueMs);
  }

  renew(lease: ModelLease): void {
    this.#release(lease);
    lease.atMs = this.#world.nowMs();
    this.#held.push(lease);
  }

  delivered(lease: ModelLease): void {
    lease.sent = true;
    if (!lease.explicit && this.isCurrent(lease)) this.settle(lease);
  }

  undelivered(lease: ModelLease): void {
    if (!this.isCurrent(lease) || lease.holder === null) return;
    lease.attempts--;
    this.#giveBack(lease, 0);
  }

  // ---- what changes the group ------------------------------------------------------------------

  moveTo(offset: number): void {
    this.next = offset;
    this.unsettled.clear();
    this.#held = [];
  }

  /** A mask or a setting has changed; `explicitBefore` is what was asked of consumers until now. */
  redefined(explicitBefore: boolean): void {
    if (explicitBefore && !this.explicit) {
      for (const lease of [...this.#held]) {
        if (lease.sent) this.settle(lease);
        else lease.explicit = false;
      }
      this.#held = [];
    }
    if (!this.exclusive) return;
    for (const peer of this.consumers.slice(1)) {
      for (const id of this.waiting(peer)) this.#world.waitEnded(id, 403);
      this.unconsume(peer);
    }
  }

  /** What the folder says of the group once a crash has left it in the middle of a change. */
  adopt(next: number, unsettled: ReadonlyMap<number, number>): void {
    this.next = next;
    this.unsettled.clear();
    this.#held = [];
    for (const [offset, attempts] of unsettled) {
      const lease = { offset, attempts, holder: null, explicit: true, sent: true, atMs: 0 };
      this.unsettled.set(offset, { ...lease, reason: 'restart' });
    }
  }

  /** The broker stopped, well or not, and runs again: no consumer is left. */
  restarted(): void {
    for (const lease of this.unsettled.values()) {
      lease.reason = 'restart';
      this.#giveBack(lease, 0);
    }
    this.consumers = [];
    this.#line.clear();
    this.redeliveredCount = 0;
    this.deadCount = 0;
  }

  /** Does all there is to do now. */
  process(gone: string | null): void {
    const nowMs = this.#world.nowMs();
    for (const lease of [...this.#held]) {
      if (lease.holder === gone) this.takeBack(lease, 'consumer gone', nowMs);
    }
    for (const lease of [...this.#held]) {
      if (lease.atMs + this.settings.ackTimeoutMs <= nowMs) this.takeBack(lease, 'timeout', nowMs);
    }
    do this.#serve();
    while (this.#buryDead());
  }

  // ---- delivery --------------------------------------------------------------------------------

  #serve(): void {
    if (this.paused) return;
    for (let waiter = this.#line.peek(); waiter !== null; waiter = this.#line.peek()) {
      const lease = this.#handOutTo(waiter.peer);
      if (lease === null) return;
      this.#line.served();
      this.#world.handedOut(this, lease, waiter.id);
    }
  }

  #handOutTo(peer: string): ModelLease | null {
    const nowMs = this.#world.nowMs();
    const due = this.returned.find((lease) => lease.atMs <= nowMs && !this.#isExhausted(lease));
    const full = this.explicit && this.unsettled.size >= this.settings.ackWindow;
    if (due === undefined && full) return null;
    const offset = due?.offset ?? this.#nextWanted();
    if (offset === undefined) return null;
    const lease: ModelLease = {
      offset,
      attempts: (due?.attempts ?? 0) + 1,
      holder: peer,
      explicit: this.explicit,
      sent: false,
      atMs: nowMs,
      reason: 'restart',
    };
    if (lease.attempts > 1) this.redeliveredCount++;
    this.unsettled.set(offset, lease);
    if (lease.explicit) this.#held.push(lease);
    return lease;
  }

  /** Passes over what is not for this group. */
  #nextWanted(): number | undefined {
    const { messages } = this.#world.log;
    const matches = this.settings.filter === '' ? null : compileFilter(this.settings.filter);
    for (;;) {
      const message = messages[this.next];
      if (message === undefined) return undefined;
      const offset = this.next++;
      const isForOther = message.group !== null && message.group !== this.name;
      if (!isForOther && matches?.(message.tag) !== false) return offset;
    }
  }

  /** What is due first and was handed out as often as it may becomes a dead letter. */
  #buryDead(): boolean {
    let buried = false;
    for (let lease = this.#due(); lease !== undefined; lease = this.#due()) {
      if (!this.#isExhausted(lease)) break;
      this.settle(lease);
      this.deadCount++;
      buried = true;
      this.#world.died({
        body: this.#world.log.messages[lease.offset]?.body ?? '',
        originGroup: this.name,
        originOffset: lease.offset,
        attempts: lease.attempts,
        reason: lease.reason,
      });
    }
    return buried;
  }

  /** What comes first of what came back. */
  #due(): ModelLease | undefined {
    const [first] = this.returned;
    return first !== undefined && first.atMs <= this.#world.nowMs() ? first : undefined;
  }

  #isExhausted({ attempts }: ModelLease): boolean {
    const { maxAttempts } = this.settings;
    return maxAttempts > 0 && attempts >= maxAttempts;
  }

  #giveBack(lease: ModelLease, dueMs: number): void {
    this.#release(lease);
    lease.holder = null;
    lease.atMs = dueMs;
  }

  #release(lease: ModelLease): void {
    this.#held = this.#held.filter((each) => each !== lease);
  }
}
