/**
 * Producers and callers, or consumers and services, of a trial, in a process of their own: users of
 * the client library that know nothing of faults. Started by client-trial.ts with LoadSettings as
 * its argument; tells it by LoadEvents what was answered and what came. Ends with the trial; an
 * unhandled rejection ends it with an error, which the trial takes for a failure.
 */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type Bus,
  connect,
  type ConnectOptions,
  Mask,
  type ProduceOptions,
  type ReceivedMessage,
} from '../../src/index.js';
import {
  type LoadCommand,
  type LoadEvent,
  type LoadSettings,
  CLIENTS,
  SERVICES,
  tell,
} from './client-events.js';
import { LoadCaller, serveCalls } from './client-rpc-load.js';
import { Payloads } from './payload.js';
import { TOPIC } from './traffic.js';

const GROUP = 'workers';
/** So that what a dead link holds comes back within the trial. */
const ACK_TIMEOUT_MS = 2000;
const PREFETCH = 32;
/** Messages a second and producer, and what it has under way at most. */
const RATE = 150;
const WINDOW = 64;
const TICK_MS = 5;
/** What a consumer does: for one message in so many it takes so long. */
const WORK_EVERY = 8;
const WORK_MS = 20;
const LOOK_MS = 50;

/** A silent link is seen within seconds, and pauses are short: the trial measures the rest. */
const OPTIONS: ConnectOptions = {
  heartbeatMs: 500,
  connectTimeoutMs: 1000,
  reconnect: { minMs: 50, maxMs: 500 },
  waitForBroker: true,
  timeoutMs: Infinity,
};

class LoadProducer {
  readonly #bus: Bus;
  readonly #producer: number;
  readonly #payloads: Payloads;
  readonly #underWay = new Set<Promise<void>>();
  #begun = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(bus: Bus, producer: number, payloads: Payloads) {
    this.#bus = bus;
    this.#producer = producer;
    this.#payloads = payloads;
  }

  start(): void {
    const beganMs = performance.now();
    this.#timer = setInterval(() => {
      const due = ((performance.now() - beganMs) / 1000) * RATE;
      while (this.#begun < due && this.#underWay.size < WINDOW) this.#produceNext();
    }, TICK_MS);
  }

  /** Resolves once all that was begun is answered. */
  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    await Promise.all(this.#underWay);
  }

  #produceNext(): void {
    const underWay = this.#produce(this.#begun++).finally(() => this.#underWay.delete(underWay));
    this.#underWay.add(underWay);
  }

  async #produce(n: number): Promise<void> {
    const producer = this.#producer;
    const beganMs = Date.now();
    const body = this.#payloads.body(producer, n);
    const options: ProduceOptions = {
      tag: `from.${producer}`,
      ackLevel: n % 2 === 0 ? 'disk' : 'page',
      headers: { producer: String(producer), n: String(n) },
    };
    try {
      const { id, offset, attempts } = await this.#bus.produce(TOPIC, body, options);
      const atMs = Date.now();
      tell({ kind: 'stored', producer, n, id, offset, attempts, beganMs, atMs });
    } catch (error) {
      tell({ kind: 'notStored', producer, n, why: String(error) });
    }
  }
}

/** Works on all that it gets and acknowledges it, until its bus is closed. */
async function consume(bus: Bus, consumer: number, payloads: Payloads): Promise<void> {
  const options = { ...GROUP_OPTIONS, prefetch: PREFETCH };
  for await (const message of bus.consume(TOPIC, options)) {
    // Work, so that what was fetched ahead waits for it, as it does elsewhere.
    if (message.offset % WORK_EVERY === 0) await delay(WORK_MS);
    tell(gotEvent(message, consumer, payloads));
    message.ack().then(
      () => {
        tell({ kind: 'acked', offset: message.offset });
      },
      () => undefined,
    );
  }
}

const GROUP_OPTIONS = { group: GROUP, mask: Mask.ackRequired, ackTimeoutMs: ACK_TIMEOUT_MS };

function gotEvent(message: ReceivedMessage, consumer: number, payloads: Payloads): LoadEvent {
  const { id, offset, retry, headers } = message;
  const producer = Number(headers.producer);
  const n = Number(headers.n);
  const whole = payloads.body(producer, n).equals(message.bytes);
  return { kind: 'got', consumer, id, offset, retry, producer, n, whole, atMs: Date.now() };
}

async function groupIsEmpty(bus: Bus): Promise<boolean> {
  const { messageCount, inFlightCount = 0 } = await bus.query(TOPIC, { group: GROUP });
  return messageCount + inFlightCount === 0;
}

async function run({ role, address, seed }: LoadSettings): Promise<void> {
  const payloads = new Payloads(seed);
  const clients = Array.from({ length: CLIENTS }, () => connect(address, OPTIONS));
  const buses = await Promise.all(clients);
  const [first] = buses;
  assert(first !== undefined);
  buses.forEach((bus, i) => {
    bus.on('disconnected', () => {
      tell({ kind: 'lost', bus: i, atMs: Date.now() });
    });
  });
  const workers: (LoadProducer | LoadCaller)[] = [];
  if (role === 'consume') {
    await first.declare(TOPIC, { ...GROUP_OPTIONS, start: { offset: 0 } });
    buses.forEach((bus, i) => void consume(bus, i, payloads));
    await Promise.all(buses.slice(0, SERVICES).map(serveCalls));
  } else {
    workers.push(...buses.map((bus, i) => new LoadProducer(bus, i, payloads)));
    workers.push(...buses.map((bus, i) => new LoadCaller(bus, i)));
    for (const worker of workers) worker.start();
  }
  const obey: Record<LoadCommand, () => Promise<void>> = {
    stop: async () => {
      await Promise.all(workers.map((worker) => worker.stop()));
      tell({ kind: 'stopped', depth: (await first.query(TOPIC)).messageDepth });
    },
    drain: async () => {
      while (!(await groupIsEmpty(first))) await delay(LOOK_MS);
      tell({ kind: 'drained' });
    },
    close: async () => {
      await Promise.all(buses.map((bus) => bus.close()));
      process.disconnect();
    },
  };
  process.on('message', (command: LoadCommand) => void obey[command]());
  process.once('disconnect', () => {
    for (const bus of buses) void bus.close({ timeoutMs: 0 });
    for (const worker of workers) void worker.stop();
  });
  tell({ kind: 'ready' });
}

await run(JSON.parse(process.argv[2] ?? '') as LoadSettings);
