/** How far a run is, on stderr, where someone watches it; nothing is written elsewhere. */
import type { Plan } from './plan.js';

const CLEAR_LINE = '\r\x1b[K';
const REFRESH_MS = 200;
const BAR_CHARS = 24;

export class Progress {
  /** Messages so far; whoever counts raises it. */
  count = 0;
  readonly #what: string;
  readonly #total: number | null;
  readonly #durationMs: number | null;
  readonly #beganMs = performance.now();
  readonly #timer: NodeJS.Timeout | null;

  /** `total` is null when only the time is known. */
  constructor(what: string, total: number | null, { durationMs }: Pick<Plan, 'durationMs'>) {
    this.#what = what;
    this.#total = total;
    this.#durationMs = durationMs;
    this.#timer = process.stderr.isTTY
      ? setInterval(() => {
          process.stderr.write(CLEAR_LINE + this.line());
        }, REFRESH_MS).unref()
      : null;
  }

  /** `produce  [######------------------]  25 %  123,456/s` */
  line(): string {
    const tookMs = performance.now() - this.#beganMs;
    const share = Math.min(1, this.#shareAt(tookMs));
    const done = Math.round(share * BAR_CHARS);
    const bar = '#'.repeat(done) + '-'.repeat(BAR_CHARS - done);
    const perSecond = Math.round((this.count * 1000) / tookMs).toLocaleString('en-US');
    const percent = `${Math.floor(share * 100)}`.padStart(3);
    return `${this.#what.padEnd(8)} [${bar}] ${percent} %  ${perSecond}/s`;
  }

  end(): void {
    if (this.#timer === null) return;
    clearInterval(this.#timer);
    process.stderr.write(CLEAR_LINE);
  }

  #shareAt(tookMs: number): number {
    if (this.#total !== null) return this.#total === 0 ? 1 : this.count / this.#total;
    return this.#durationMs === null ? 0 : tookMs / this.#durationMs;
  }
}
