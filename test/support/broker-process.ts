/**
 * A broker in a process of its own, so that it can be killed at any moment. Started by the
 * reliability tests and by child-broker.ts. Runs what ships, compiled from the sources of this
 * moment. Promises that no child outlives the test process, and that a broker that does not come
 * up tells why.
 */
import { type ChildProcess, spawn as spawnHere, type SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { compileTypeScript } from '../../scripts/compile-typescript.mjs';
import { root } from '../../scripts/toolchain.mjs';

const ENTRY = join(root, 'dist/cli/main.js');
const START_TIMEOUT_MS = 20_000;
const OUTPUT_CHARS_MAX = 16 * 1024;

export interface BrokerSettings {
  /** The data folder. */
  readonly dir: string;
  /** Configuration as the environment has it, such as ZBUS_BLOCK_BYTES. */
  readonly env?: Readonly<Record<string, string>>;
  /** `ulimit -n` of the child. */
  readonly openFilesMax?: number;
  /** Starts it elsewhere, such as on a host of a test's network. */
  readonly spawn?: Spawn;
}

/** As `spawn` of Node. */
export type Spawn = (
  file: string,
  parameters: readonly string[],
  options: SpawnOptions,
) => ChildProcess;

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly tookMs: number;
}

const running = new Set<BrokerProcess>();
process.on('exit', () => {
  for (const broker of running) broker.signal('SIGKILL');
});

export class BrokerProcess {
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown[]>;
  #output = '';
  #errorOutput = '';
  #port = 0;

  /** Spawns the broker; it is recovering its folder until `listening` resolves. */
  constructor({ dir, env = {}, openFilesMax, spawn = spawnHere }: BrokerSettings) {
    compileTypeScript();
    const node = [process.execPath, ENTRY];
    const limited =
      openFilesMax === undefined
        ? node
        : ['/bin/sh', '-c', `ulimit -n ${openFilesMax}; exec "$@"`, 'sh', ...node];
    const [file = '', ...parameters] = limited;
    this.#child = spawn(file, parameters, {
      env: {
        PATH: process.env.PATH,
        ZBUS_SERVER_ADDRESS: '127.0.0.1:0',
        ZBUS_MQ_DIR: dir,
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#exited = once(this.#child, 'exit');
    const keep = (chunk: Buffer): void => {
      this.#output = (this.#output + chunk.toString()).slice(-OUTPUT_CHARS_MAX);
    };
    this.#child.stdout?.on('data', keep);
    this.#child.stderr?.on('data', keep).on('data', (chunk: Buffer) => {
      this.#errorOutput = (this.#errorOutput + chunk.toString()).slice(-OUTPUT_CHARS_MAX);
    });
    running.add(this);
    void this.#exited.then(() => running.delete(this));
  }

  static async start(settings: BrokerSettings): Promise<BrokerProcess> {
    const broker = new BrokerProcess(settings);
    await broker.listening();
    return broker;
  }

  get port(): number {
    return this.#port;
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** The last lines the broker wrote, for the message of a failed test. */
  get output(): string {
    return this.#output;
  }

  /** The part of them that went to stderr. */
  get errorOutput(): string {
    return this.#errorOutput;
  }

  /**
   * Resolves once the port is open; rejects with the broker's own words when it does not come up.
   */
  listening(): Promise<void> {
    return new Promise((resolve, reject) => {
      const fail = (reason: string): void => {
        this.signal('SIGKILL');
        reject(new Error(`${reason}; it said:\n${this.#output}`));
      };
      const timer = setTimeout(() => {
        fail(`the broker did not listen within ${START_TIMEOUT_MS} ms`);
      }, START_TIMEOUT_MS);
      const onData = (): void => {
        const port = /listening on https?:\/\/\S+:(\d+)/u.exec(this.#output)?.[1];
        if (port === undefined || this.#port !== 0) return;
        this.#port = Number(port);
        clearTimeout(timer);
        resolve();
      };
      this.#child.stdout?.on('data', onData);
      void this.#exited.then(() => {
        clearTimeout(timer);
        if (this.#port === 0) fail('the broker ended before it listened');
      });
    });
  }

  signal(signal: NodeJS.Signals): void {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill(signal);
  }

  /** How it ended, once it has by itself and all its output is there. */
  async ended(): Promise<Pick<Exit, 'code' | 'signal'>> {
    const [code, signal] = (await once(this.#child, 'close')) as [Exit['code'], Exit['signal']];
    return { code, signal };
  }

  /** Sends the signal and waits for the end. */
  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<Exit> {
    const beganMs = performance.now();
    this.signal(signal);
    await this.#exited;
    const { exitCode, signalCode } = this.#child;
    return { code: exitCode, signal: signalCode, tookMs: performance.now() - beganMs };
  }
}
