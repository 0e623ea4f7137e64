/**
 * Ids that are unique without asking anyone, for the price of a counter: 96 random bits once, then
 * a number. One source a connection.
 */

const PREFIX_WORDS = 3;

export class IdSource {
  readonly #prefix: string;
  #count = 0;

  constructor() {
    const words = crypto.getRandomValues(new Uint32Array(PREFIX_WORDS));
    this.#prefix = `${Array.from(words, (word) => word.toString(36)).join('')}-`;
  }

  next(): string {
    return this.#prefix + (this.#count++).toString(36);
  }
}
