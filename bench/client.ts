/**
 * npm run bench:client: how fast one connection of the client produces and consumes, against what a
 * bare socket that sends and counts prepared bytes does with the same broker in the same run.
 * Medians, the client's own processor time, and the median of each round's ratio are printed.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Bus, connect, Mask } from '../src/index.js';
import { consume } from './consume-client.js';
import { startBroker } from './contenders.js';
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

interface Way {
  readonly name: string;
  /** Name of the way that this one is compared with. */
  readonly limit: string;
  readonly target: string;
  readonly run: (bus: Bus, port: number, group: string) => Promise<void>;
}

const WAYS: readonly Way[] = [
  {
    name: 'produce, bare socket',
    limit: 'produce, bare socket',
    target: '',
    run: (_bus, port) => fill(port, TOPIC, messages, body),
  },
  {
    name: 'produce, client',
    limit: 'produce, bare socket',
    target: '>= 100,000/s',
    run: produceAll,
  },
  {
    name: 'consume, bare socket',
    limit: 'consume, bare socket',
    target: '',
    run: async (_bus, port, group) => {
      await consume(port, { topic: TOPIC, group, window, prefetch: true, ackBatch: 0 }, messages);
    },
  },
  {
    name: 'consume, client',
    limit: 'consume, bare socket',
    target: '>= 250,000/s',
    run: (bus, _port, group) => consumeAll(bus, group),
  },
  {
    name: 'consume and ack each, client',
    limit: 'consume, bare socket',
    target: '',
    run: async (bus, _port, group) => {
      await bus.declare(TOPIC, { group, mask: Mask.ackRequired, ackWindow: 2 * window });
      await consumeAll(bus, group);
    },
  },
];

async function produceAll(bus: Bus): Promise<void> {
  let left = messages;
  const work = async (): Promise<void> => {
    while (left-- > 0) await bus.produce(TOPIC, body);
  };
  await Promise.all(Array.from({ length: window }, work));
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

function print(results: readonly ReadonlyMap<string, Figures>[]): void {
  const rows = WAYS.map(({ name, limit, target }) => {
    const own = results.flatMap((round) => round.get(name) ?? []);
    const ratios = results.map((round) => {
      return (round.get(name)?.perSecond ?? NaN) / (round.get(limit)?.perSecond ?? NaN);
    });
    return [
      name,
      thousands(median(own.map(({ perSecond }) => perSecond))),
      thousands(Math.max(...own.map(({ perSecond }) => perSecond))),
      Math.min(...own.map(({ processorUs }) => processorUs)).toFixed(1),
      median(ratios).toFixed(2),
      target,
    ];
  });
  printTable([['', 'median/s', 'best/s', 'cpu us', 'of bare', 'target'], ...rows]);
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
    const broker = await startBroker({ dir: join(dir, 'data'), ackLevel: 'page' });
    const bus = await connect(`127.0.0.1:${broker.port}`);
    await bus.declare(TOPIC);
    const results: Map<string, Figures>[] = [];
    // The first round warms everybody up and does not count.
    for (let round = 0; round <= rounds; round++) {
      const figures = new Map<string, Figures>();
      for (const [i, way] of WAYS.entries()) {
        figures.set(way.name, await measure(way, bus, broker.port, `g-${round}-${i}`));
      }
      if (round > 0) results.push(figures);
    }
    await bus.close();
    await broker.stop();
    print(results);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

await main();
