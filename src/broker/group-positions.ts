/**
 * Where a consume group stands: what it reads next, what is on its way to consumers, what came back
 * undelivered. Used by ConsumeGroup; pure bookkeeping. `floor` is what may be stored: everything
 * below it was handed to the kernel or filtered out, so a restart repeats messages but skips none.
 */

export class GroupPositions {
  /** Next offset to read that was never handed out. */
  next: number;
  /**
   * Handed to connections, not yet to the kernel: new ones in ascending order, repeated ones apart.
   */
  readonly #outstanding = new Set<number>();
  readonly #repeated = new Set<number>();
  /** Came back undelivered, ascending: handed out again before anything new. */
  #returned: number[] = [];
  /** Deliveries of an earlier generation no longer count: the group was moved meanwhile. */
  generation = 0;

  constructor(next: number) {
    this.next = next;
  }

  get floor(): number {
    let floor = this.next;
    for (const first of this.#outstanding) {
      floor = Math.min(floor, first);
      break;
    }
    for (const offset of this.#repeated) floor = Math.min(floor, offset);
    return Math.min(floor, this.#returned[0] ?? floor);
  }

  /** The offset to hand out again first; undefined when none came back. */
  get firstReturned(): number | undefined {
    return this.#returned[0];
  }

  /** Messages not handed out yet. */
  remaining(firstOffset: number, endOffset: number): number {
    return Math.max(0, endOffset - Math.max(this.next, firstOffset)) + this.#returned.length;
  }

  handOut(offset: number): void {
    if (this.#returned[0] === offset) {
      this.#returned.shift();
      this.#repeated.add(offset);
    } else {
      this.#outstanding.add(offset);
      this.next = offset + 1;
    }
  }

  delivered(offset: number, generation: number): void {
    if (generation !== this.generation) return;
    if (!this.#outstanding.delete(offset)) this.#repeated.delete(offset);
  }

  undelivered(offset: number, generation: number): void {
    if (generation !== this.generation) return;
    this.delivered(offset, generation);
    const place = this.#returned.findIndex((other) => other > offset);
    this.#returned.splice(place === -1 ? this.#returned.length : place, 0, offset);
  }

  /** The message that came back is gone from the log. */
  dropReturned(offset: number): void {
    if (this.#returned[0] === offset) this.#returned.shift();
  }

  moveTo(offset: number): void {
    this.generation++;
    this.next = offset;
    this.#outstanding.clear();
    this.#repeated.clear();
    this.#returned = [];
  }
}
