/**
 * npm run bench:consume: how fast one connection consumes, with automatic groups and with explicit
 * acks, by prefetch and by how many messages an ack names. All ways take turns on the same broker,
 * each round on fresh groups of one topic that was filled beforehand; medians and the median of
 * each round's ratio to plain consume are printed.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { consume } from './consume-client.js';
import { processorMs, replyLength, startBroker } from './contenders.js';
import { median, printTable, thousands } from './figures.js';
import { fill } from './fill.js';
import { printMachine } from './machine.js';

const { values: flags } = parseArgs({
  options: {
    messages: { type: 'string', default: '100000' },
    rounds: { type: 'string', default: '5' },
    body: { type: 'string', default: '100' },
    dir: { type: 'string', default: tmpdir() },
    way: { type: 'string', default: '' },
    'cpu-prof': { type: 'string' },
  },
});
const messages = Number(flags.messages);
const rounds = Number(flags.rounds);
const bodyBytes = Number(flags.body);
const TOPIC = 'T';
/** One round trip a message: a share of the messages tells as much. */
const ONE_BY_ONE_SHARE = 0.2;

interface Way {
  readonly name: string;
  readonly window: number;
  readonly prefetch: boolean;
  readonly ackBatch: number;
}

const PLAIN: Way = { name: 'plain, 100 waiting', window: 100, prefetch: false, ackBatch: 0 };
const WAYS: readonly Way[] = [
  PLAIN,
  { name: 'plain, 1 waiting', window: 1, prefetch: false, ackBatch: 0 },
  { name: 'prefetch 1', window: 1, prefetch: true, ackBatch: 0 },
  { name: 'prefetch 100', window: 100, prefetch: true, ackBatch: 0 },
  { name: 'prefetch 1000', window: 1000, prefetch: true, ackBatch: 0 },
  { name: 'acks, prefetch 1, ack each', window: 1, prefetch: true, ackBatch: 1 },
  { name: 'acks, prefetch 10, ack each', window: 10, prefetch: true, ackBatch: 1 },
  { name: 'acks, prefetch 100, ack each', window: 100, prefetch: true, ackBatch: 1 },
  { name: 'acks, prefetch 100, ack 50', window: 100, prefetch: true, ackBatch: 50 },
];

interface Figures {
  readonly perSecond: number;
  /** Of the broker, a message. */
  readonly processorUs: number;
}

async function declareGroup(port: number, group: string, way: Way): Promise<void> {
  const acks = way.ackBatch > 0 ? '&group_mask=64' : '';
  const url = `/declare/${TOPIC}/${group}?group_start_offset=0${acks}`;
  await replyLength(port, `GET ${url} HTTP/1.0\r\n`);
}

async function measure(
  { port, pid }: { port: number; pid: number },
  way: Way,
  group: string,
): Promise<Figures> {
  await declareGroup(port, group, way);
  const count = Math.ceil(messages * (way.window === 1 ? ONE_BY_ONE_SHARE : 1));
  const beganMs = processorMs(pid);
  const tookMs = await consume(port, { topic: TOPIC, group, ...way }, count);
  const processorUs = ((processorMs(pid) - beganMs) * 1000) / count;
  await replyLength(port, `GET /remove/${TOPIC}/${group} HTTP/1.0\r\n`);
  return { perSecond: (count * 1000) / tookMs, processorUs };
}

function print(ways: readonly Way[], results: readonly (readonly Figures[])[]): void {
  const rows = ways.map(({ name }, i) => {
    const own = results.flatMap((round) => round.slice(i, i + 1));
    const rates = own.map(({ perSecond }) => perSecond);
    const ratios = rates.map((rate, round) => rate / (results[round]?.[0]?.perSecond ?? NaN));
    return [
      name,
      thousands(median(rates)),
      thousands(Math.max(...rates)),
      Math.min(...own.map(({ processorUs }) => processorUs)).toFixed(1),
      median(ratios).toFixed(2),
    ];
  });
  printTable([['', 'median/s', 'best/s', 'cpu us', 'of plain'], ...rows]);
}

async function main(): Promise<void> {
  const dir = mkdtempSync(join(flags.dir, 'zbus-bench-'));
  try {
    printMachine(dir, [
      { name: 'messages', value: messages },
      { name: 'body', value: `${bodyBytes} B` },
      { name: 'rounds', value: rounds },
    ]);
    const profileDir = flags['cpu-prof'];
    const nodeFlags = profileDir ? ['--cpu-prof', `--cpu-prof-dir=${profileDir}`] : [];
    const broker = await startBroker({ dir: join(dir, 'data'), ackLevel: 'page', nodeFlags });
    await replyLength(broker.port, `GET /declare/${TOPIC} HTTP/1.0\r\n`);
    await fill(broker.port, TOPIC, messages, Buffer.alloc(bodyBytes, 'x'));
    const ways = WAYS.filter(({ name }) => name.includes(flags.way) || name === PLAIN.name);
    const results: Figures[][] = [];
    // The first round warms everybody up and does not count.
    for (let round = 0; round <= rounds; round++) {
      const figures: Figures[] = [];
      for (const [i, way] of ways.entries()) {
        figures.push(await measure(broker, way, `g-${round}-${i}`));
      }
      if (round > 0) results.push(figures);
    }
    await broker.stop();
    print(ways, results);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

await main();
