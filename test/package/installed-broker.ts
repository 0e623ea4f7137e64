/** The broker as the installed package runs it. Ended by cleanUp. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { onCleanUp } from '../support/cleanup.js';
import type { Installed } from './installed.js';

const LISTENING = /^zbus \S+ listening on http:\/\/127\.0\.0\.1:(\d+) .*\n/;

export interface RunningBroker {
  readonly port: number;
  /** Sends SIGTERM and waits; the exit code of the command, or null after a signal. */
  stop(): Promise<number | null>;
}

/**
 * Runs `program` with `parameters` where the package is installed, and waits for the start line.
 */
export async function startBroker(
  { folder, env }: Installed,
  program: string,
  ...parameters: readonly string[]
): Promise<RunningBroker> {
  // A group of its own, because npx puts a shell between us and the broker.
  const child = spawn(program, parameters, {
    cwd: folder,
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exit = once(child, 'exit') as Promise<[number | null, string | null]>;
  const pid = child.pid;
  assert(pid !== undefined);
  const stop = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> => {
    if (child.exitCode === null && child.signalCode === null) process.kill(-pid, signal);
    return (await exit)[0];
  };
  onCleanUp(async () => {
    await stop('SIGKILL');
  });
  let output = '';
  for await (const chunk of child.stdout.setEncoding('utf8')) {
    output += chunk as string;
    const port = LISTENING.exec(output)?.[1];
    if (port !== undefined) return { port: Number(port), stop };
  }
  throw new Error(`the broker did not start: ${output}`);
}
