/**
 * npm run bench:tracker: one tracker in a process of its own, servers with many topics that tell it
 * of themselves, and a subscriber. Prints what a change costs: pushes, bytes, processor time of the
 * tracker, and how long it takes until the subscriber knows.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import {
  type AddressInfo,
  connect,
  createServer,
  type Server as NetServer,
  type Socket,
} from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startBroker as startEmbedded } from '../src/embedded.js';
import { Decoder } from '../src/protocol/codec.js';
import { type Contender, processorMs, startBroker } from './contenders.js';
import { median, printTable, thousands } from './figures.js';
import { MIB, printMachine } from './machine.js';

const { values: flags } = parseArgs({
  options: {
    servers: { type: 'string', default: '50' },
    topics: { type: 'string', default: '1000' },
    changes: { type: 'string', default: '20' },
    seconds: { type: 'string', default: '10' },
  },
});
const serverCount = Number(flags.servers);
const topicCount = Number(flags.topics);
const changeCount = Number(flags.changes);
const seconds = Number(flags.seconds);
const LIMITS = { headerBytesMax: 64 * 1024, headersMax: 100, bodyBytesMax: 2 ** 30 };
const silent = (): void => undefined;
const LOG = { debug: silent, info: silent, warn: silent, error: silent };

/** What a real broker with these topics tells of itself. */
interface Template {
  readonly address: string;
  readonly text: string;
}

/**
 * A server as the tracker sees it: tells of itself what a real one would, and answers the pings of
 * the connection back. It computes nothing, so that many of them leave the machine to the tracker.
 */
class StandIn {
  readonly #text: string;
  readonly #publishing: Socket;
  readonly #listener: NetServer;
  #infoVersion = 1;

  private constructor(template: Template, tracker: Contender, listener: NetServer) {
    const { port } = listener.address() as AddressInfo;
    this.#text = template.text.replaceAll(template.address, `127.0.0.1:${port}`);
    this.#listener = listener;
    this.#publishing = connect({ port: tracker.port, host: '127.0.0.1', noDelay: true });
    this.change();
  }

  static async start(template: Template, tracker: Contender): Promise<StandIn> {
    const listener = createServer((socket) => {
      socket.on('data', (bytes) => {
        for (const [, id] of bytes.toString('latin1').matchAll(/^id: (.*?)\r$/gm)) {
          socket.write(`HTTP/1.1 200 OK\r\nid: ${id}\r\ncontent-length: 2\r\n\r\nOK`);
        }
      });
      socket.on('error', silent);
    });
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    listener.unref();
    return new StandIn(template, tracker, listener);
  }

  /** Tells of a change. */
  change(): void {
    const version = `"infoVersion":${++this.#infoVersion},`;
    const body = `{"serverInfo":${this.#text.replace(/"infoVersion":\d+,/, version)},"live":true}`;
    const head = `GET / HTTP/1.1\r\ncmd: track_pub\r\nack: false\r\n`;
    this.#publishing.write(`${head}content-length: ${body.length}\r\n\r\n${body}`, 'latin1');
  }

  close(): void {
    this.#publishing.destroy();
    this.#listener.close();
  }
}

async function templateOf(): Promise<Template> {
  await using broker = await startEmbedded({ memory: true, log: LOG });
  await using bus = await broker.connect();
  const names = Array.from({ length: topicCount }, (_, i) => `a.topic.of.usual.length.${i}`);
  await Promise.all(names.map((name) => bus.declare(name)));
  return { address: broker.address, text: JSON.stringify(await bus.query()) };
}

/** Counts what it is sent. */
class Subscriber {
  pushes = 0;
  bytes = 0;
  lastBytes = 0;
  readonly #socket: Socket;
  #onPush: (() => void) | null = null;

  constructor(port: number, delta: boolean) {
    const decoder = new Decoder(
      LIMITS,
      {
        onMessage: ({ body }) => {
          this.pushes++;
          this.bytes += body.length;
          this.lastBytes = body.length;
          this.#onPush?.();
        },
        onContinue: silent,
      },
      'reply',
    );
    this.#socket = connect(port, '127.0.0.1');
    this.#socket.on('data', (chunk) => {
      decoder.push(chunk);
    });
    this.#socket.write(`GET / HTTP/1.1\r\ncmd: track_sub\r\nid: s\r\ndelta: ${delta}\r\n\r\n`);
  }

  /** Resolves with the next push. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#onPush = resolve;
    });
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** Waits until two seconds have passed without a push. */
async function quiet(subscriber: Subscriber): Promise<void> {
  for (let before = -1; before !== subscriber.pushes || before === 0;) {
    before = subscriber.pushes;
    await pause(2000);
  }
}

