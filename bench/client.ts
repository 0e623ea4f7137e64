/**
 * npm run bench:client: how fast one connection of the client produces, consumes and calls, against
 * what nginx answers to ApacheBench in the same run, and what a bare socket that sends and counts
 * prepared bytes does with the same broker. Medians, the client's own processor time, and the
 * medians of each round's ratios are printed. The client is the one that ships.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Bus, connect, Mask } from '../dist/index.js';
import { runAb } from './ab-run.js';
import { consume } from './consume-client.js';
import { startBroker, startNginx, startService } from './contenders.js';
import { median, printTable, thousands } from './figures.js';
import { fill } from './fill.js';
import { printMachine } from './machine.js';

const { values: flags } = parseArgs({
  options: {
    messages: { type: 'string', default: '100000' },
    rounds: { type: 'string', default: '5' },
    body: { type: 'string', default: '100' },
    window: { type: 'string', default: '1000' },
    dir: { type: 'string', default: tmpdir() },
  },
});
const messages = Number(flags.messages);
const rounds = Number(flags.rounds);
const window = Number(flags.window);
const body = Buffer.alloc(Number(flags.body), 'x');
const TOPIC = 'T';
const NGINX = 'nginx, ab -k -c 32';
const RPC_WINDOW = 256;
/** Of the answers of nginx: about that of a produce. */
const REPLY_BYTES = 200;

interface Way {
  readonly name: string;
  /** Name of the way over a bare socket that this one is compared with; '' when there is none. */
  readonly bare: string;
  /** Of nginx: the figures of the machine on which the targets were set, 105,000/s of nginx. */
  readonly target: string;
  readonly run: (bus: Bus, port: number, group: string) => Promise<void>;
}

const WAYS: readonly Way[] = [
  {
    name: 'produce, bare socket',
    bare: 'produce, bare socket',
    target: '',
    run: (_bus, port) => fill(port, TOPIC, messages, body),
  },
  {
    name: 'produce, client',
    bare: 'produce, bare socket',
    target: '>= 0.95',
    run: produceAll,
  },
  {
    name: 'consume, bare socket',
    bare: 'consume, bare socket',
    target: '',
    run: async (_bus, port, group) => {
      await consume(port, { topic: TOPIC, group, window, prefetch: true, ackBatch: 0 }, messages);
    },
  },
  {
    name: 'consume, client',
    bare: 'consume, bare socket',
    target: '>= 2.38',
    run: (bus, _port, group) => consumeAll(bus, group),
  },
  {
    name: 'consume and ack each, client',
    bare: 'consume, bare socket',
    target: '',
    run: async (bus, _port, group) => {
      await bus.declare(TOPIC, { group, mask: Mask.ackRequired, ackWindow: 2 * window });
      await consumeAll(bus, group);
    },
  },
  {
    name: `rpc, window ${RPC_WINDOW}, client to service`,
    bare: '',
    target: '>= 0.57',
    run: callAll,
  },
];

/** `count` workers share `messages` turns. */
async function share(count: number, turn: () => Promise<unknown>): Promise<void> {
  let left = messages;
  const work = async (): Promise<void> => {
    while (left-- > 0) await turn();
  };
  await Promise.all(Array.from({ length: count }, work));
}

function produceAll(bus: Bus): Promise<void> {
  return share(window, () => bus.produce(TOPIC, body));
}

interface Calculator {
  plus(a: number, b: number): number;
}

function callAll(bus: Bus): Promise<void> {
  const { plus } = bus.rpc<Calculator>('MyRpc');
  return share(RPC_WINDOW, () => plus(1, 2));
}

async function consumeAll(bus: Bus, group: string): Promise<void> {
  let left = messages;
  let last: Promise<void> | null = null;
  for await (const message of bus.consume(TOPIC, { group, prefetch: window })) {
    last = message.ack();
    if (--left === 0) break;
  }
  await last;
}

interface Figures {
  readonly perSecond: number;
  /** Of this process, a message. */
  readonly processorUs: number;
}

async function measure(way: Way, bus: Bus, port: number, group: string): Promise<Figures> {
  await bus.declare(TOPIC, { group, start: { offset: 0 } });
  const before = process.cpuUsage();
  const beganMs = performance.now();
  await way.run(bus, port, group);
  const tookMs = performance.now() - beganMs;
  const { user, system } = process.cpuUsage(before);
  await bus.remove(TOPIC, { group });
  return { perSecond: (messages * 1000) / tookMs, processorUs: (user + system) / messages };
}

type Round = ReadonlyMap<string, Figures>;

function print(results: readonly Round[]): void {
  const ratio = (name: string, limit: string): string => {
    const ratios = results.map((round) => {
      return (round.get(name)?.perSecond ?? NaN) / (round.get(limit)?.perSecond ?? NaN);
    });
    return limit === '' ? '' : median(ratios).toFixed(2);
  };
  const rows = [{ name: NGINX, bare: '', target: '' }, ...WAYS].map(({ name, bare, target }) => {
    const own = results.flatMap((round) => round.get(name) ?? []);
    const processorUs = Math.min(...own.map((one) => one.processorUs));
    return [
      name,
      thousands(median(own.map(({ perSecond }) => perSecond))),
      thousands(Math.max(...own.map(({ perSecond }) => perSecond))),
      name === NGINX ? '' : processorUs.toFixed(1),
      ratio(name, bare),
      ratio(name, NGINX),
      target,
    ];
  });
  printTable([['', 'median/s', 'best/s', 'cpu us', 'of bare', 'of nginx', 'target'], ...rows]);
}

async function runNginx(port: number, dir: string): Promise<Figures> {
  const url = `http://127.0.0.1:${port}/`;
  const { perSecond } = await runAb(
    { url, requests: messages, concurrency: 32, bodyFile: null },
    dir,
  );
  return { perSecond, processorUs: 0 };
}

async function measureAll(dir: string): Promise<Round[]> {
  const broker = await startBroker({ dir: join(dir, 'data'), ackLevel: 'page' });
  mkdirSync(join(dir, 'nginx'));
  const nginx = await startNginx(join(dir, 'nginx'), REPLY_BYTES);
  const service = await startService(broker.port, 'client');
  const bus = await connect(`127.0.0.1:${broker.port}`);
  await bus.declare(TOPIC);
  const results: Round[] = [];
  // The first round warms everybody up and does not count.
  for (let round = 0; round <= rounds; round++) {
    const figures = new Map([[NGINX, await runNginx(nginx.port, dir)]]);
    for (const [i, way] of WAYS.entries()) {
      figures.set(way.name, await measure(way, bus, broker.port, `g-${round}-${i}`));
    }
    if (round > 0) results.push(figures);
  }
  await bus.close();
  for (const { stop } of [service, nginx, broker]) await stop();
  return results;
}

async function main(): Promise<void> {
  const dir = mkdtempSync(join(flags.dir, 'zbus-bench-'));
  try {
    printMachine(dir, [
      { name: 'messages', value: messages },
      { name: 'body', value: `${body.length} B` },
      { name: 'window', value: window },
      { name: 'rounds', value: rounds },
    ]);
    print(await measureAll(dir));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

await main();
