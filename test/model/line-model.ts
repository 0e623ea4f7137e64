/** Who waits for messages of a group, in the order in which they are served; used by GroupModel. */

interface ModelWaiter {
  readonly peer: string;
  readonly id: string;
  readonly timeoutMs: number | null;
  credits: number;
  expiresMs: number;
}

export interface LineWorld {
  readonly nowMs: () => number;
  readonly isCongested: (peer: string) => boolean;
}

export class LineModel {
  readonly #world: LineWorld;
  #waiters: ModelWaiter[] = [];
  /** Passed over because their peer was congested. */
  #parked: ModelWaiter[] = [];

  constructor(world: LineWorld) {
    this.#world = world;
  }

  push(peer: string, id: string, credits: number, timeoutMs: number | null): void {
    const waiter = { peer, id, credits, timeoutMs, expiresMs: Infinity };
    this.#restartTimeout(waiter);
    this.#waiters.push(waiter);
  }

  idsOf(peer: string): string[] {
    return this.#all.filter((waiter) => waiter.peer === peer).map(({ id }) => id);
  }

  grant(peer: string, id: string, credits: number): void {
    const waiter = this.#all.find((each) => each.peer === peer && each.id === id);
    if (waiter === undefined) throw new Error('the model grants to nobody');
    waiter.credits += credits;
    this.#restartTimeout(waiter);
  }

  remove(peer: string): void {
    this.#keep((waiter) => waiter.peer !== peer);
  }

  clear(): void {
    this.#keep(() => false);
  }

  /** The connection of `peer` takes bytes again: its waiters stand at the end. */
  writable(peer: string): void {
    this.#waiters.push(...this.#parked.filter((waiter) => waiter.peer === peer));
    this.#parked = this.#parked.filter((waiter) => waiter.peer !== peer);
  }

  /** Takes out those who waited too long; their ids. */
  expire(): string[] {
    const nowMs = this.#world.nowMs();
    const expired = this.#all.filter(({ expiresMs }) => expiresMs <= nowMs);
    this.#keep((waiter) => !expired.includes(waiter));
    return expired.map(({ id }) => id);
  }

  /** The first whose peer takes bytes; null when there is none. */
  peek(): ModelWaiter | null {
    for (;;) {
      const waiter = this.#waiters[0];
      if (waiter === undefined) return null;
      if (!this.#world.isCongested(waiter.peer)) return waiter;
      this.#parked.push(waiter);
      this.#waiters.shift();
    }
  }

  /** The first was given a message: it leaves, or stands at the end. */
  served(): void {
    const waiter = this.#waiters.shift();
    if (waiter === undefined) return;
    waiter.credits--;
    if (waiter.credits === 0) return;
    this.#restartTimeout(waiter);
    this.#waiters.push(waiter);
  }

  get #all(): ModelWaiter[] {
    return [...this.#waiters, ...this.#parked];
  }

  #keep(stays: (waiter: ModelWaiter) => boolean): void {
    this.#waiters = this.#waiters.filter(stays);
    this.#parked = this.#parked.filter(stays);
  }

  #restartTimeout(waiter: ModelWaiter): void {
    if (waiter.timeoutMs !== null) waiter.expiresMs = this.#world.nowMs() + waiter.timeoutMs;
  }
}
