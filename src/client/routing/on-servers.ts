/**
 * The same command on several servers at once: declarations and what ends them. Used by
 * BrokerClient.
 */
import { NotFoundError } from '../../errors.js';
import { parseServerAddress, serverAddressText } from '../../protocol/server-address.js';
import type { Bus } from '../bus.js';
import { ConnectionLostError, TimeoutError } from '../errors.js';
import type { CallLimits } from '../mq-client.js';
import type { RoutedServer } from './route-table.js';
import type { ServerSet } from './server-set.js';

/** Which servers: those of these addresses, those that the function says yes to. Default: all. */
export type ServerChoice = readonly string[] | ((server: RoutedServer) => boolean);

export interface OnServersOptions extends CallLimits {
  /**
   * All, and those that a function chooses, are those that are connected, once each was tried, of
   * which there must be one; servers that are named must all answer in time.
   */
  readonly servers?: ServerChoice;
}

/** What one server answered. */
export interface OnServer<Result> {
  /** Its key, `host:port`. */
  readonly server: string;
  readonly result: Result;
}

/** Throws BadRequestError for an address that is none. */
export function isChosenBy(servers: ServerChoice | undefined): (server: RoutedServer) => boolean {
  if (typeof servers === 'function') return servers;
  const named = namedIn(servers);
  return ({ key }) => named === null || named.has(key);
}

/** The keys of servers that are named one by one; null when they are not. */
function namedIn(servers: ServerChoice | undefined): ReadonlySet<string> | null {
  if (servers === undefined || typeof servers === 'function') return null;
  return new Set(servers.map((one) => serverAddressText(parseServerAddress(one))));
}

/**
 * Resolves with what the servers have answered. Those whose connections end meanwhile are left out
 * unless they were named. Rejects with the first error of another kind, once all have answered, and
 * with TimeoutError when no server could be reached.
 */
export async function onServers<Result>(
  set: ServerSet,
  options: OnServersOptions,
  task: (bus: Bus, limits: CallLimits) => Promise<Result>,
): Promise<OnServer<Result>[]> {
  const { servers, timeoutMs = set.connectionOptions.timeoutMs, signal } = options;
  const endMs = set.clock.nowMs() + timeoutMs;
  const chosen = await chosenServers(set, options, endMs);
  const limits = { timeoutMs: Math.max(1, endMs - set.clock.nowMs()), signal };
  const outcomes = await Promise.allSettled(
    chosen.map(async (server) => ({
      server: server.key,
      result: await task(set.bus(server), limits),
    })),
  );
  const done = outcomes.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const errors = outcomes.flatMap((one) =>
    one.status === 'rejected' ? [one.reason as Error] : [],
  );
  const counts =
    namedIn(servers) !== null || done.length === 0
      ? errors
      : errors.filter((error) => !isLoss(error));
  const [first] = counts;
  if (first !== undefined) throw first;
  return done;
}

/** As `onServers`, for what need not be there everywhere; NotFoundError when it is nowhere. */
export async function whereFound(
  set: ServerSet,
  options: OnServersOptions,
  task: (bus: Bus, limits: CallLimits) => Promise<void>,
): Promise<void> {
  const answers = await onServers(set, options, async (bus, limits) => {
    try {
      await task(bus, limits);
      return null;
    } catch (error) {
      if (error instanceof NotFoundError) return error;
      throw error;
    }
  });
  const missing = answers.map(({ result }) => result);
  const [first] = missing;
  if (first instanceof NotFoundError && !missing.includes(null)) throw first;
}

async function chosenServers(
  set: ServerSet,
  { servers, signal }: OnServersOptions,
  endMs: number,
): Promise<RoutedServer[]> {
  const isChosen = isChosenBy(servers);
  const named = namedIn(servers);
  for (;;) {
    signal?.throwIfAborted();
    const chosen = set.servers.filter(
      (server) => isChosen(server) && (named !== null || set.isConnected(server)),
    );
    if (named === null ? set.settled && chosen.length > 0 : chosen.length >= named.size) {
      return chosen;
    }
    const leftMs = endMs - set.clock.nowMs();
    if (leftMs <= 0) {
      throw new TimeoutError('The servers that are asked for could not be reached in time');
    }
    await set.change(leftMs, signal);
  }
}

function isLoss(error: unknown): boolean {
  return error instanceof ConnectionLostError || error instanceof TimeoutError;
}
