/**
 * The consumers of a group that wait for messages, served in turn: one message each, then the next.
 * Used by ConsumeGroup. A waiter leaves when its credits are spent, when its timeout ends, or with
 * its session; those that cannot take bytes now are passed over until they can.
 */
import type { Clock } from '../clock.js';
import { Header } from '../protocol/headers.js';
import type { Exchange } from './exchange.js';
import type { Session } from './session.js';

/** What a consume asks for. */
export interface ConsumeOptions {
  /** Messages that it grants. */
  readonly credits: number;
  /** Answers 204 after this long without a message; null: waits. */
  readonly timeoutMs: number | null;
  /**
   * The last message that this consumer saw on an earlier connection: if it is alone in the group,
   * what was handed out behind that is handed out again.
   */
  readonly lastSeen?: number | undefined;
}

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
  /** Set by the line. */
  onLeave: (() => void) | null = null;
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
    this.onLeave?.();
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
  /** Those whose requests had ids, by session and id: a grant must not search the line. */
  readonly #named = new Map<Session, Map<string, Waiter>>();

  /** `onRoom` is called when a parked waiter is back in the line. */
  constructor(onRoom: () => void) {
    this.#onRoom = onRoom;
  }

  /** Waiters kept, with some that left and are not cut out yet. */
  get length(): number {
    return this.#waiters.length - this.#head;
  }

  push(waiter: Waiter): void {
    if (waiter.exchange.request.headers.has(Header.id)) this.#keepNamed(waiter);
    this.#append(waiter);
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
    if (waiter?.gone === false) this.#append(waiter);
  }

  /** The waiter of `session` whose request had this id; undefined when none is in the line. */
  find(session: Session, id: string): Waiter | undefined {
    const waiter = this.#named.get(session)?.get(id);
    return waiter?.gone === false ? waiter : undefined;
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
    for (const kept of [this.#parked, this.#named]) {
      if (session === null) kept.clear();
      else kept.delete(session);
    }
    return removed;
  }

  #keepNamed(waiter: Waiter): void {
    const { session, id } = waiter.exchange;
    const byId = this.#named.get(session) ?? new Map<string, Waiter>();
    this.#named.set(session, byId.set(id, waiter));
    waiter.onLeave = () => {
      if (byId.get(id) === waiter) byId.delete(id);
      if (byId.size === 0 && this.#named.get(session) === byId) this.#named.delete(session);
    };
  }

  #append(waiter: Waiter): void {
    if (this.length >= this.#cutAt) this.#cutOutGone();
    this.#waiters.push(waiter);
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
      for (const waiting of back) this.#append(waiting);
      this.#onRoom();
    });
  }
}
