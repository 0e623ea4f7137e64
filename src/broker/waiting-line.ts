/**
 * The consumers of a group that wait for a message, served in turn. Used by ConsumeGroup. A waiter
 * leaves when it is served, when its timeout ends, or with its session; those that cannot take
 * bytes now are passed over until they can.
 */
import type { Exchange } from './exchange.js';
import type { Session } from './session.js';

export class Waiter {
  readonly exchange: Exchange;
  #gone = false;
  #timer: NodeJS.Timeout | null = null;

  constructor(exchange: Exchange) {
    this.exchange = exchange;
  }

  get gone(): boolean {
    return this.#gone || !this.exchange.alive;
  }

  /** Calls `expired` after `timeoutMs` unless the waiter left before. */
  expire(timeoutMs: number, expired: () => void): void {
    this.#timer = setTimeout(() => {
      if (this.gone) return;
      this.leave();
      expired();
    }, timeoutMs);
  }

  /** Takes the waiter out of the line; the exchange is left to the caller. */
  leave(): void {
    this.#gone = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}

/** Places before the first waiter that are kept at most before the line is cut. */
const COMPACT_AT = 1024;

export class WaitingLine {
  readonly #onRoom: () => void;
  #waiters: Waiter[] = [];
  #head = 0;
  /** Length at which those who left are cut out: twice what stayed, so that the cost is shared. */
  #cutAt = COMPACT_AT;
  /** Waiters whose session takes no bytes now, by session. */
  readonly #parked = new Map<Session, Waiter[]>();

  /** `onRoom` is called when a parked waiter is back in the line. */
  constructor(onRoom: () => void) {
    this.#onRoom = onRoom;
  }

  /** Waiters kept, with some that left and are not cut out yet. */
  get length(): number {
    return this.#waiters.length - this.#head;
  }

  push(waiter: Waiter): void {
    if (this.length >= this.#cutAt) this.#cutOutGone();
    this.#waiters.push(waiter);
  }

  /**
   * The next waiter that can take a message now, left in its place; undefined when there is none.
   */
  peek(): Waiter | undefined {
    for (;;) {
      const waiter = this.#waiters[this.#head];
      if (waiter === undefined) break;
      if (!waiter.gone) {
        if (!waiter.exchange.congested) return waiter;
        this.#park(waiter);
      }
      this.#advance();
    }
    return undefined;
  }

  /** Takes out the waiter that `peek` returned. */
  shift(): void {
    this.#waiters[this.#head]?.leave();
    this.#advance();
  }

  /** Takes out and returns the waiters of `session`, or all. */
  remove(session: Session | null): Waiter[] {
    const removed: Waiter[] = [];
    const all = [...this.#waiters.slice(this.#head), ...[...this.#parked.values()].flat()];
    for (const waiter of all) {
      if (waiter.gone || (session !== null && waiter.exchange.session !== session)) continue;
      waiter.leave();
      removed.push(waiter);
    }
    if (session === null) this.#parked.clear();
    else this.#parked.delete(session);
    return removed;
  }

  #cutOutGone(): void {
    this.#waiters = this.#waiters.slice(this.#head).filter((waiter) => !waiter.gone);
    this.#head = 0;
    this.#cutAt = Math.max(COMPACT_AT, 2 * this.#waiters.length);
  }

  #advance(): void {
    this.#head++;
    if (this.#head === this.#waiters.length) {
      this.#waiters = [];
      this.#head = 0;
    } else if (this.#head >= COMPACT_AT) {
      this.#waiters.splice(0, this.#head);
      this.#head = 0;
    }
  }

  #park(waiter: Waiter): void {
    const { session } = waiter.exchange;
    const parked = this.#parked.get(session);
    if (parked !== undefined) {
      parked.push(waiter);
      return;
    }
    this.#parked.set(session, [waiter]);
    session.onWritable(() => {
      const back = this.#parked.get(session) ?? [];
      this.#parked.delete(session);
      for (const waiting of back) this.push(waiting);
      this.#onRoom();
    });
  }
}
