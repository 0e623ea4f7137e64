/**
 * A broker in this process, on a free port and a data folder of its own. Closed by cleanUp; a test
 * that expects errors in the log takes them out of `failures`, since what is left there when it
 * ends fails it. With a clock of the test its timeouts end when the test says so.
 */
import assert from 'node:assert/strict';
import { cpSync } from 'node:fs';
import { type Clock, systemClock } from '../../src/clock.js';
import { type Config, defaultConfig } from '../../src/config/config.js';
import type { Log } from '../../src/log.js';
import { ClosedError } from '../../src/errors.js';
import type { InProcessConnection, InProcessPeer } from '../../src/server/in-process.js';
import { Server } from '../../src/server/server.js';
import { Authority } from './certificates.js';
import { Client } from './client.js';
import { onCleanUp } from './cleanup.js';
import { tempFolder } from './temp-folder.js';
import { connectTlsClient, setAuthority, writeServerFiles } from './tls.js';

export class TestBroker {
  /** Set by over-tls.ts: what a test starts speaks TLS without knowing it. */
  static speaksTls = false;
  readonly config: Config;
  /** Errors that the broker logged. */
  readonly failures: string[] = [];
  /** Warnings that it logged. */
  readonly warnings: string[] = [];
  port = 0;
  /** Whom its clients trust; null: it speaks plain TCP. */
  authority: Authority | null = null;
  readonly #clock: Clock;
  #server: Server | null = null;

  constructor(config: Partial<Config>, clock = systemClock) {
    const mqDir = config.mqDir ?? tempFolder();
    this.#clock = clock;
    // Most tests stop a broker whose consumers hold messages that they will not acknowledge.
    const defaults = { ...defaultConfig, serverAddress: '127.0.0.1:0', drainTimeoutMs: 0 };
    this.config = { ...defaults, ...config, mqDir };
    onCleanUp(async () => {
      await this.stop();
      assert.deepEqual(this.failures, [], 'the broker logged errors');
    });
  }

  static async start(config: Partial<Config> = {}, clock?: Clock): Promise<TestBroker> {
    if (TestBroker.speaksTls) return TestBroker.startTls(config, clock);
    const broker = new TestBroker(config, clock);
    await broker.start();
    return broker;
  }

  /** As `start`, with a certificate for the loopback address. */
  static async startTls(config: Partial<Config> = {}, clock?: Clock): Promise<TestBroker> {
    const authority = new Authority();
    const files = writeServerFiles(tempFolder(), authority.issue({ name: 'localhost' }));
    const broker = new TestBroker({ ...config, ...files }, clock);
    broker.authority = authority;
    await broker.start();
    return broker;
  }

  async start(): Promise<void> {
    this.#server = new Server(this.config, this.#log(), this.#clock);
    this.port = (await this.#server.start()).port;
    setAuthority(this.port, this.authority);
  }

  /** What SIGHUP does. */
  reload(): void {
    this.#server?.reload();
  }

  async stop(): Promise<void> {
    await this.#server?.close();
    this.#server = null;
  }

  /** Stops in good order and starts again on the same folder, on another port. */
  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /**
   * Copies the data folder as it is now: what a broker would find that starts after a kill -9 at
   * this moment.
   */
  crashedFolder(): string {
    const folder = tempFolder();
    cpSync(this.config.mqDir, folder, { recursive: true });
    return folder;
  }

  connect(): Promise<Client> {
    const { authority, port } = this;
    return authority === null ? Client.connect(port) : connectTlsClient(port, authority);
  }

  /** Without a socket. Throws ClosedError while it is stopped. */
  connectInProcess(peer: InProcessPeer): InProcessConnection {
    if (this.#server === null) throw new ClosedError('The broker is closed');
    return this.#server.connect(peer);
  }

  #log(): Log {
    const silent = (): void => undefined;
    return {
      debug: silent,
      info: silent,
      warn: (fields, event) => {
        this.warnings.push(`${event} ${JSON.stringify(fields, errorsAsText)}`);
      },
      error: (fields, event) => {
        this.failures.push(`${event} ${JSON.stringify(fields, errorsAsText)}`);
      },
    };
  }
}

function errorsAsText(_key: string, value: unknown): unknown {
  return value instanceof Error ? (value.stack ?? value.message) : value;
}
