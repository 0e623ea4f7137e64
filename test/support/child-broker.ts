/**
 * A broker as a user runs it, configured as Config has it: the zbus command in a process of its
 * own, so that a test can kill it and measure its memory. Killed by cleanUp.
 */
import { readFileSync } from 'node:fs';
import { type Config, type ConfigKey, environmentName } from '../../src/config/config.js';
import { BrokerProcess } from './broker-process.js';
import { Client } from './client.js';
import { onCleanUp } from './cleanup.js';

type Settings = Partial<Config> & Pick<Config, 'mqDir'>;

export class ChildBroker {
  readonly #process: BrokerProcess;

  constructor(process: BrokerProcess) {
    this.#process = process;
  }

  /** Starts it and waits until it listens. */
  static async start(config: Settings): Promise<ChildBroker> {
    const process = spawnBroker(config);
    await process.listening();
    return new ChildBroker(process);
  }

  get port(): number {
    return this.#process.port;
  }

  connect(): Promise<Client> {
    return Client.connect(this.port);
  }

  /** Ends it at once, as `kill -9` does; no handler of it runs. */
  async kill(): Promise<void> {
    await this.#process.end('SIGKILL');
  }

  /** Asks it to end, waits, and returns its exit code. */
  async stop(): Promise<number | null> {
    return (await this.#process.end('SIGTERM')).code;
  }

  /** Resident memory in bytes, as the kernel counts it. */
  residentBytes(): number {
    const status = readFileSync(`/proc/${this.#process.pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
  }

  /** Bytes it has read with system calls since it began, from the page cache too. */
  readBytes(): number {
    const io = readFileSync(`/proc/${this.#process.pid}/io`, 'utf8');
    return Number(/rchar: (\d+)/.exec(io)?.[1]);
  }
}

export interface Refusal {
  readonly code: number | null;
  readonly stderr: string;
}

/** Starts a broker that is expected not to come up; returns how it ended. */
export async function refusedStart(config: Settings): Promise<Refusal> {
  const process = spawnBroker(config);
  const { code } = await process.ended();
  return { code, stderr: process.errorOutput };
}

function spawnBroker({ mqDir, ...config }: Settings): BrokerProcess {
  const env: Record<string, string> = {};
  for (const [key, value] of Object.entries(config)) {
    env[environmentName(key as ConfigKey)] = String(value);
  }
  const process = new BrokerProcess({ dir: mqDir, env });
  onCleanUp(async () => {
    await process.end('SIGKILL');
  });
  return process;
}
