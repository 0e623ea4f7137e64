/**
 * What the reliability tests send: size and bytes of a message are functions of a seed, its
 * producer and its number, so that any message that comes back can be checked without having been
 * kept.
 */

/** Around every length that some layer treats apart: empty, one word, one page with its headers. */
const EDGE_BYTES = [0, 1, 7, 8, 9, 4055, 4056, 4057] as const;
const LARGE_BYTES = 64 * 1024;
const POOL_BYTES = 1024 * 1024;

/** Mulberry32: small, seedable, and good enough to choose sizes and moments. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The seed of this run: from the environment to replay one, else new; printed by the tests. */
export function runSeed(): number {
  return Number(process.env.RELIABILITY_SEED ?? Date.now() % 1_000_000);
}

export class Payloads {
  readonly #seed: number;
  readonly #pool = Buffer.alloc(POOL_BYTES);

  constructor(seed: number) {
    this.#seed = seed;
    const random = randomOf(seed);
    for (let at = 0; at < POOL_BYTES; at += 4) this.#pool.writeUInt32LE(random() * 2 ** 32, at);
  }

  /** Body of message `n` of `producer`, of a size of its own; a view, not to be written to. */
  body(producer: number, n: number): Buffer {
    const random = this.#randomOf(producer, n);
    return this.#view(sizeOf(random()), random());
  }

  /** The same with a given size. */
  bodyOf(producer: number, n: number, bytes: number): Buffer {
    return this.#view(bytes, this.#randomOf(producer, n)());
  }

  #view(bytes: number, share: number): Buffer {
    const start = Math.floor(share * (POOL_BYTES - bytes));
    return this.#pool.subarray(start, start + bytes);
  }

  #randomOf(producer: number, n: number): () => number {
    const random = randomOf(
      this.#seed ^ Math.imul(producer + 1, 0x9e3779b1) ^ Math.imul(n, 0x85eb),
    );
    random();
    return random;
  }
}

/** Half small ones, four in ten on an edge, a few large ones. */
function sizeOf(share: number): number {
  if (share < 0.01) return LARGE_BYTES;
  if (share < 0.4) return EDGE_BYTES[Math.floor(share * 1000) % EDGE_BYTES.length] ?? 0;
  return Math.floor(share * 600);
}
