/**
 * What is due when, soonest first: a binary heap whose items know their places, so that one that is
 * no longer due leaves at once and keeps no memory. Used by RpcCalls for the deadlines of all
 * calls.
 */

export interface Due {
  /** Changed only while the item is not in the heap. */
  dueMs: number;
  /** Kept by the heap: its place there, -1 when it is not in it. */
  place: number;
}

export class Deadlines<Item extends Due> {
  readonly #heap: Item[] = [];

  get size(): number {
    return this.#heap.length;
  }

  /** The item due soonest. */
  get first(): Item | undefined {
    return this.#heap[0];
  }

  add(item: Item): void {
    this.#heap.push(item);
    this.#rise(item, this.#heap.length - 1);
  }

  /** Takes the item out, if it is in. */
  remove(item: Item): void {
    const { place } = item;
    if (place < 0) return;
    item.place = -1;
    const last = this.#heap.pop();
    if (last === undefined || last === item) return;
    this.#rise(last, place);
    this.#sink(last);
  }

  /** Puts the item at `place` or above. */
  #rise(item: Item, place: number): void {
    const heap = this.#heap;
    let at = place;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || parent.dueMs <= item.dueMs) break;
      heap[at] = parent;
      parent.place = at;
      at = above;
    }
    heap[at] = item;
    item.place = at;
  }

  /** Moves the item below those that are due sooner. */
  #sink(item: Item): void {
    const heap = this.#heap;
    let at = item.place;
    for (;;) {
      let below = 2 * at + 1;
      const left = heap[below];
      const right = heap[below + 1];
      let child = left;
      if (right !== undefined && left !== undefined && right.dueMs < left.dueMs) {
        child = right;
        below++;
      }
      if (child === undefined || child.dueMs >= item.dueMs) break;
      heap[at] = child;
      child.place = at;
      at = below;
    }
    heap[at] = item;
    item.place = at;
  }
}
