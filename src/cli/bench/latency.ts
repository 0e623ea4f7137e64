/** Latencies of one run, with three significant digits, in a histogram of constant size. */
import { createHistogram } from 'node:perf_hooks';

export interface LatencyFigures {
  readonly count: number;
  readonly minMs: number;
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
}

const NS_PER_MS = 1e6;
/** One hour; what takes longer counts as this. */
const HIGHEST_NS = 3600e9;

export class Latency {
  readonly #histogram = createHistogram({ lowest: 1, highest: HIGHEST_NS, figures: 3 });

  /** Counts the time from `sinceMs`, on the clock of performance.now(), until now. */
  record(sinceMs: number): void {
    const ns = Math.round((performance.now() - sinceMs) * NS_PER_MS);
    this.#histogram.record(Math.min(HIGHEST_NS, Math.max(1, ns)));
  }

  /** null when nothing was recorded. */
  figures(): LatencyFigures | null {
    const histogram = this.#histogram;
    if (histogram.count === 0) return null;
    const percentileMs = (percent: number): number => histogram.percentile(percent) / NS_PER_MS;
    return {
      count: histogram.count,
      minMs: histogram.min / NS_PER_MS,
      meanMs: histogram.mean / NS_PER_MS,
      p50Ms: percentileMs(50),
      p90Ms: percentileMs(90),
      p99Ms: percentileMs(99),
      p999Ms: percentileMs(99.9),
      maxMs: histogram.max / NS_PER_MS,
    };
  }
}
