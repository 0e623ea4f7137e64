/**
 * A trial of the client under faults: a broker, 8 producers that also call and 8 consumers of which
 * 4 also serve, in processes of their own, on this machine or on a network that can be cut; one
 * fault after the other, each time until all are at work again; and at the end what is there
 * against what was told. Prints its seed (RELIABILITY_SEED replays its moments) and how long each
 * recovery took. Cleaned up by cleanUp.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn as spawnHere } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { BrokerProcess, type Spawn } from '../support/broker-process.js';
import { onCleanUp } from '../support/cleanup.js';
import { Client } from '../support/client.js';
import type { Network } from '../support/namespace.js';
import { tempFolder } from '../support/temp-folder.js';
import { ClientBooks, type Totals, type Work, WORKS } from './client-books.js';
import { CLIENTS, type LoadCommand, type LoadEvent, type LoadRole } from './client-events.js';
import { Payloads, randomOf, runSeed } from './payload.js';
import { readLog } from './traffic.js';

const LOAD = fileURLToPath(new URL('client-load.ts', import.meta.url));
const ROLES: readonly LoadRole[] = ['consume', 'produce'];
const PORT = 15555;
/** Between two faults. */
const WORK_MS_MAX = 1500;
const STEP_MS_MAX = 30_000;
/** One attempt to connect and one pause, as client-load.ts has them, and twice as long again. */
const RECOVERY_MS_MAX = 6000;
/** A link may have spoken just after it was looked at: three intervals, and a busy machine. */
export const SILENCE_MS_MAX = 3 * 500 + 1000;

/** Hosts of a trial on a network. */
export const HOSTS = ['broker', 'consume', 'produce'] as const;

export interface Fault {
  readonly name: string;
  /** Whose connections break, if it lasts as long as a heartbeat takes. */
  readonly hits: readonly LoadRole[];
  begin(): Promise<void>;
  end(): Promise<void>;
}

export class ClientTrial {
  readonly random: () => number;
  broker: BrokerProcess | null = null;
  readonly #seed = runSeed();
  readonly #dir = tempFolder();
  readonly #network: Network | null;
  readonly #books = new ClientBooks();
  readonly #loads = new Map<LoadRole, ChildProcess>();
  readonly #told = new Map<string, LoadEvent>();
  #address: string;
  /** Looks whether what is waited for has come. */
  #look: () => void = () => undefined;
  #failure: Error | null = null;

