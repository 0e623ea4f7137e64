/**
 * Where a consume group stands: what it reads next, what is in the hands of consumers, what came
 * back. Used by ConsumeGroup; pure bookkeeping. A message is settled when it was acknowledged (or,
 * without explicit acks, taken by the kernel), filtered out, dead or deleted; `floor` and the
 * unsettled messages above it are what may be stored at any time: a restart repeats messages but
 * skips none.
 */
import type { OffsetRange } from '../protocol/offsets.js';
import { Lease, type LeaseOwner } from './lease.js';
import type { StoredPosition } from './position-detail.js';
import type { Session } from './session.js';

export interface Selection {
  readonly chosen: readonly Lease[];
  readonly refused: readonly number[];
}

export class GroupPositions {
  /** Next offset to read that was never handed out. */
  next: number;
  /**
   * Messages that were deleted before the group was done with them; its filter is not looked at.
   */
  lostCount: number;
  /** Grows with every change that a stored position shows. */
  revision = 0;
  readonly #owner: LeaseOwner;
  /** By offset, ascending: offsets enter as `next` grows and keep their place until settled. */
  readonly #unsettled = new Map<number, Lease>();
  /** Those a consumer must acknowledge, in the order in which their timeouts end. */
  readonly #held = new Map<number, Lease>();
  /** Those to hand out again, the one that is due first last. */
  #returned: Lease[] = [];

  constructor(owner: LeaseOwner, stored: StoredPosition) {
    this.#owner = owner;
    this.next = stored.next;
    this.lostCount = stored.lostCount;
    for (const { offset, attempts } of stored.unsettled) {
      this.#unsettled.set(offset, new Lease(owner, offset, null, true, attempts, 0));
    }
  }

  get floor(): number {
    for (const offset of this.#unsettled.keys()) return offset;
    return this.next;
  }

  get unsettled(): IterableIterator<Lease> {
    return this.#unsettled.values();
  }

  get unsettledCount(): number {
    return this.#unsettled.size;
  }

  /** Those that wait for an acknowledgement, in the order in which their timeouts end. */
  get held(): IterableIterator<Lease> {
    return this.#held.values();
  }

  get heldCount(): number {
    return this.#held.size;
  }

  /** In the order in which they are handed out again. */
  get returned(): readonly Lease[] {
    return this.#returned.slice().reverse();
  }

  get returnedCount(): number {
    return this.#returned.length;
  }

  /** Messages not handed out yet, or to be handed out again. */
  remaining(firstOffset: number, endOffset: number): number {
    return Math.max(0, endOffset - Math.max(this.next, firstOffset)) + this.#returned.length;
  }

  /**
   * What `holder` is in charge of among `ranges`, and the offsets it is not: a single one that it
   * does not hold; of a range only those that came back or that another holds, or its first when
   * there is nothing in it for this holder.
   */
  select(holder: Session, ranges: readonly OffsetRange[]): Selection {
    // A message named twice must not come back twice.
    const chosen = new Set<Lease>();
    const refused: number[] = [];
    for (const { first, last } of ranges) {
      let found = false;
      for (const lease of this.#between(first, last)) {
        found = true;
        if (lease.holder === holder && lease.explicit) chosen.add(lease);
        else refused.push(lease.offset);
      }
      if (!found) refused.push(first);
    }
    return { chosen: [...chosen], refused };
  }

  /** True until the message is settled, or handed out under another lease. */
  isCurrent(lease: Lease): boolean {
    return this.#unsettled.get(lease.offset) === lease;
  }

  /** Hands out the new message at `offset`, which is not below `next`. */
  handOut(offset: number, holder: Session, explicit: boolean, nowMs: number): Lease {
    this.next = offset + 1;
    return this.#lend(new Lease(this.#owner, offset, holder, explicit, 1, nowMs));
  }

  /** The message to hand out again first; undefined while none is due. */
  due(nowMs: number): Lease | undefined {
    const soonest = this.#returned[this.#returned.length - 1];
    return soonest !== undefined && soonest.atMs <= nowMs ? soonest : undefined;
  }

  /** What `due` returned is not to be handed out again; it stays unsettled. */
  takeOutDue(): void {
    this.#returned.pop();
  }

  /** Hands out again what `due` returned. */
  handOutAgain(due: Lease, holder: Session, explicit: boolean, nowMs: number): Lease {
    this.takeOutDue();
    const { offset, attempts } = due;
    return this.#lend(new Lease(this.#owner, offset, holder, explicit, attempts + 1, nowMs));
  }

  /** The message is to be handed out again at `dueMs`, in the order of these times. */
  giveBack(lease: Lease, dueMs: number): void {
    lease.holder = null;
    this.#held.delete(lease.offset);
    this.revision++;
    lease.atMs = dueMs;
    let low = 0;
    let high = this.#returned.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = this.#returned[middle];
      if (other !== undefined && isBefore(lease, other)) low = middle + 1;
      else high = middle;
    }
    this.#returned.splice(low, 0, lease);
  }

