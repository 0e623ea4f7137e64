/**
 * npm run bench:rpc: calls by URL through ApacheBench, answered by a service over a raw socket,
 * against what nginx answers with replies of the same size in the same run. All are up for the
 * whole run and take turns, round after round.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runAb } from './ab-run.js';
import {
  type Contender,
  processorMs,
  replyLength,
  startBroker,
  startNginx,
  startService,
} from './contenders.js';
import { median, printTable, thousands } from './figures.js';
import { printMachine } from './machine.js';

const { values: flags } = parseArgs({
  options: {
    requests: { type: 'string', default: '50000' },
    rounds: { type: 'string', default: '5' },
    dir: { type: 'string', default: tmpdir() },
    'cpu-prof': { type: 'string' },
  },
});
const requests = Number(flags.requests);
const rounds = Number(flags.rounds);
const PATH = '/rpc/T/plus/1/2';
const CONCURRENCIES = [32, 256];
/** Of nginx, at 32 connections. */
const TARGET = 0.35;

interface Measured {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly processorUs: number;
}

const contenders: Contender[] = [];

async function up(starting: Promise<Contender>): Promise<Contender> {
  const contender = await starting;
  contenders.push(contender);
  return contender;
}

async function measure(
  { pid, port }: Contender,
  concurrency: number,
  count: number,
  dir: string,
): Promise<Measured> {
  const url = `http://127.0.0.1:${port}${PATH}`;
  const beganMs = processorMs(pid);
  const measured = await runAb({ url, concurrency, requests: count, bodyFile: null }, dir);
  return { ...measured, processorUs: ((processorMs(pid) - beganMs) * 1000) / count };
}

function row(
  name: string,
  own: readonly Measured[],
  nginx: readonly Measured[],
  target: string,
): string[] {
  const ratios = own.map(({ perSecond }, round) => perSecond / (nginx[round]?.perSecond ?? NaN));
  return [
    name,
    thousands(median(own.map(({ perSecond }) => perSecond))),
    thousands(Math.max(...own.map(({ perSecond }) => perSecond))),
    median(own.map(({ p50Ms }) => p50Ms)).toFixed(2),
    median(own.map(({ p99Ms }) => p99Ms)).toFixed(2),
    Math.min(...own.map(({ processorUs }) => processorUs)).toFixed(1),
    median(ratios).toFixed(2),
    target,
  ];
}

async function main(): Promise<void> {
  const dir = mkdtempSync(join(flags.dir, 'zbus-bench-'));
  try {
    printMachine(dir, [
      { name: 'requests', value: requests },
      { name: 'rounds', value: rounds },
      { name: 'flags', value: 'ab -k' },
    ]);
    const profileDir = flags['cpu-prof'];
    const nodeFlags =
      profileDir === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileDir}`];
    const broker = await up(startBroker({ dir: join(dir, 'data'), ackLevel: 'disk', nodeFlags }));
    await replyLength(broker.port, 'GET /declare/T?topic_mask=2 HTTP/1.0\r\n');
    await up(startService(broker.port));
    const bytes = await replyLength(broker.port, `GET ${PATH}?wait=5000 HTTP/1.0\r\n`);
    mkdirSync(join(dir, 'nginx'));
    const nginx = await up(startNginx(join(dir, 'nginx'), bytes));
    console.log(`replies   ${bytes} B\n`);

    const results = new Map(
      CONCURRENCIES.map((count): [number, Results] => [count, { nginx: [], broker: [] }]),
    );
    for (let round = -1; round < rounds; round++) {
      for (const [concurrency, kept] of results) {
        const one = await measure(nginx, concurrency, requests, dir);
        const other = await measure(broker, concurrency, requests, dir);
        // The first round warms up.
        if (round < 0) continue;
        kept.nginx.push(one);
        kept.broker.push(other);
      }
    }
    const heading = ['', 'median/s', 'best/s', 'p50 ms', 'p99 ms', 'cpu us', 'of nginx', 'target'];
    const table = [...results].flatMap(([concurrency, kept]) => [
      row(`-c ${concurrency}  nginx`, kept.nginx, kept.nginx, ''),
      row(
        `-c ${concurrency}  broker and service`,
        kept.broker,
        kept.nginx,
        concurrency === 32 ? `>= ${TARGET}` : '',
      ),
    ]);
    printTable([heading, ...table]);
  } finally {
    for (const { stop } of contenders.reverse()) await stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

interface Results {
  readonly nginx: Measured[];
  readonly broker: Measured[];
}

await main();