interface Cost {
  readonly pushes: number;
  readonly bytes: number;
  readonly processorMs: number;
  readonly elapsedMs: number;
  /** Of each single change, until the subscriber knew. */
  readonly latenciesMs: readonly number[];
}

async function costOf(
  tracker: Contender,
  subscriber: Subscriber,
  work: () => Promise<readonly number[]>,
): Promise<Cost> {
  const before = { pushes: subscriber.pushes, bytes: subscriber.bytes };
  const processorBeganMs = processorMs(tracker.pid);
  const beganMs = performance.now();
  const latenciesMs = await work();
  return {
    pushes: subscriber.pushes - before.pushes,
    bytes: subscriber.bytes - before.bytes,
    processorMs: processorMs(tracker.pid) - processorBeganMs,
    elapsedMs: performance.now() - beganMs,
    latenciesMs,
  };
}

/** One change after the other, each awaited. */
async function singleChanges(servers: readonly StandIn[], subscriber: Subscriber) {
  const latencies: number[] = [];
  for (let i = 0; i < changeCount; i++) {
    const told = subscriber.next();
    const beganMs = performance.now();
    servers[i % servers.length]?.change();
    await told;
    latencies.push(performance.now() - beganMs);
  }
  return latencies;
}

/** Every server changes once a second, at a time of its own. */
async function constantChanges(servers: readonly StandIn[]): Promise<readonly number[]> {
  for (let i = 0; i < servers.length * seconds; i++) {
    servers[i % servers.length]?.change();
    await pause(1000 / servers.length);
  }
  return [];
}

function row(name: string, cost: Cost): string[] {
  const perSecond = 1000 / cost.elapsedMs;
  return [
    name,
    `${cost.pushes}`,
    thousands(cost.pushes === 0 ? 0 : cost.bytes / cost.pushes),
    ((cost.bytes * perSecond) / MIB).toFixed(2),
    `${((100 * cost.processorMs) / cost.elapsedMs).toFixed(0)} %`,
    cost.pushes === 0 ? '' : (cost.processorMs / cost.pushes).toFixed(1),
    cost.latenciesMs.length === 0 ? '' : median(cost.latenciesMs).toFixed(0),
  ];
}

async function main(): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'zbus-bench-'));
  printMachine(dir, [
    { name: 'servers', value: serverCount },
    { name: 'topics each', value: topicCount },
  ]);
  const env = { ZBUS_TRACKER_ONLY: 'true' };
  const tracker = await startBroker({ dir, ackLevel: 'page', env });
  const template = await templateOf();
  const servers: StandIn[] = [];
  try {
    const joiningMs = performance.now();
    const processorBeganMs = processorMs(tracker.pid);
    for (let i = 0; i < serverCount; i++) {
      servers.push(await StandIn.start(template, tracker));
    }
    const whole = new Subscriber(tracker.port, false);
    await quiet(whole);
    const joined = (performance.now() - joiningMs) / 1000;
    const spent = (processorMs(tracker.pid) - processorBeganMs) / 1000;
    console.log(
      `joined in ${joined.toFixed(1)} s, ${spent.toFixed(1)} s of the tracker's processor`,
    );
    console.log(`whole table ${thousands(whole.lastBytes)} bytes\n`);
    const heading = ['', 'pushes', 'bytes a push', 'MiB/s', 'cpu', 'cpu ms a push', 'known in ms'];
    const rows = [heading];
    for (const [name, subscriber] of [
      ['whole', whole],
      ['delta', null],
    ] as const) {
      const one = subscriber ?? new Subscriber(tracker.port, true);
      await quiet(one);
      const single = (): Promise<number[]> => singleChanges(servers, one);
      const constant = (): Promise<readonly number[]> => constantChanges(servers);
      rows.push(row(`${name}: one by one`, await costOf(tracker, one, single)));
      rows.push(row(`${name}: each once a second`, await costOf(tracker, one, constant)));
      one.close();
    }
    printTable(rows);
  } finally {
    for (const server of servers) server.close();
    await tracker.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

await main();
