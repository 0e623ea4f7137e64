/**
 * Messages between a consumer and the application that iterates over it: what came and was not
 * asked for yet, who asked and got nothing yet, and what is in the application's hands.
 */

interface Taker<Item> {
  readonly resolve: (result: IteratorResult<Item, undefined>) => void;
  readonly reject: (error: unknown) => void;
}

/** Taken items before the first that are kept at most before the list is cut. */
const COMPACT_AT = 1024;

export class Inbox<Item extends object> {
  #items: Item[] = [];
  #head = 0;
  #takers: Taker<Item>[] = [];
  readonly #inHand = new Set<Item>();
  #onIdle: (() => void)[] = [];
  #ended = false;
  /** Thrown once, behind the last item. */
  #failure: { readonly error: Error } | null = null;

  /** Items that came and were not asked for yet. */
  get length(): number {
    return this.#items.length - this.#head;
  }

  /** Items that the application was handed, and neither settled nor went on from. */
  get inHandCount(): number {
    return this.#inHand.size;
  }

  push(item: Item): void {
    const taker = this.#takers.shift();
    if (taker === undefined) {
      this.#items.push(item);
      return;
    }
    this.#inHand.add(item);
    taker.resolve({ done: false, value: item });
  }

  /** The next item, now or later; whoever asks is done with the one before. */
  next(): Promise<IteratorResult<Item, undefined>> {
    for (const before of this.#inHand) {
      this.settle(before);
      break;
    }
    const item = this.#shift();
    if (item !== undefined) {
      this.#inHand.add(item);
      return Promise.resolve({ done: false, value: item });
    }
    if (this.#failure !== null) {
      const { error } = this.#failure;
      this.#failure = null;
      return Promise.reject(error);
    }
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve, reject) => {
      this.#takers.push({ resolve, reject });
    });
  }

  /** The application is done with the item. */
  settle(item: Item): void {
    if (this.#inHand.delete(item) && this.#inHand.size === 0) this.#tellIdle();
  }

  /** The application asks for no more, and is done with what it has. */
  release(): void {
    this.#inHand.clear();
    this.#tellIdle();
  }

  /** Resolves once nothing is in the application's hands. */
  idle(): Promise<void> {
    if (this.#inHand.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onIdle.push(resolve);
    });
  }

  /** Takes out what was not asked for yet. */
  clear(): Item[] {
    const items = this.#items.slice(this.#head);
    this.#items = [];
    this.#head = 0;
    return items;
  }

  /** Nothing more comes: who asks gets what is there, then the failure, then the end. */
  end(failure: { readonly error: Error } | null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#failure = failure;
    for (const { resolve, reject } of this.#takers) {
      if (this.#failure === null) resolve({ done: true, value: undefined });
      else reject(this.#failure.error);
      this.#failure = null;
    }
    this.#takers = [];
  }

  #tellIdle(): void {
    const waiting = this.#onIdle;
    this.#onIdle = [];
    for (const resolve of waiting) resolve();
  }

  #shift(): Item | undefined {
    const item = this.#items[this.#head];
    if (item === undefined) return undefined;
    this.#head++;
    if (this.#head === this.#items.length) {
      this.#items = [];
      this.#head = 0;
    } else if (this.#head >= COMPACT_AT) {
      this.#items.splice(0, this.#head);
      this.#head = 0;
    }
    return item;
  }
}
