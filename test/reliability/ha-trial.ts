/**
 * Two trackers, three servers and clients of all, each a process on a host of its own, while
 * faults come and go. Used by ha-faults.test.ts. Promises that what it prints was measured from the
 * moment at which the fault, or its end, was complete.
 */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { BrokerProcess } from '../support/broker-process.js';
import { onCleanUp } from '../support/cleanup.js';
import { Client } from '../support/client.js';
import { Network } from '../support/namespace.js';
import { tempFolder } from '../support/temp-folder.js';
import { HaBooks, type Work, WORKS } from './ha-books.js';
import type { HaCommand, HaEvent, HaRole, HaSettings } from './ha-events.js';
import { TOPIC } from './ha-events.js';
import { runSeed } from './payload.js';

const LOAD = fileURLToPath(new URL('ha-load.ts', import.meta.url));
const PORT = 15555;
const TRACKERS = ['tracker1', 'tracker2'] as const;
export const SERVERS = ['server1', 'server2', 'server3'] as const;
const HOSTS = [...TRACKERS, ...SERVERS, 'produce', 'consume'] as const;
export type HostName = (typeof HOSTS)[number];
const LOOK_MS = 10;
/** Bounds of a busy machine; what it took is printed. */
const RESUMED_MS_MAX = 12_000;
const HEALED_MS_MAX = 20_000;
const SLOWEST_MS_MAX = 12_000;
const STEP_MS_MAX = 60_000;

export interface HaFault {
  readonly name: string;
  readonly lastsMs: number;
  /** Servers that get no new message while it lasts, and must again when it is over. */
  readonly hits: readonly HostName[];
  begin(): Promise<void>;
  end(): Promise<void>;
}

export class HaTrial {
  readonly network: Network;
  readonly #books = new HaBooks();
  readonly #seed = runSeed();
  readonly #brokers = new Map<HostName, BrokerProcess>();
  readonly #folders = new Map<HostName, string>();
  readonly #loads = new Map<HaRole, ChildProcess>();
  readonly #told = new Set<string>();
  #failure: Error | null = null;

  private constructor(network: Network) {
    this.network = network;
    console.log(`      RELIABILITY_SEED=${this.#seed}`);
  }

  /** Resolves once all are at work. */
  static async start(): Promise<HaTrial> {
    const trial = new HaTrial(await Network.create(HOSTS));
    for (const host of [...TRACKERS, ...SERVERS]) await trial.startBroker(host);
    for (const role of ['consume', 'produce'] as const) {
      trial.#startLoad(role);
      await trial.#until(() => trial.#told.has(`${role} ready`), STEP_MS_MAX, `${role} is ready`);
    }
    trial.#books.mark(Date.now());
    await trial.#untilResumed(STEP_MS_MAX);
    return trial;
  }

  address(host: HostName): string {
    return `${this.network.host(host).address}:${PORT}`;
  }

  /** Starts it on the same folder as before. */
  async startBroker(host: HostName): Promise<void> {
    const dir = this.#folders.get(host) ?? tempFolder();
    this.#folders.set(host, dir);
    const isTracker = TRACKERS.some((name) => name === host);
    const role = isTracker
      ? { ZBUS_TRACKER_ONLY: 'true' }
      : { ZBUS_TRACKER_LIST: TRACKERS.map((name) => this.address(name)).join(';') };
    const broker = await BrokerProcess.start({
      dir,
      env: {
        ZBUS_SERVER_ADDRESS: this.address(host),
        ZBUS_ALLOW_UNAUTHENTICATED: 'true',
        ...role,
      },
      spawn: this.network.host(host).spawn,
    });
    this.#brokers.set(host, broker);
  }

  async endBroker(host: HostName, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    await this.#brokers.get(host)?.end(signal);
  }

  signal(host: HostName, signal: NodeJS.Signals): void {
    this.#brokers.get(host)?.signal(signal);
  }

