/**
 * The books of one group with explicit acks: who was given which message, what became of it, and
 * hence what may come again. Written by AckingConsumer and by the traffic that starts it. Throws
 * AssertionError that names the broken promise.
 */
import assert from 'node:assert/strict';

/**
 * What a consumer does with a message. One that is late comes back by its timeout before its ack;
 * `drop` ends the connection.
 */
export type Verdict = 'ack' | 'nack' | 'late' | 'forget' | 'drop';

/** What one end of the broker left behind. */
export interface AckFigures {
  /** Acks answered with 200, by message. */
  readonly settled: number;
  /** Delivered and not answered when the broker ended. */
  readonly inFlight: number;
  /** Delivered again because an earlier end had cut their consumer off. */
  readonly repeated: number;
  /** Delivered again because their consumer had given them back or was late. */
  readonly returned: number;
}

interface Holding {
  /** Several where the order in which they were given the message cannot be told. */
  readonly consumers: readonly number[];
  /** When it was asked for: it was handed out later. */
  readonly askedMs: number;
  /** Ends of the broker before it. */
  readonly round: number;
  /** Pass of the event loop in which it was seen. */
  readonly pass: number;
  /** Given back, or its consumer has gone. */
  free: boolean;
}

/** The clocks of two processes, and what they round. */
const CLOCK_ERROR_MS = 5;

export class AckLedger {
  readonly ackTimeoutMs: number;
  /** Their acks were answered with 200. */
  readonly #settled = new Set<number>();
  /** A consumer was done with them, whatever became of its ack. */
  readonly #processed = new Set<number>();
  readonly #held = new Map<number, Holding>();
  #round = 0;
  #pass = 0;
  #passEnds = false;
  #settledBefore = 0;
  #repeated = 0;
  #returned = 0;

  constructor(ackTimeoutMs: number) {
    this.ackTimeoutMs = ackTimeoutMs;
  }

  /** `consumer` is its number, `askedMs` when it sent the grant that let the message come. */
  delivered(offset: number, consumer: number, askedMs: number): void {
    assert(!this.#settled.has(offset), `${offset} came again after its ack was answered`);
    const before = this.#held.get(offset);
    const holding = { consumers: [consumer], askedMs, round: this.#round, pass: this.#pass };
    this.#countPass();
    if (before === undefined) {
      this.#held.set(offset, { ...holding, free: false });
    } else if (before.round < this.#round) {
      this.#repeated++;
      this.#held.set(offset, { ...holding, free: false });
    } else {
      this.#returned++;
      this.#held.set(offset, this.#again(offset, before, { ...holding, free: false }));
    }
  }

  /** Within one pass two connections may be read in another order than they were written to. */
  #again(offset: number, before: Holding, holding: Holding): Holding {
    if (before.pass === holding.pass) {
      return {
        ...holding,
        consumers: [...before.consumers, ...holding.consumers],
        askedMs: Math.min(before.askedMs, holding.askedMs),
        free: before.free,
      };
    }
    const heldMs = performance.now() - before.askedMs;
    const overdue = heldMs >= this.ackTimeoutMs - CLOCK_ERROR_MS;
    assert(before.free || overdue, `${offset} came again within ${heldMs} ms, not given back`);
    return holding;
  }

  #countPass(): void {
    if (this.#passEnds) return;
    this.#passEnds = true;
    setImmediate(() => {
      this.#passEnds = false;
      this.#pass++;
    });
  }

  decided(offset: number, verdict: Verdict): void {
    const holding = this.#held.get(offset);
    if (holding !== undefined && verdict === 'nack') holding.free = true;
    if (verdict === 'ack' || verdict === 'late') this.#processed.add(offset);
  }

  /** The ack of `consumer` was answered with 200. */
  acked(offset: number, consumer: number): void {
    const holding = this.#held.get(offset);
    assert(
      holding?.consumers.includes(consumer) === true,
      `the ack of ${offset} was answered with 200, and it was in other hands`,
    );
    this.#held.delete(offset);
    this.#settled.add(offset);
  }

  /** The consumer has left: what it held comes back at once. */
  left(consumer: number): void {
    for (const holding of this.#held.values()) {
      if (holding.consumers.includes(consumer)) holding.free = true;
    }
  }

  /** The broker has ended: what is held now may come again. */
  endRound(): AckFigures {
    const figures = {
      settled: this.#settled.size - this.#settledBefore,
      inFlight: this.#held.size,
      repeated: this.#repeated,
      returned: this.#returned,
    };
    this.#round++;
    this.#settledBefore = this.#settled.size;
    this.#repeated = 0;
    this.#returned = 0;
    return figures;
  }

  wasSettled(offset: number): boolean {
    return this.#settled.has(offset);
  }

  wasProcessed(offset: number): boolean {
    return this.#processed.has(offset);
  }
}
