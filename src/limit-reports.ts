/**
 * Which limits of the configuration were reached, and how often. Told by server and broker; shown
 * in the server's JSON. Promises that a limit which is reached again and again, as in an attack,
 * costs the log one line a minute.
 */
import type { Clock } from './clock.js';

/** As pino has it: fields first. */
export interface LimitLog {
  debug(fields: object, event: string): void;
  warn(fields: object, event: string): void;
}

const LINE_INTERVAL_MS = 60_000;

/** What happens all day: peers that are idle, ask ahead, or do not close. */
const ORDINARY: ReadonlySet<string> = new Set([
  'idleTimeout',
  'inFlightBytesMax',
  'inFlightMax',
  'lingerTimeoutMs',
  'unsentBytesMax',
]);

export class LimitReports {
  readonly #log: LimitLog;
  readonly #counts = new Map<string, number>();
  /** Limits that have a line in this interval, and what came behind it. */
  #quiet = new Map<string, { count: number; fields: object }>();
  readonly #stop: () => void;

  constructor(clock: Clock, log: LimitLog) {
    this.#log = log;
    this.#stop = clock.every(LINE_INTERVAL_MS, () => {
      this.#flush();
    });
  }

  /** How often each limit was reached, by the name of its option; others are absent. */
  get counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }

  /** `limit` is the name of its option, `fields` what the log is told of the last time. */
  reached(limit: string, fields: object): void {
    this.#counts.set(limit, (this.#counts.get(limit) ?? 0) + 1);
    const quiet = this.#quiet.get(limit);
    if (quiet === undefined) {
      this.#quiet.set(limit, { count: 0, fields });
      this.#write(limit, 1, fields);
    } else {
      quiet.count++;
      quiet.fields = fields;
    }
  }

  /** Writes what is not in the log yet. */
  close(): void {
    this.#stop();
    this.#flush();
  }

  #flush(): void {
    const quiet = this.#quiet;
    this.#quiet = new Map();
    for (const [limit, { count, fields }] of quiet) {
      if (count === 0) continue;
      this.#write(limit, count, fields);
      this.#quiet.set(limit, { count: 0, fields });
    }
  }

  #write(limit: string, count: number, fields: object): void {
    const line = { limit, count, ...fields };
    if (ORDINARY.has(limit)) this.#log.debug(line, 'limit reached');
    else this.#log.warn(line, 'limit reached');
  }
}
