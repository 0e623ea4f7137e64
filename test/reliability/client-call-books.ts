/**
 * The calls of a trial: how often each ran and what its caller was told. Part of client-books.ts.
 */
import assert from 'node:assert/strict';
import { CALL_TIMEOUT_MS, type CalledEvent, type LoadEvent } from './client-events.js';

/** The client gives the broker 1000 ms to say that the time is over; the machine may be busy. */
const MARGIN_MS = 2000;

type RanEvent = Extract<LoadEvent, { kind: 'ran' }>;

/** How a call may end that was hit by a fault. */
const FAILURES = new Set([
  'ConnectionLostError',
  'TimeoutError',
  'CallTimeoutError',
  'ServiceFailedError',
  'NoServiceError',
  // Refused by a broker that is stopping.
  'ClosedError',
]);

export class CallBooks {
  readonly #ran = new Map<string, number>();
  readonly #called = new Map<string, CalledEvent>();

  ran(event: RanEvent): void {
    const name = nameOf(event);
    this.#ran.set(name, (this.#ran.get(name) ?? 0) + 1);
  }

  called(event: CalledEvent): void {
    const name = nameOf(event);
    assert(!this.#called.has(name), `${name} was answered twice`);
    this.#called.set(name, event);
    const { outcome, tookMs } = event;
    assert(outcome === 'done' || FAILURES.has(outcome), `${name} ended with ${outcome}`);
    assert(tookMs <= CALL_TIMEOUT_MS + MARGIN_MS, `${name} ended after ${tookMs} ms`);
  }

  check(): { calls: ReadonlyMap<string, number>; ranAgain: number } {
    const calls = new Map<string, number>();
    let ranAgain = 0;
    for (const [name, { outcome, idempotent }] of this.#called) {
      calls.set(outcome, (calls.get(outcome) ?? 0) + 1);
      const ran = this.#ran.get(name) ?? 0;
      if (ran > 1) ranAgain++;
      assert(idempotent || ran <= 1, `${name} must run once, and ran ${ran} times`);
      assert(outcome !== 'done' || ran > 0, `${name} has a result and never ran`);
    }
    for (const name of this.#ran.keys()) assert(this.#called.has(name), `${name} has not ended`);
    return { calls, ranAgain };
  }
}

function nameOf({ caller, n }: { caller: number; n: number }): string {
  return `call ${n} of caller ${caller}`;
}
