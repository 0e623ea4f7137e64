/**
 * The zbus command in a process of its own, compiled from the sources of this clone, with flags
 * as a user gives them. Its stdin is open until `process.stdin.end()`. Killed by cleanUp.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { compileTypeScript } from '../../../scripts/compile-typescript.mjs';
import { root } from '../../../scripts/toolchain.mjs';
import { onCleanUp } from '../../support/cleanup.js';

const MAIN = join(root, 'dist/cli/main.js');

compileTypeScript();

export class ZbusCommand {
  readonly process: ChildProcessByStdio<Writable, Readable, Readable>;
  stdout = '';
  stderr = '';
  readonly #chunks: Buffer[] = [];
  readonly #changes = new EventEmitter();
  #ended = false;

  constructor(flags: readonly string[], cwd: string, env: Readonly<Record<string, string>> = {}) {
    this.process = spawn(process.execPath, [MAIN, ...flags], {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const decoder = new StringDecoder();
    this.process.stdout.on('data', (bytes: Buffer) => {
      this.#chunks.push(bytes);
      this.stdout += decoder.write(bytes);
      this.#changes.emit('change');
    });
    this.process.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
      this.#changes.emit('change');
    });
    this.process.once('close', () => {
      this.#ended = true;
      this.#changes.emit('change');
    });
    // One that ends without reading all of its input.
    this.process.stdin.on('error', () => undefined);
    onCleanUp(async () => {
      this.process.kill('SIGKILL');
      await this.exit();
    });
  }

  get stdoutBytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  /** The port of the start line, once it is printed. */
  async port(): Promise<number> {
    const [, port] = await this.until(() => /^zbus .* https?:\/\/\S+:(\d+) .*\n/.exec(this.stdout));
    return Number(port);
  }

  /** What `find` finds in the output so far or later. Rejects when the process ends without it. */
  async until<T>(find: () => T | null): Promise<T> {
    for (;;) {
      const found = find();
      if (found !== null) return found;
      if (this.#ended) throw new Error(`ended early: ${this.stdout}${this.stderr}`);
      await once(this.#changes, 'change');
    }
  }

  /** The exit code once the process has ended and all its output is there. */
  async exit(): Promise<number | null> {
    if (!this.#ended) await once(this.process, 'close');
    return this.process.exitCode;
  }
}
