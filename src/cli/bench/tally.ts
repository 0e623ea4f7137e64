/** Which messages came, and which of them more than once. One for each group that consumes. */
import type { Numbers } from './numbered-body.js';

const NUMBERS_AT_FIRST = 1024;

export class Tally {
  /** Different messages that came. */
  distinct = 0;
  duplicates = 0;
  /** What nobody sent in this run. */
  strangers = 0;
  readonly #seen: Uint8Array[];

  constructor(senders: number) {
    this.#seen = Array.from({ length: senders }, () => new Uint8Array(NUMBERS_AT_FIRST));
  }

  add(numbers: Numbers | null): void {
    let seen = numbers === null ? undefined : this.#seen[numbers.sender];
    if (numbers === null || seen === undefined) {
      this.strangers++;
      return;
    }
    const { sender, number } = numbers;
    if (number >= seen.length) {
      const wider = new Uint8Array(Math.max(number + 1, 2 * seen.length));
      wider.set(seen);
      this.#seen[sender] = seen = wider;
    }
    if (seen[number] === 1) {
      this.duplicates++;
    } else {
      seen[number] = 1;
      this.distinct++;
    }
  }

  /** What is wrong, given that so many were sent; nothing when each came once. */
  faults(sentCount: number): string[] {
    const missing = sentCount - this.distinct;
    return [
      ...(missing > 0 ? [`${missing} of ${sentCount} messages missing`] : []),
      ...(missing < 0 ? [`${-missing} messages more than were sent`] : []),
      ...(this.duplicates > 0 ? [`${this.duplicates} messages came twice`] : []),
      ...(this.strangers > 0 ? [`${this.strangers} messages of someone else`] : []),
    ];
  }
}
