/**
 * The consumers of a run: count what comes for each group, and know when all of it has come, or
 * that the rest will not.
 */
import type { Bus } from '../../client/bus.js';
import type { ReceivedMessage } from '../../client/stored-message.js';
import { numbersOf } from './numbered-body.js';
import type { Run, Sent } from './run.js';
import { Tally } from './tally.js';

const LOOK_MS = 50;

export class Readers {
  /** When the last message came, or its ack was answered. */
  lastMs = performance.now();
  readonly #run: Run;
  readonly #timesArrival: boolean;
  readonly #tallies = new Map<string, Tally>();
  readonly #stop = new AbortController();
  readonly #reading: Promise<void>[] = [];
  #expected = Infinity;
  #acksOpen = 0;
  #acksFailed = 0;
  #onAll = (): void => undefined;

  /** `timesArrival`: the latency of the run is from when a message was due until it came. */
  constructor(run: Run, timesArrival: boolean) {
    this.#run = run;
    this.#timesArrival = timesArrival;
  }

  /** Different messages that came, of all groups. */
  get distinct(): number {
    let sum = 0;
    for (const tally of this.#tallies.values()) sum += tally.distinct;
    return sum;
  }

  /** Reads as the group, one of its consumers, until all is there. */
  read(bus: Bus, group: string): void {
    const tally = this.#tallies.get(group) ?? new Tally(this.#run.plan.connections);
    this.#tallies.set(group, tally);
    const reading = this.#read(bus, group, tally);
    // Whoever awaits `all` sees the failure.
    reading.catch(() => undefined);
    this.#reading.push(reading);
  }

  /** Resolves when every group has what was sent, when nothing comes any more, or with the run. */
  async all({ count }: Sent): Promise<void> {
    const { plan, site } = this.#run;
    this.#expected = count * this.#tallies.size;
    this.lastMs = Math.max(this.lastMs, performance.now());
    let looking: NodeJS.Timeout | undefined;
    const over = new Promise<void>((resolve) => {
      this.#onAll = resolve;
      looking = setInterval(() => {
        const patient = performance.now() - this.lastMs < plan.patienceMs;
        if (!patient || site.signal.aborted) resolve();
      }, LOOK_MS);
    });
    this.#look();
    try {
      await Promise.race([over, Promise.all(this.#reading)]);
    } finally {
      clearInterval(looking);
      this.#stop.abort();
      await Promise.allSettled(this.#reading);
    }
  }

  faults(sent: Sent): string[] {
    const faults = Array.from(this.#tallies, ([group, tally]) =>
      tally.faults(sent.count).map((fault) => `${group}: ${fault}`),
    ).flat();
    const acks = this.#acksFailed + this.#acksOpen;
    return acks === 0 ? faults : [...faults, `${acks} acknowledgements without a good answer`];
  }

  async #read(bus: Bus, group: string, tally: Tally): Promise<void> {
    const { plan, topic } = this.#run;
    const { signal } = this.#stop;
    try {
      const messages = bus.consume(topic, { group, prefetch: plan.window, signal });
      for await (const message of messages) this.#onMessage(message, tally);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  #onMessage(message: ReceivedMessage, tally: Tally): void {
    const { latency, plan, progress } = this.#run;
    const numbers = numbersOf(message.bytes);
    tally.add(numbers);
    progress.count++;
    if (this.#timesArrival && numbers !== null) latency.record(numbers.dueMs);
    if (plan.acks) this.#acknowledge(message);
    this.#came();
  }

  #acknowledge(message: ReceivedMessage): void {
    const sinceMs = performance.now();
    this.#acksOpen++;
    message.ack().then(
      () => {
        if (!this.#timesArrival) this.#run.latency.record(sinceMs);
        this.#acksOpen--;
        this.#came();
      },
      () => {
        this.#acksFailed++;
        this.#acksOpen--;
        this.#came();
      },
    );
  }

  #came(): void {
    this.lastMs = performance.now();
    this.#look();
  }

  #look(): void {
    if (this.#acksOpen === 0 && this.distinct >= this.#expected) this.#onAll();
  }
}