  /** Runs the fault, and prints how long each work rested and when what was hit was back. */
  async suffer(fault: HaFault): Promise<void> {
    await fault.begin();
    const beganMs = Date.now();
    this.#books.mark(beganMs);
    const rested = await this.#untilResumed(RESUMED_MS_MAX, fault.name);
    await this.#until(() => Date.now() - beganMs >= fault.lastsMs, Infinity, 'the fault is over');
    const { produce, call } = this.#books.slowest;
    const slowest = `the slowest message ${produce} ms, call ${call} ms`;
    assert(produce <= SLOWEST_MS_MAX, `${fault.name}: ${slowest}`);
    await fault.end();
    const healedMs = Date.now();
    this.#books.mark(healedMs);
    const keys = fault.hits.map((host) => this.address(host));
    const { storedAt, gotAt } = this.#books;
    const isBack = (): boolean => keys.every((key) => storedAt.has(key) && gotAt.has(key));
    await this.#until(isBack, HEALED_MS_MAX, `all is back after: ${fault.name}`);
    const back = keys.flatMap((key) => [storedAt.get(key) ?? 0, gotAt.get(key) ?? 0]);
    const backText = keys.length === 0 ? '' : `; back ${Math.max(...back) - healedMs} ms after it`;
    console.log(`      ${fault.name}: ${rested}; ${slowest}${backText}`);
    this.#books.mark(Date.now());
    await this.#untilResumed(RESUMED_MS_MAX, `behind ${fault.name}`);
  }

  /** Lets all end in good order, and holds what is there against what was told. */
  async finish(): Promise<void> {
    this.#loads.get('produce')?.send('stop' satisfies HaCommand);
    await this.#until(() => this.#told.has('produce stopped'), STEP_MS_MAX, 'producers stop');
    this.#loads.get('consume')?.send('drain' satisfies HaCommand);
    await this.#until(() => this.#told.has('consume drained'), STEP_MS_MAX, 'all is consumed');
    for (const [role, child] of this.#loads) {
      const exited = once(child, 'exit');
      this.#loads.delete(role);
      child.send('close' satisfies HaCommand);
      assert.deepEqual(await exited, [0, null], `the process of ${role} failed`);
    }
    this.#books.checkDelivered();
    for (const host of SERVERS) await this.#checkLog(host);
    console.log(`      ${this.#books.summary}`);
  }

  /** What was acknowledged is on the disk of the server that said so. */
  async #checkLog(host: HostName): Promise<void> {
    await this.endBroker(host, 'SIGTERM');
    const broker = await BrokerProcess.start({ dir: this.#folders.get(host) ?? '' });
    onCleanUp(async () => {
      await broker.end('SIGKILL');
    });
    const client = await Client.connect(broker.port);
    for (const [offset, { client: producer, n }] of this.#books.stored.get(this.address(host)) ??
      []) {
      const { headers } = await client.expect(200, 'consume', { topic: TOPIC, offset });
      const found = [headers.get('producer'), headers.get('n')];
      assert.deepEqual(found, [String(producer), String(n)], `${host} ${offset}`);
    }
    await broker.end('SIGTERM');
  }

  #startLoad(role: HaRole): void {
    const trackers = TRACKERS.map((name) => this.address(name));
    const settings: HaSettings = { role, trackers, seed: this.#seed };
    const parameters = ['--import=tsx', LOAD, JSON.stringify(settings)];
    const child = this.network.host(role).spawn(process.execPath, parameters, {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#loads.set(role, child);
    child.on('message', (event: HaEvent) => {
      this.#told.add(`${role} ${event.kind}`);
      try {
        this.#books.note(event);
      } catch (error) {
        this.#failure ??= error as Error;
      }
    });
    child.on('exit', () => {
      if (this.#loads.has(role)) this.#failure ??= new Error(`the process of ${role} has ended`);
    });
  }

  async #untilResumed(timeoutMs: number, what = 'the start'): Promise<string> {
    const resumed = (work: Work): boolean => this.#books.resumedMs(work) !== null;
    const late = (): string => WORKS.filter((work) => !resumed(work)).join(', ');
    await this.#until(
      () => WORKS.every(resumed),
      timeoutMs,
      () => `${what}: ${late()} go on`,
    );
    return WORKS.map((work) => `${work} ${this.#books.resumedMs(work) ?? -1} ms`).join(', ');
  }

  async #until(
    condition: () => boolean,
    timeoutMs: number,
    what: string | (() => string),
  ): Promise<void> {
    const endMs = Date.now() + timeoutMs;
    while (!condition()) {
      if (this.#failure !== null) throw this.#failure;
      const text = typeof what === 'string' ? what : what();
      assert(Date.now() < endMs, `not within ${timeoutMs} ms: ${text}`);
      await delay(LOOK_MS);
    }
    if (this.#failure !== null) throw this.#failure;
  }
}
