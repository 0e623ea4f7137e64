/**
 * Rates of the last five minutes, second by second, and of the last hour in steps of ten seconds:
 * rings of fixed size, so that a broker that runs for years keeps no more than one that runs for an
 * hour. Filled by Monitor once a second.
 */
import type { History, Series } from './shapes.js';

/** What is kept of each step. */
export interface Sample {
  readonly produced: number;
  readonly delivered: number;
  readonly rpc: number;
  readonly backlogCount: number;
}

const UNKNOWN: Sample = { produced: NaN, delivered: NaN, rpc: NaN, backlogCount: NaN };
/** Numbers of a sample. */
const WIDTH = 4;

const FINE_STEPS = 300;
export const FINE_STEP_MS = 1000;
const COARSE_STEPS = 360;
/** Fine steps in a coarse one. */
const COARSE_FACTOR = 10;

/** The last `steps` samples; those that were never taken are null. */
export class SampleRing {
  readonly #steps: number;
  readonly #stepMs: number;
  readonly #values: Float64Array;
  /** Samples ever taken. */
  #count = 0;

  constructor(steps: number, stepMs: number) {
    this.#steps = steps;
    this.#stepMs = stepMs;
    this.#values = new Float64Array(steps * WIDTH);
  }

  /** null: nothing is known of this step. */
  push(sample: Sample | null): void {
    const at = (this.#count % this.#steps) * WIDTH;
    const { produced, delivered, rpc, backlogCount } = sample ?? UNKNOWN;
    this.#values[at] = produced;
    this.#values[at + 1] = delivered;
    this.#values[at + 2] = rpc;
    this.#values[at + 3] = backlogCount;
    this.#count++;
  }

  /** Mean of the last `count` samples that are known; null when none is. */
  mean(count: number): Sample | null {
    const sums = new Float64Array(WIDTH);
    let known = 0;
    for (let back = 1; back <= Math.min(count, this.#count, this.#steps); back++) {
      const at = ((this.#count - back) % this.#steps) * WIDTH;
      if (Number.isNaN(this.#values[at])) continue;
      known++;
      for (let i = 0; i < WIDTH; i++) sums[i] = (sums[i] ?? 0) + (this.#values[at + i] ?? 0);
    }
    if (known === 0) return null;
    const [produced = 0, delivered = 0, rpc = 0, backlogCount = 0] = sums.map((sum) => sum / known);
    return { produced, delivered, rpc, backlogCount };
  }

  /** `lastAtMs` is the time of the newest sample. */
  series(lastAtMs: number): Series {
    const length = Math.min(this.#count, this.#steps);
    const column = (field: number): (number | null)[] =>
      Array.from({ length }, (_, i) => {
        const at = ((this.#count - length + i) % this.#steps) * WIDTH + field;
        const value = this.#values[at] ?? NaN;
        return Number.isNaN(value) ? null : Math.round(value * 10) / 10;
      });
    return {
      stepMs: this.#stepMs,
      firstAtMs: Math.round(lastAtMs - Math.max(0, length - 1) * this.#stepMs),
      produced: column(0),
      delivered: column(1),
      rpc: column(2),
      backlogCount: column(3),
    };
  }
}

/** Of the server: both rings. */
export class RateHistory {
  readonly #fine = fineRing();
  readonly #coarse = new SampleRing(COARSE_STEPS, COARSE_FACTOR * FINE_STEP_MS);
  #sinceCoarse = 0;
  #coarseAtMs = 0;

  /** `missedSteps`: seconds before this one in which the process did not run. */
  push(sample: Sample, missedSteps: number, atMs: number): void {
    for (let i = 0; i < Math.min(missedSteps, COARSE_STEPS * COARSE_FACTOR); i++) {
      this.#push(null, atMs);
    }
    this.#push(sample, atMs);
  }

  series(atMs: number): History {
    return { fine: this.#fine.series(atMs), coarse: this.#coarse.series(this.#coarseAtMs) };
  }

  #push(sample: Sample | null, atMs: number): void {
    this.#fine.push(sample);
    this.#sinceCoarse++;
    if (this.#sinceCoarse < COARSE_FACTOR) return;
    this.#sinceCoarse = 0;
    this.#coarseAtMs = atMs;
    this.#coarse.push(this.#fine.mean(COARSE_FACTOR));
  }
}

export function fineRing(): SampleRing {
  return new SampleRing(FINE_STEPS, FINE_STEP_MS);
}
