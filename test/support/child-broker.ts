/**
 * A broker as a user runs it: the zbus command in a process of its own, so that a test can kill it
 * and measure its memory. Killed by cleanUp.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Config, type ConfigKey, environmentName } from '../../src/config.js';
import { Client } from './client.js';
import { onCleanUp } from './cleanup.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const LISTENING = /listening on http:\/\/\S*:(\d+)/;

export class ChildBroker {
  readonly port: number;
  readonly #child: ChildProcess;

  constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
  }

  /** Starts it and waits until it listens. */
  static async start(config: Partial<Config> & Pick<Config, 'mqDir'>): Promise<ChildBroker> {
    const child = spawnBroker(config);
    const port = LISTENING.exec(await outputUntil(child, LISTENING))?.[1];
    return new ChildBroker(child, Number(port));
  }

  connect(): Promise<Client> {
    return Client.connect(this.port);
  }

  /** Ends it at once, as `kill -9` does; no handler of it runs. */
  async kill(): Promise<void> {
    await ended(this.#child, 'SIGKILL');
  }

  /** Asks it to end, waits, and returns its exit code. */
  async stop(): Promise<number | null> {
    return ended(this.#child, 'SIGTERM');
  }

  /** Resident memory in bytes, as the kernel counts it. */
  residentBytes(): number {
    const status = readFileSync(`/proc/${String(this.#child.pid)}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
  }

  /** Bytes it has read with system calls since it began, from the page cache too. */
  readBytes(): number {
    const io = readFileSync(`/proc/${String(this.#child.pid)}/io`, 'utf8');
    return Number(/rchar: (\d+)/.exec(io)?.[1]);
  }
}

export interface Refusal {
  readonly code: number | null;
  readonly stderr: string;
}

/** Starts a broker that is expected not to come up; returns how it ended. */
export async function refusedStart(
  config: Partial<Config> & Pick<Config, 'mqDir'>,
): Promise<Refusal> {
  const child = spawnBroker(config);
  const stderr = await outputUntil(child, null);
  return { code: child.exitCode, stderr };
}

function spawnBroker(config: Partial<Config>): ChildProcess {
  const settings = { serverAddress: '127.0.0.1:0', ...config };
  const env = { ...process.env };
  for (const [key, value] of Object.entries(settings)) {
    env[environmentName(key as ConfigKey)] = String(value);
  }
  const child = spawn(process.execPath, ['--import=tsx', 'src/cli/main.ts'], {
    cwd: root,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onCleanUp(() => ended(child, 'SIGKILL').then(() => undefined));
  return child;
}

/**
 * What the child wrote when `pattern` appears on stdout; with null, all of stderr once it has
 * ended.
 */
async function outputUntil(child: ChildProcess, pattern: RegExp | null): Promise<string> {
  let stdout = '';
  let stderr = '';
  return new Promise((resolve, reject) => {
    child.stdout?.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
      if (pattern?.test(stdout) === true) resolve(stdout);
    });
    child.stderr?.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    child.once('close', (code) => {
      if (pattern === null) resolve(stderr);
      else reject(new Error(`the broker ended with ${String(code)}: ${stderr}`));
    });
  });
}

async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) {
    const exit = once(child, 'exit');
    assert(child.kill(signal), 'the broker has no process');
    await exit;
  }
  return child.exitCode;
}
