/**
 * What calls have come to at one server: whether it is left alone for now, and how busy it is.
 * Owned by ServerSet, one for each server and kind of call; asked by RoutedCaller. A server that
 * fails rests, each time longer; then one call probes it. Promises that a rest always ends, and
 * that what a server once was slow at is forgotten.
 */
import type { Clock } from '../../clock.js';
import { Backoff } from '../backoff.js';

export interface CircuitOptions {
  readonly clock: Clock;
  /** A number from 0 to less than 1. */
  readonly random: () => number;
}

const REST_MIN_MS = 250;
const REST_MAX_MS = 10_000;
/** After this long without calls a third is left of what is known of their time. */
const MEMORY_MS = 5000;
/** Below this servers count as equally quick: the difference is chance. */
const QUICK_MS = 1;

/** A call that is under way. */
export interface Trial {
  readonly beganMs: number;
  readonly isProbe: boolean;
}

export class Circuit {
  readonly #clock: Clock;
  readonly #backoff: Backoff;
  #restUntilMs: number | null = null;
  #probing = false;
  #underWay = 0;
  /** How long calls took lately, the slow ones above all. */
  #tookMs = 0;
  #tookAtMs = 0;

  constructor({ clock, random }: CircuitOptions) {
    this.#clock = clock;
    this.#backoff = new Backoff({ minMs: REST_MIN_MS, maxMs: REST_MAX_MS, random });
  }

  /** False while the server is left alone: it rests, or is being probed. */
  get admits(): boolean {
    if (this.#restUntilMs === null) return true;
    return !this.#probing && this.#clock.nowMs() >= this.#restUntilMs;
  }

  /** How long the next call is expected to take, and what is under way to be done before it. */
  get cost(): number {
    const idleMs = this.#clock.nowMs() - this.#tookAtMs;
    const tookMs = this.#tookMs * Math.exp(-Math.max(0, idleMs) / MEMORY_MS);
    return (this.#underWay + 1) * Math.max(QUICK_MS, tookMs);
  }

  begin(): Trial {
    const isProbe = this.#restUntilMs !== null;
    if (isProbe) this.#probing = true;
    this.#underWay++;
    return { beganMs: this.#clock.nowMs(), isProbe };
  }

  /** The server has answered. */
  succeed(trial: Trial): void {
    this.#end(trial);
    const nowMs = this.#clock.nowMs();
    const tookMs = Math.max(0, nowMs - trial.beganMs);
    const share = Math.exp(-Math.max(0, nowMs - this.#tookAtMs) / MEMORY_MS);
    // A slow answer counts at once; quick ones make it forgotten by and by.
    this.#tookMs = tookMs > this.#tookMs ? tookMs : this.#tookMs * share + tookMs * (1 - share);
    this.#tookAtMs = nowMs;
    if (this.#restUntilMs === null || trial.isProbe) this.reset();
  }

  /** The server could not do what it should. */
  fail(trial: Trial): void {
    this.#end(trial);
    // What was under way when the rest began tells nothing new.
    if (this.#restUntilMs !== null && !trial.isProbe) return;
    this.#restUntilMs = this.#clock.nowMs() + this.#backoff.nextMs();
  }

  /** The call ended for reasons of its own. */
  cancel(trial: Trial): void {
    this.#end(trial);
  }

  /** The server is there again. */
  reset(): void {
    this.#restUntilMs = null;
    this.#probing = false;
    this.#backoff.reset();
  }

  #end({ isProbe }: Trial): void {
    this.#underWay--;
    if (isProbe) this.#probing = false;
  }
}