  settle(lease: Lease): void {
    this.#unsettled.delete(lease.offset);
    this.#held.delete(lease.offset);
    this.revision++;
  }

  /** A message that came back was deleted from the log. */
  drop(lease: Lease): void {
    const place = this.#returned.indexOf(lease);
    if (place === -1) return;
    this.#returned.splice(place, 1);
    this.settle(lease);
    this.lostCount++;
  }

  /** The holder works on it: its timeout begins anew. */
  renew(lease: Lease, nowMs: number): void {
    lease.atMs = nowMs;
    if (this.#held.delete(lease.offset)) this.#held.set(lease.offset, lease);
  }

  /**
   * Acknowledges by itself from now on: what the kernel has is settled, the rest once it has it.
   */
  settleSent(): void {
    for (const lease of this.#held.values()) {
      if (lease.sent) this.#unsettled.delete(lease.offset);
      else lease.explicit = false;
    }
    this.#held.clear();
    this.revision++;
  }

  /** When the next timeout begins to run out; Infinity when nothing is held. */
  get firstHeldAtMs(): number {
    for (const { atMs } of this.#held.values()) return atMs;
    return Infinity;
  }

  /** When the next message is due again; Infinity when none came back. */
  get firstDueMs(): number {
    return this.#returned[this.#returned.length - 1]?.atMs ?? Infinity;
  }

  /** Everything before `offset` was handed out, or is not for this group. */
  skipTo(offset: number): void {
    if (offset <= this.next) return;
    this.next = offset;
    this.revision++;
  }

  /**
   * What lies below `firstOffset` was deleted: the group missed what it had not handed out, or had
   * to hand out again.
   */
  trimmed(firstOffset: number): void {
    const kept = this.#returned.filter(({ offset }) => offset >= firstOffset);
    for (const lease of this.#returned) {
      if (lease.offset < firstOffset) this.settle(lease);
    }
    this.lostCount += this.#returned.length - kept.length;
    this.#returned = kept;
    if (this.next >= firstOffset) return;
    this.lostCount += firstOffset - this.next;
    this.skipTo(firstOffset);
  }

  /** Moves the group; nothing handed out before counts any more. */
  moveTo(offset: number): void {
    this.next = offset;
    this.#unsettled.clear();
    this.#held.clear();
    this.#returned = [];
    this.revision++;
  }

  /** Everything from `offset` on counts as never handed out; what is unsettled below stays. */
  rewindTo(offset: number): void {
    for (const above of this.#unsettled.keys()) {
      if (above < offset) continue;
      this.#unsettled.delete(above);
      this.#held.delete(above);
    }
    this.#returned = this.#returned.filter((lease) => lease.offset < offset);
    this.next = offset;
    this.revision++;
  }

  /** The unsettled messages from `first` to `last`, however far these lie apart. */
  *#between(first: number, last: number): Iterable<Lease> {
    if (last - first < this.#unsettled.size) {
      for (let offset = first; offset <= last; offset++) {
        const lease = this.#unsettled.get(offset);
        if (lease !== undefined) yield lease;
      }
      return;
    }
    for (const lease of this.#unsettled.values()) {
      if (lease.offset >= first && lease.offset <= last) yield lease;
    }
  }

  #lend(lease: Lease): Lease {
    this.#unsettled.set(lease.offset, lease);
    if (lease.explicit) this.#held.set(lease.offset, lease);
    this.revision++;
    return lease;
  }
}

/** Whether `a` is handed out again before `b`. */
function isBefore(a: Lease, b: Lease): boolean {
  return a.atMs === b.atMs ? a.offset < b.offset : a.atMs < b.atMs;
}
