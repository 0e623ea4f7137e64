/**
 * A broker inside of the program that uses it: in a test, in a small service, in a desktop program.
 * Puts server and client together, which do not know each other. Several may run in one process.
 */
import { type Bus, connectOver } from './client/bus.js';
import type { ConnectOptions } from './client/options.js';
import type { Transport } from './client/transport.js';
import type { Config } from './config/config.js';
import { loadConfig } from './config/sources.js';
import { BadRequestError } from './errors.js';
import { createLog, type Log } from './log.js';
import { type HostPort, hostPortText } from './server/address.js';
import { Server } from './server/server.js';

/** Either `mqDir` or `memory`, and whatever else docs/operations.md lists under Options. */
export interface EmbeddedOptions extends Partial<Omit<Config, 'serverAddress'>> {
  /** Keeps everything in memory: no folder is touched, and all is gone when the broker closes. */
  readonly memory?: boolean;
  /** Port to listen on; 0 (default) takes a free one. */
  readonly port?: number;
  /** Address to listen on. Default 127.0.0.1. */
  readonly host?: string;
  /** Where errors go; default: JSON lines on stderr, or in `logDir`. */
  readonly log?: Log;
}

/**
 * Starts a broker: `startBroker({ mqDir: './data', port: 15555 })`, `startBroker({ memory: true
 * })`. It also takes every option of the command line (docs/operations.md). Rejects with
 * BadRequestError, ConfigError, ListenError, or StorageFailedError when the folder is in use.
 */
export async function startBroker(options: EmbeddedOptions): Promise<EmbeddedBroker> {
  const { memory = false, port = 0, host = '127.0.0.1', log, ...rest } = options;
  if (memory === (rest.mqDir !== undefined)) {
    throw new BadRequestError('Say where messages live: either mqDir, or memory: true');
  }
  const serverAddress = hostPortText({ host, port });
  const config = loadConfig({ flags: { ...rest, serverAddress } });
  const storage = memory ? 'memory' : 'disk';
  const server = new Server(config, log ?? createLog(config), undefined, storage);
  return new EmbeddedBroker(server, await server.start());
}

/** A broker of this process. Made by `startBroker`. */
export class EmbeddedBroker implements AsyncDisposable {
  /** `host:port`, for others to connect to. */
  readonly address: string;
  readonly port: number;
  readonly #server: Server;
  readonly #buses = new Set<Bus>();

  constructor(server: Server, bound: HostPort) {
    this.#server = server;
    this.address = hostPortText(bound);
    this.port = bound.port;
  }

  /** A bus that speaks to this broker without a socket. Rejects with ClosedError once it closed. */
  async connect(options: ConnectOptions = {}): Promise<Bus> {
    const bus = await connectOver([transportTo(this.#server)], options);
    this.#buses.add(bus);
    bus.on('closed', () => this.#buses.delete(bus));
    return bus;
  }

  /** Closes its buses, answers what was asked, and, with a folder, syncs everything. */
  async close(): Promise<void> {
    await Promise.all(Array.from(this.#buses, (bus) => bus.close()));
    await this.#server.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function transportTo(server: Server): Transport {
  return {
    address: 'the embedded broker',
    connect: async (events, signal) => {
      signal.throwIfAborted();
      // The handshake must not begin before `connect` has returned.
      await Promise.resolve();
      return server.connect(events);
    },
  };
}
