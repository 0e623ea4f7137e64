/**
 * Eight clients of several servers, in a process of their own: they produce and call, or consume
 * and serve, and know nothing of faults. Started by ha-trial.ts with HaSettings as its argument;
 * tells it by HaEvents what was answered and what came. An unhandled rejection ends it with an
 * error, which the trial takes for a failure.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Broker, Mask, type RpcInvoker } from '../../src/index.js';
import {
  CALL_TIMEOUT_MS,
  CALLS,
  CLIENTS,
  GROUP,
  type HaCommand,
  type HaSettings,
  SERVICES,
  tell,
  TOPIC,
} from './ha-events.js';
import { Payloads } from './payload.js';

/** Between two messages of a producer, and two calls of a caller. */
const PRODUCE_EVERY_MS = 25;
const CALL_EVERY_MS = 50;
const LOOK_MS = 50;
const ACKED = { group: GROUP, mask: Mask.ackRequired, ackTimeoutMs: 3000 };

let stopping = false;

/** What is begun goes on beside what is begun next, as it does in a server of many users. */
async function every(intervalMs: number, begin: (n: number) => Promise<void>): Promise<void> {
  const underWay = new Set<Promise<void>>();
  for (let n = 0; !stopping; n++) {
    const one = begin(n).finally(() => underWay.delete(one));
    underWay.add(one);
    await delay(intervalMs);
  }
  await Promise.all(underWay);
}

function produce(broker: Broker, client: number, payloads: Payloads): Promise<void> {
  return every(PRODUCE_EVERY_MS, async (n) => {
    const beganMs = Date.now();
    try {
      const { server, offset, attempts } = await broker.produce(TOPIC, payloads.body(client, n), {
        tag: `from.${client}`,
        ackLevel: n % 2 === 0 ? 'disk' : 'page',
        headers: { producer: client, n },
      });
      tell({ kind: 'stored', client, n, server, offset, attempts, beganMs, atMs: Date.now() });
    } catch (error) {
      tell({ kind: 'notStored', client, why: String(error) });
    }
  });
}

function call(invoker: RpcInvoker, client: number): Promise<void> {
  return every(CALL_EVERY_MS, async (n) => {
    const beganMs = Date.now();
    const idempotent = n % 2 === 0;
    const outcome = await invoker.call('run', [client, n], { idempotent }).then(
      (result) => (result === `${client}/${n}` ? 'done' : `wrong: ${String(result)}`),
      (error: unknown) => (error as Error).name,
    );
    tell({ kind: 'called', client, n, idempotent, outcome, beganMs, atMs: Date.now() });
  });
}

async function consume(broker: Broker, client: number, payloads: Payloads): Promise<void> {
  for await (const message of broker.consume(TOPIC, ACKED)) {
    const { server, offset, headers, bytes } = message;
    const [producer, n] = [Number(headers.producer), Number(headers.n)];
    const whole = payloads.body(producer, n).equals(bytes);
    const atMs = Date.now();
    tell({ kind: 'got', client, server: server ?? '', offset, producer, n, whole, atMs });
    message.ack().catch(() => undefined);
  }
}

/** All that was stored was delivered, and acknowledged, on every server. */
async function drained(broker: Broker): Promise<boolean> {
  const groups = await Promise.all(
    broker.servers.map((server) => broker.bus(server).query(TOPIC, { group: GROUP })),
  );
  return groups.every((group) => group.messageCount + (group.inFlightCount ?? 0) === 0);
}

async function run({ role, trackers, seed }: HaSettings): Promise<void> {
  const payloads = new Payloads(seed);
  const brokers = Array.from({ length: CLIENTS }, () => new Broker({ trackers }));
  const [first] = brokers;
  if (first === undefined) throw new Error('no client');
  await Promise.all(brokers.map((broker) => broker.ready()));
  const work: Promise<void>[] = [];
  if (role === 'consume') {
    brokers.forEach((broker, client) => void consume(broker, client, payloads));
    const service = {
      run: (client: number, n: number): string => {
        tell({ kind: 'ran', client, n });
        return `${client}/${n}`;
      },
    };
    await Promise.all(brokers.slice(0, SERVICES).map((broker) => broker.serve(CALLS, service)));
  } else {
    brokers.forEach((broker, client) => {
      const invoker = broker.invoker(CALLS, { timeoutMs: CALL_TIMEOUT_MS, waitMs: 2000 });
      work.push(produce(broker, client, payloads), call(invoker, client));
    });
  }
  const obey: Record<HaCommand, () => Promise<void>> = {
    stop: async () => {
      stopping = true;
      await Promise.all(work);
      tell({ kind: 'stopped' });
    },
    drain: async () => {
      while (!(await drained(first))) await delay(LOOK_MS);
      tell({ kind: 'drained' });
    },
    close: async () => {
      await Promise.all(brokers.map((broker) => broker.close()));
      process.disconnect();
    },
  };
  process.on('message', (command: HaCommand) => void obey[command]());
  tell({ kind: 'ready' });
}

await run(JSON.parse(process.argv[2] ?? '') as HaSettings);
