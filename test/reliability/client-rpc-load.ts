/**
 * Callers and services of a trial: used by client-load.ts on the clients that also produce and
 * consume. Each call is named, so that the trial knows of each how often it ran and what its caller
 * was told.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type Bus, RpcInvoker } from '../../src/index.js';
import { CALL_TIMEOUT_MS, type CalledEvent, tell } from './client-events.js';

const TOPIC = 'calc';
/** Calls a caller has under way, and how long a service works on one at most. */
const LANES = 4;
const WORK_MS_MAX = 40;
/** Longer than services take to come back. */
const WAIT_MS = 1500;

/** Runs calls, one in two for callers that say that it may run twice. */
class CountedService {
  async run(caller: number, n: number): Promise<string> {
    tell({ kind: 'ran', caller, n });
    await delay((n * 7) % WORK_MS_MAX);
    return resultOf(caller, n);
  }
}

export async function serveCalls(bus: Bus): Promise<void> {
  await bus.serve(TOPIC, new CountedService());
}

export class LoadCaller {
  readonly #invoker: RpcInvoker;
  readonly #caller: number;
  #begun = 0;
  #stopped = false;
  #lanes: Promise<void>[] = [];

  constructor(bus: Bus, caller: number) {
    this.#invoker = new RpcInvoker(bus.client, TOPIC, {
      timeoutMs: CALL_TIMEOUT_MS,
      waitMs: WAIT_MS,
    });
    this.#caller = caller;
  }

  start(): void {
    this.#lanes = Array.from({ length: LANES }, () => this.#callOneAfterTheOther());
  }

  /** Resolves once all that was begun has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#lanes);
  }

  async #callOneAfterTheOther(): Promise<void> {
    while (!this.#stopped) {
      tell(await this.#call(this.#begun++));
      await delay(WORK_MS_MAX);
    }
  }

  async #call(n: number): Promise<CalledEvent> {
    const caller = this.#caller;
    const idempotent = n % 2 === 0;
    const beganMs = performance.now();
    const outcome = await this.#invoker.call('run', [caller, n], { idempotent }).then(
      (result) => (result === resultOf(caller, n) ? 'done' : `wrong: ${String(result)}`),
      (error: unknown) => (error as Error).name,
    );
    const tookMs = performance.now() - beganMs;
    return { kind: 'called', caller, n, idempotent, outcome, tookMs, atMs: Date.now() };
  }
}

function resultOf(caller: number, n: number): string {
  return `result ${n} of ${caller}`;
}
