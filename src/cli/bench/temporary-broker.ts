/**
 * The broker that `zbus bench` starts when it is told of none: a process beside this one, on a free
 * port, with default settings and a data folder that goes when it ends.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CommandError } from '../outcome.js';
import type { BrokerWord } from './broker-child.js';

const CHILD = fileURLToPath(new URL('./broker-child.js', import.meta.url));

export class TemporaryBroker {
  readonly dir: string;
  readonly address: string;
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;

  private constructor(child: ChildProcess, exited: Promise<unknown>, dir: string, port: number) {
    this.#child = child;
    this.#exited = exited;
    this.dir = dir;
    this.address = `127.0.0.1:${port}`;
  }

  /** Rejects with CommandError when it does not come up. */
  static async start(parent = tmpdir()): Promise<TemporaryBroker> {
    const dir = temporaryFolder(parent);
    const child = fork(CHILD, [dir], { execArgv: [] });
    const exited = once(child, 'exit');
    const word = await firstWord(child, exited);
    if (word !== null && 'port' in word) return new TemporaryBroker(child, exited, dir, word.port);
    if (child.connected) child.disconnect();
    await exited;
    const reason = word !== null && 'failure' in word ? word.failure : 'it ended';
    throw new CommandError(`the broker for the bench does not come up: ${reason}`);
  }

  /** Processor time it has used, in microseconds. */
  async cpuUs(): Promise<number> {
    const answer = firstWord(this.#child, this.#exited);
    this.#child.send({});
    const word = await answer;
    if (word === null || !('cpuUs' in word)) throw new CommandError('the broker has ended');
    return word.cpuUs;
  }

  async stop(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    await this.#exited;
  }
}

function temporaryFolder(parent: string): string {
  try {
    return mkdtempSync(join(parent, 'zbus-bench-'));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new CommandError(`--dir: ${reason}`, { cause });
  }
}

/** null when it ends without one. */
async function firstWord(
  child: ChildProcess,
  exited: Promise<unknown>,
): Promise<BrokerWord | null> {
  const message = once(child, 'message') as Promise<[BrokerWord]>;
  const word = await Promise.race([message, exited.then(() => null)]);
  return word === null ? null : word[0];
}