  constructor(network: Network | null) {
    this.#network = network;
    this.#address = network === null ? '127.0.0.1:0' : `${network.host('broker').address}:${PORT}`;
    this.random = randomOf(this.#seed);
    console.log(`      RELIABILITY_SEED=${this.#seed}`);
  }

  /** Starts the broker on the same folder and port as before. */
  async startBroker(): Promise<void> {
    this.broker = new BrokerProcess({
      dir: this.#dir,
      env: { ZBUS_SERVER_ADDRESS: this.#address, ZBUS_ALLOW_UNAUTHENTICATED: 'true' },
      spawn: this.#spawnOn('broker'),
    });
    const { broker } = this;
    onCleanUp(async () => {
      await broker.end('SIGKILL');
    });
    await broker.listening();
    this.#books.restarted();
    this.#address = this.#address.replace(/:\d+$/, `:${broker.port}`);
  }

  async endBroker(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const exit = await this.broker?.end(signal);
    if (signal === 'SIGTERM') assert.equal(exit?.code, 0, this.broker?.output);
  }

  /** Resolves once all clients are at work. */
  async start(): Promise<void> {
    await this.startBroker();
    this.#books.mark(Date.now());
    for (const role of ROLES) {
      this.#startLoad(role);
      await this.#event(role, 'ready');
    }
    await this.#atWork(STEP_MS_MAX);
  }

  /** At a random moment runs the fault for `lastsMs`, then waits until all are at work again. */
  async suffer(fault: Fault, lastsMs: number): Promise<void> {
    await this.#pause(this.random() * WORK_MS_MAX);
    const beganMs = Date.now();
    await fault.begin();
    await this.#pause(lastsMs);
    const seenMs = fault.hits.flatMap((role) => this.#books.lossesSince(role, beganMs));
    await fault.end();
    const healedMs = Date.now();
    this.#books.mark(healedMs);
    await this.#atWork(RECOVERY_MS_MAX);
    const slowestMs = seenMs.length === 0 ? '-' : `${Math.max(...seenMs) - beganMs}`;
    console.log(
      `      ${fault.name}, ${healedMs - beganMs} ms: seen by ${seenMs.length} within ` +
        `${slowestMs} ms; then ${WORKS.map((work) => this.#recovery(work)).join(', ')}`,
    );
    if (lastsMs < SILENCE_MS_MAX) return;
    assert.equal(seenMs.length, fault.hits.length * CLIENTS, 'a client did not see the cut');
    const late = seenMs.filter((atMs) => atMs - beganMs > SILENCE_MS_MAX);
    assert.deepEqual(late, [], `a cut was seen after more than ${SILENCE_MS_MAX} ms`);
  }

  /** Lets all end in good order, and holds what is there against what was told. */
  async finish(): Promise<void> {
    this.#command('produce', 'stop');
    await this.#event('produce', 'stopped');
    this.#command('consume', 'drain');
    await this.#event('consume', 'drained');
    for (const [role, child] of this.#loads) {
      const exited = once(child, 'exit');
      this.#loads.delete(role);
      child.send('close' satisfies LoadCommand);
      assert.deepEqual(await exited, [0, null], `the process of ${role} failed`);
    }
    await this.endBroker('SIGTERM');
    this.#print(this.#books.check(await this.#readLog()));
  }

  #print({ stored, duplicates, redelivered, calls, ranAgain }: Totals): void {
    console.log(
      `      ${stored} acknowledged, 0 lost, 0 out of order, ${duplicates} stored twice, ` +
        `${redelivered} delivered again`,
    );
    const outcomes = [...calls].map(([outcome, count]) => `${count} ${outcome}`).join(', ');
    console.log(`      calls: ${outcomes}; ${ranAgain} idempotent ones ran again`);
    assert(stored > 1000, 'too little traffic to prove anything');
  }

  #recovery(work: Work): string {
    const { firstMs, allMs } = this.#books.recovery(work);
    return `${work} after ${firstMs} ms, all after ${allMs} ms`;
  }

  /** On a network of its own the broker cannot be reached from here. */
  async #readLog(): ReturnType<typeof readLog> {
    const broker = await BrokerProcess.start({ dir: this.#dir });
    onCleanUp(async () => {
      await broker.end('SIGKILL');
    });
    return readLog(await Client.connect(broker.port), new Payloads(this.#seed), 0);
  }

  #startLoad(role: LoadRole): void {
    const settings = JSON.stringify({ role, address: this.#address, seed: this.#seed });
    const parameters = ['--import=tsx', LOAD, settings];
    const child = this.#spawnOn(role)(process.execPath, parameters, {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#loads.set(role, child);
    onCleanUp(() => {
      child.kill('SIGKILL');
    });
    child.on('message', (event: LoadEvent) => {
      this.#note(role, event);
    });
    child.on('exit', () => {
      if (this.#loads.has(role)) this.#fail(new Error(`the process of ${role} has ended`));
    });
  }

  #spawnOn(host: string): Spawn {
    return this.#network === null ? spawnHere : this.#network.host(host).spawn;
  }

  #command(role: LoadRole, command: LoadCommand): void {
    this.#loads.get(role)?.send(command);
  }

  #note(role: LoadRole, event: LoadEvent): void {
    this.#told.set(`${role} ${event.kind}`, event);
    try {
      this.#books.note(role, event);
    } catch (error) {
      this.#fail(error as Error);
    }
    this.#look();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#look();
  }

  async #event(role: LoadRole, kind: LoadEvent['kind']): Promise<void> {
    await this.#when(() => this.#told.has(`${role} ${kind}`), STEP_MS_MAX, `${role}: ${kind}`);
  }

  async #atWork(timeoutMs: number): Promise<void> {
    const atWork = (): boolean => WORKS.every((work) => this.#books.areAtWork(work));
    await this.#when(atWork, timeoutMs, 'all clients are at work');
  }

  /** How long a fault lasts; ends early, with its reason, when the trial has failed. */
  async #pause(lastsMs: number): Promise<void> {
    const endMs = performance.now() + lastsMs;
    const wake = setTimeout(() => {
      this.#look();
    }, lastsMs + 1);
    await this.#when(() => performance.now() >= endMs, Infinity, 'the fault is over');
    clearTimeout(wake);
  }

  /** Resolves once the condition holds after an event; rejects when the trial has failed. */
  #when(condition: () => boolean, timeoutMs: number, what: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer =
        timeoutMs === Infinity
          ? null
          : setTimeout(() => {
              this.#fail(new Error(`not within ${timeoutMs} ms: ${what}`));
            }, timeoutMs);
      const done = (end: () => void): void => {
        if (timer !== null) clearTimeout(timer);
        this.#look = () => undefined;
        end();
      };
      this.#look = () => {
        const failure = this.#failure;
        if (failure !== null) {
          done(() => {
            reject(failure);
          });
        } else if (condition()) done(resolve);
      };
      this.#look();
    });
  }
}
