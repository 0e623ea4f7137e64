/**
 * The frame of every command that talks to a broker: connects, runs the command, closes in good
 * order, and turns Ctrl-C into an AbortSignal. Promises that a second Ctrl-C ends at once.
 */
import type { Bus } from '../client/bus.js';
import { type ConnectionFlags, openBus } from './connection-options.js';
import { Interrupted, note } from './outcome.js';

export interface ClientCommandOptions {
  /**
   * What Ctrl-C does: ends the command where it is (default), or only aborts the signal, so that
   * the command ends by itself with what it has in hand.
   */
  readonly onInterrupt?: 'stop' | 'finish';
}

type Work = (bus: Bus, interrupted: AbortSignal) => Promise<void>;

/** Rejects with what `work` rejects with, with the error of the connection, or Interrupted. */
export async function withBus(
  flags: ConnectionFlags,
  work: Work,
  { onInterrupt = 'stop' }: ClientCommandOptions = {},
): Promise<void> {
  const interrupted = firstSignal();
  const bus = await openBus(flags, interrupted);
  const stopTelling = tellLosses(bus);
  try {
    const working = work(bus, interrupted);
    await (onInterrupt === 'stop' ? Promise.race([working, rejection(interrupted)]) : working);
  } finally {
    stopTelling();
    // What was to be waited for, the command has waited for.
    await bus.close(interrupted.aborted ? { timeoutMs: onInterrupt === 'stop' ? 0 : 1000 } : {});
  }
}

function firstSignal(): AbortSignal {
  const aborter = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      const interruption = new Interrupted(name);
      if (aborter.signal.aborted) process.exit(interruption.exitCode);
      aborter.abort(interruption);
    });
  }
  return aborter.signal;
}

function rejection(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => {
      reject(signal.reason as Error);
    });
  });
}

/** Whoever waits should know for what. */
function tellLosses(bus: Bus): () => void {
  const stops = [
    bus.on('disconnected', ({ error }) => {
      note(`${error.message}; connecting again`);
    }),
    bus.on('connected', () => {
      note('connected again');
    }),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}
