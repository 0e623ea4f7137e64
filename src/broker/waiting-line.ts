/**
 * The consumers of a group that wait for messages, served in turn: one message each, then the next.
 * Used by ConsumeGroup. A waiter leaves when its credits are spent, when its timeout ends, or with
 * its session; those that cannot take bytes now are passed over until they can.
 */
import type { Clock } from '../clock.js';
import type { Exchange } from './exchange.js';
import type { Session } from './session.js';

/** After how long without a message a waiter is told so. */
export interface WaitTimeout {
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly expired: () => void;
}

export class Waiter {
  readonly exchange: Exchange;
  /** Messages it takes before it leaves the line. */
  credits: number;
  readonly #timeout: WaitTimeout | null;
  #gone = false;
  #stopTimer: (() => void) | null = null;

  constructor(exchange: Exchange, credits = 1, timeout: WaitTimeout | null = null) {
    this.exchange = exchange;
    this.credits = credits;
    this.#timeout = timeout;
    this.#restartTimer();
  }

  get gone(): boolean {
    return this.#gone || !this.exchange.alive;
  }

  /** Grants more messages; the timeout begins anew. */
  grant(credits: number): void {
    this.credits += credits;
    this.#restartTimer();
  }

  /** A message was handed to it; the timeout begins anew if it waits for more. */
  served(): void {
    this.credits--;
    if (this.credits === 0) this.leave();
    else this.#restartTimer();
  }

  /** Takes the waiter out of the line; the exchange is left to the caller. */
  leave(): void {
    this.#gone = true;
    this.#stopTimer?.();
    this.#stopTimer = null;
  }

  #restartTimer(): void {
    if (this.#timeout === null) return;
    const { clock, timeoutMs, expired } = this.#timeout;
    this.#stopTimer?.();
    this.#stopTimer = clock.after(timeoutMs, () => {
      if (this.gone) return;
      this.leave();
      expired();
    });
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

  /** The waiter that `peek` returned was served: it leaves, or stands at the end. */
  served(): void {
    const waiter = this.#waiters[this.#head];
    waiter?.served();
    this.#advance();
    if (waiter?.gone === false) this.push(waiter);
  }

  /** The waiter of `session` whose request had this id; undefined when none is in the line. */
  find(session: Session, id: string): Waiter | undefined {
    const isWanted = ({ gone, exchange }: Waiter): boolean =>
      !gone && exchange.session === session && exchange.id === id;
    for (let i = this.#head; i < this.#waiters.length; i++) {
      const waiter = this.#waiters[i];
      if (waiter !== undefined && isWanted(waiter)) return waiter;
    }
    return this.#parked.get(session)?.find(isWanted);
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
