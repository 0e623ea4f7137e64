/**
 * Finds a peer that is gone without a word (a cable, a frozen machine): when a link is silent for
 * an interval, it is asked; when it stays silent for another, it is dead. Also keeps an idle
 * connection from being closed by the broker. Owned by Connection, one for each link.
 */
import type { Clock } from '../clock.js';
import type { Link } from './transport.js';

export interface HeartbeatOptions {
  readonly clock: Clock;
  readonly intervalMs: number;
  /** Asks the peer for a sign of life. */
  readonly ask: () => void;
  readonly onDead: () => void;
}

/** Starts to watch `link`; returns how to stop. */
export function watchLink(link: Link, options: HeartbeatOptions): () => void {
  let seen = link.activity;
  let asked = false;
  if (seen === undefined || options.intervalMs === Infinity) return () => undefined;
  return options.clock.every(options.intervalMs, () => {
    const { activity } = link;
    if (activity !== seen) {
      seen = activity;
      asked = false;
    } else if (asked) {
      options.onDead();
    } else {
      asked = true;
      options.ask();
    }
  });
}
