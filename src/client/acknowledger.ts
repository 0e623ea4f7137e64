/**
 * The acknowledgements of one consumer, gathered as disks gather writes: while a request with some
 * is on its way, others wait for its answer and then leave together. A lone one leaves at once, and
 * a thousand cost a few requests. Owned by Consumer.
 */
import { ConflictError } from '../errors.js';
import { parseOffsets } from '../protocol/offsets.js';
import { Header } from '../protocol/headers.js';

/** Offsets in one request at most: their list must fit in a head. */
const OFFSETS_MAX = 500;

/** What is acknowledged. */
interface Acknowledged {
  readonly offset: number;
}

export interface AcknowledgerOwner<Item> {
  /** Why the item cannot be acknowledged any more; null when it can. */
  refusalOf(item: Item): Error | null;
  /** Sends one request with these offsets; rejects with what it is refused with. */
  sendAck(offsets: string): Promise<void>;
  /** The outcome is known, and was or is about to be told. */
  onSettled(item: Item): void;
}

interface Waiting<Item> {
  readonly item: Item;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class Acknowledger<Item extends Acknowledged> {
  readonly #owner: AcknowledgerOwner<Item>;
  #waiting: Waiting<Item>[] = [];
  #underWay = 0;

  constructor(owner: AcknowledgerOwner<Item>) {
    this.#owner = owner;
  }

  /** Resolves once the broker has written it down. */
  acknowledge(item: Item): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      if (this.#underWay === 0) this.flush();
    });
  }

  /** Sends what waits now, such as before the consumer leaves. */
  flush(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (let i = 0; i < waiting.length; i += OFFSETS_MAX) {
      void this.#send(waiting.slice(i, i + OFFSETS_MAX));
    }
  }

  async #send(asked: readonly Waiting<Item>[]): Promise<void> {
    const batch = asked.filter((one) => !this.#refuses(one));
    if (batch.length === 0) return;
    this.#underWay++;
    try {
      await this.#owner.sendAck(batch.map(({ item }) => item.offset).join(','));
      for (const one of batch) this.#settle(one, null);
    } catch (error) {
      const isRefused = refusedBy(error);
      for (const one of batch) this.#settle(one, isRefused(one.item.offset) ? error : null);
    }
    if (--this.#underWay === 0) this.flush();
  }

  #refuses(one: Waiting<Item>): boolean {
    const refusal = this.#owner.refusalOf(one.item);
    if (refusal !== null) this.#settle(one, refusal);
    return refusal !== null;
  }

  #settle({ item, resolve, reject }: Waiting<Item>, error: unknown): void {
    this.#owner.onSettled(item);
    if (error === null) resolve();
    else reject(error);
  }
}

/** A conflict names the offsets that it is about; any other error is about all. */
function refusedBy(error: unknown): (offset: number) => boolean {
  if (!(error instanceof ConflictError) || error.offsets === '') return () => true;
  const ranges = parseOffsets(Header.offsets, error.offsets);
  return (offset) => ranges.some(({ first, last }) => first <= offset && offset <= last);
}
