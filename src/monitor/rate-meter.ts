/** Makes rates of counts that only grow, of one topic or of all. Asked by Monitor each second. */
import type { TrafficCounts } from '../broker/traffic-counts.js';
import type { Rates } from './shapes.js';

/** The same object whenever nothing has passed. */
export const NO_RATES: Rates = { produced: 0, producedBytes: 0, delivered: 0, rpc: 0 };

export class RateMeter {
  readonly #traffic: TrafficCounts;
  #produced = 0;
  #producedBytes = 0;
  #delivered = 0;
  #rpc = 0;

  constructor(traffic: TrafficCounts) {
    this.#traffic = traffic;
  }

  /** Since it was asked last, `elapsedMs` ago. */
  measure(elapsedMs: number): Rates {
    const { producedCount, producedBytes, deliveredCount, rpcEndedCount } = this.#traffic;
    const passed =
      producedCount - this.#produced + deliveredCount - this.#delivered + rpcEndedCount - this.#rpc;
    if (passed === 0) return NO_RATES;
    const rates = {
      produced: perSecond(producedCount - this.#produced, elapsedMs),
      producedBytes: perSecond(producedBytes - this.#producedBytes, elapsedMs),
      delivered: perSecond(deliveredCount - this.#delivered, elapsedMs),
      rpc: perSecond(rpcEndedCount - this.#rpc, elapsedMs),
    };
    this.#produced = producedCount;
    this.#producedBytes = producedBytes;
    this.#delivered = deliveredCount;
    this.#rpc = rpcEndedCount;
    return rates;
  }
}

/** With one decimal. */
function perSecond(count: number, elapsedMs: number): number {
  return Math.round((count * 10_000) / elapsedMs) / 10;
}
