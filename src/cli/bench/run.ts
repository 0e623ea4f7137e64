/**
 * What the workloads of `zbus bench` share: connections, a topic of their own, the clock and the
 * processor time of the part that counts. One Run for each time that a workload is run.
 */
import type { Bus } from '../../client/bus.js';
import { NotFoundError } from '../../errors.js';
import { Latency, type LatencyFigures } from './latency.js';
import { numberedBody } from './numbered-body.js';
import { Pace } from './pace.js';
import type { Plan, WorkloadName } from './plan.js';
import { Progress } from './progress.js';

export interface Outcome {
  readonly workload: WorkloadName;
  /** What `perSecond` counts: messages acknowledged, consumed or delivered, or calls answered. */
  readonly count: number;
  readonly seconds: number;
  readonly perSecond: number;
  /** Of bodies. */
  readonly bytesPerSecond: number;
  /** From what to what; null without a latency. */
  readonly latencyOf: string | null;
  readonly latency: LatencyFigures | null;
  /** Processor time of this process for each of `count`, in microseconds. */
  readonly clientCpuUs: number;
  /** The same of the broker; null when it is not the bench's own. */
  readonly brokerCpuUs: number | null;
  /** Messages that were sent again, since the connection was lost before their answers. */
  readonly sentAgain: number;
  /** What is wrong; nothing when everything was counted exactly once. */
  readonly faults: readonly string[];
}

/** Where a run takes place. */
export interface Site {
  /** For what is not measured. */
  readonly control: Bus;
  readonly open: () => Promise<Bus>;
  /** null when the broker is not the bench's own. */
  readonly brokerCpuUs: (() => Promise<number>) | null;
  /** Ends a run early. */
  readonly signal: AbortSignal;
}

/** Nothing that the bench sends may be deleted before it was counted. */
const KEEP = { bytes: null, ageMs: null, consumed: false } as const;

export interface Sent {
  readonly count: number;
  readonly sentAgain: number;
}

type Finding = Pick<Outcome, 'count' | 'latencyOf' | 'sentAgain' | 'faults'>;

export class Run {
  readonly topic: string;
  readonly plan: Plan;
  readonly site: Site;
  readonly latency = new Latency();
  progress: Progress;
  readonly #workload: WorkloadName;
  readonly #buses: Bus[] = [];
  #beganMs = 0;
  #clientCpu: NodeJS.CpuUsage = { user: 0, system: 0 };
  #brokerCpuUs = 0;

  constructor(site: Site, workload: WorkloadName, plan: Plan, topic: string) {
    this.site = site;
    this.plan = plan;
    this.topic = topic;
    this.#workload = workload;
    this.progress = new Progress(workload, plan.messages, plan);
  }

  /** As many connections of their own; closed by `end`. */
  async open(count: number): Promise<Bus[]> {
    const opened = await Promise.all(Array.from({ length: count }, () => this.site.open()));
    this.#buses.push(...opened);
    return opened;
  }

  async declareTopic(): Promise<void> {
    await this.site.control.declare(this.topic, { retention: KEEP });
  }

  /** From here on it counts. */
  async begin(): Promise<void> {
    this.#brokerCpuUs = (await this.site.brokerCpuUs?.()) ?? 0;
    this.#clientCpu = process.cpuUsage();
    this.#beganMs = performance.now();
  }

  /** Up to here, or up to when the last one came, it counted. */
  async finish(finding: Finding, endedMs = performance.now()): Promise<Outcome> {
    const { user, system } = process.cpuUsage(this.#clientCpu);
    const brokerUs = (await this.site.brokerCpuUs?.()) ?? null;
    const seconds = (endedMs - this.#beganMs) / 1000;
    const per = Math.max(1, finding.count);
    return {
      workload: this.#workload,
      seconds,
      perSecond: finding.count / seconds,
      bytesPerSecond: (finding.count * this.plan.sizeBytes) / seconds,
      latency: this.latency.figures(),
      clientCpuUs: (user + system) / per,
      brokerCpuUs: brokerUs === null ? null : (brokerUs - this.#brokerCpuUs) / per,
      ...finding,
    };
  }

  /**
   * Sends numbered messages over all of `buses` until the plan is fulfilled, each under way
   * `window` times. Resolves once all are acknowledged.
   */
  async sendAll(buses: readonly Bus[], onAcked: (dueMs: number) => void): Promise<Sent> {
    const { plan, topic } = this;
    const options = plan.ackLevel === null ? {} : { ackLevel: plan.ackLevel };
    let count = 0;
    let sentAgain = 0;
    await this.atWindow(buses, async (bus, sender, number, dueMs) => {
      const body = numberedBody(plan.sizeBytes, { sender, number, dueMs });
      const { attempts } = await bus.produce(topic, body, options);
      count++;
      if (attempts > 1) sentAgain++;
      onAcked(dueMs);
    });
    return { count, sentAgain };
  }

  /** Does `work` at the plan's pace, `window` at once on each connection, up to the first error. */
  async atWindow(
    buses: readonly Bus[],
    work: (bus: Bus, sender: number, number: number, dueMs: number) => Promise<void>,
  ): Promise<void> {
    const { plan, site } = this;
    const pace = new Pace(plan, site.signal);
    const workers = buses.flatMap((bus, sender) => {
      let numbers = 0;
      const one = async (): Promise<void> => {
        for (let dueMs = pace.take(); dueMs !== null; dueMs = pace.take()) {
          const number = numbers++;
          if (plan.ratePerSecond !== null) await pace.until(dueMs);
          await work(bus, sender, number, dueMs);
        }
      };
      return Array.from({ length: plan.window }, one);
    });
    try {
      await Promise.all(workers);
    } finally {
      pace.stop();
    }
  }

  /** Closes its connections and removes its topic, whatever came of it. */
  async end(): Promise<void> {
    this.progress.end();
    await Promise.all(this.#buses.map((bus) => bus.close()));
    try {
      await this.site.control.remove(this.topic);
    } catch (error) {
      // A run that failed early has made none.
      if (!(error instanceof NotFoundError)) throw error;
    }
  }
}
