/**
 * Makes one call of several servers: chooses one, and when it cannot do it another, until one has
 * answered, the call's time is over, or what they say cannot be mended. Used by RoutedProducer and
 * RoutedRpc, which say what an error means for a call of theirs.
 */
import { ClosedError, NotFoundError } from '../../errors.js';
import type { Bus } from '../bus.js';
import { asError, ConnectionLostError, TimeoutError } from '../errors.js';
import type { CallKind, ServerSet } from './server-set.js';
import type { RoutedServer } from './route-table.js';
import type { Candidate, ChooseServer, Choosing } from './server-choice.js';

/**
 * What an error of one server means:
 * - `final`: no other server is asked;
 * - `elsewhere`: others are; when all have said so it is over;
 * - `later`: others are; when all have been, it is tried again once something has changed;
 * - `again`: others are; when all have been, they are asked once more.
 */
export type Verdict = 'final' | 'elsewhere' | 'later' | 'again';

export interface RoutedCall<Result> extends Choosing {
  readonly kind: CallKind;
  readonly choose: ChooseServer;
  /** Leaves those among which is chosen; at least one of at least one. */
  readonly narrow: (candidates: readonly Candidate[]) => readonly Candidate[];
  /** Milliseconds, for all attempts. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  send(bus: Bus, server: RoutedServer, leftMs: number): Promise<Result>;
  judge(error: unknown): Verdict;
  /** True for an error that says that the server cannot do its work. */
  isFault(error: unknown): boolean;
}

/** What waits is looked at again after this long, whether something has changed or not. */
const LOOK_AGAIN_MS = 250;

/** The errors of one round of attempts, one a server. */
class Round {
  readonly tried = new Set<string>();
  /** What the whole call fails with if it goes no further. */
  error: Error | null = null;
  #verdict: Verdict | null = null;

  add(server: RoutedServer, error: Error, verdict: Verdict): void {
    this.tried.add(server.key);
    // Of several the one that has hope tells more.
    if (this.#verdict === null || RANK[verdict] > RANK[this.#verdict]) {
      this.#verdict = verdict;
      this.error = error;
    }
  }

  get verdict(): Verdict {
    return this.#verdict ?? 'later';
  }
}

const RANK: Readonly<Record<Verdict, number>> = { final: 3, again: 2, later: 1, elsewhere: 0 };

export class RoutedCaller {
  readonly #servers: ServerSet;

  constructor(servers: ServerSet) {
    this.#servers = servers;
  }

  /**
   * Rejects with the error of the last server that was asked, with TimeoutError when there was none
   * in time, with ClosedError.
   */
  async run<Result>(call: RoutedCall<Result>): Promise<Result> {
    const { clock } = this.#servers;
    const endMs = clock.nowMs() + call.timeoutMs;
    let round = new Round();
    let last: Error | null = null;
    for (;;) {
      this.#check(call, last);
      const leftMs = endMs - clock.nowMs();
      if (leftMs <= 0) throw last ?? noServerError(call);
      const chosen = this.#choose(call, round.tried);
      if (chosen !== null) {
        try {
          return await this.#attempt(call, chosen, leftMs);
        } catch (error) {
          const verdict = this.#judge(call, error);
          if (verdict === 'final') throw error;
          round.add(chosen, asError(error), verdict);
          last = round.error;
        }
        continue;
      }
      if (round.error !== null && this.#isOver(round, call.topic)) throw round.error;
      if (round.verdict !== 'again') {
        await this.#servers.change(Math.min(leftMs, LOOK_AGAIN_MS), call.signal);
      }
      round = new Round();
    }
  }

  #check({ signal }: RoutedCall<unknown>, last: Error | null): void {
    signal?.throwIfAborted();
    if (!this.#servers.closing) return;
    throw last ?? new ClosedError('The client is closed: make another');
  }

  #judge(call: RoutedCall<unknown>, error: unknown): Verdict {
    return call.signal?.aborted === true ? 'final' : call.judge(error);
  }

  /** A topic that was not found may be where nobody can be asked now. */
  #isOver({ verdict, error }: Round, topic: string): boolean {
    if (verdict !== 'elsewhere') return false;
    if (!(error instanceof NotFoundError)) return true;
    const routes = this.#servers.routes.at(topic);
    return this.#servers.servers.every(
      (server) =>
        this.#servers.isConnected(server) || (server.info !== null && !routes.has(server.key)),
    );
  }

  /** null: none is left to be asked. */
  #choose(call: RoutedCall<unknown>, tried: ReadonlySet<string>): RoutedServer | null {
    const routes = this.#servers.routes.at(call.topic);
    const willing: Candidate[] = [];
    const resting: Candidate[] = [];
    for (const server of this.#servers.routes.servers.values()) {
      if (tried.has(server.key) || !this.#servers.isConnected(server)) continue;
      const { admits, cost } = this.#servers.circuit(server, call.kind);
      const topic = routes.get(server.key)?.topic ?? null;
      (admits ? willing : resting).push({ server, topic, cost });
    }
    // To ask one that rests is better than to fail without asking.
    const candidates = willing.length > 0 ? willing : resting;
    if (candidates.length === 0) return null;
    return call.choose(call.narrow(candidates), call)?.server ?? null;
  }

  async #attempt<Result>(
    call: RoutedCall<Result>,
    server: RoutedServer,
    leftMs: number,
  ): Promise<Result> {
    const circuit = this.#servers.circuit(server, call.kind);
    const trial = circuit.begin();
    try {
      const result = await call.send(this.#servers.bus(server), server, leftMs);
      circuit.succeed(trial);
      return result;
    } catch (error) {
      if (call.signal?.aborted === true) circuit.cancel(trial);
      else if (call.isFault(error)) circuit.fail(trial);
      else circuit.succeed(trial);
      throw error;
    }
  }
}

function noServerError({ timeoutMs }: RoutedCall<unknown>): TimeoutError {
  return new TimeoutError(`No server could be reached within ${timeoutMs} ms: nothing was sent`);
}

/** True when the connection was lost before anything of the request had left. */
export function wasNotSent(error: unknown): boolean {
  return error instanceof ConnectionLostError && !error.sent;
}
