/**
 * npm run bench:rpc: calls by URL through ApacheBench, answered by a service that uses the client
 * and by one over a bare socket, against what nginx answers with replies of the same size in the
 * same run. All are up for the whole run and take turns, round after round.
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
const PATHS = { client: '/rpc/MyRpc/plus/1/2', bare: '/rpc/T/plus/1/2' } as const;
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

interface Row {
  readonly name: string;
  readonly contender: Contender;
  readonly path: string;
  readonly concurrency: number;
  readonly target: string;
  readonly measured: Measured[];
}

async function measure({ contender, path, concurrency }: Row, dir: string): Promise<Measured> {
  const { pid, port } = contender;
  const url = `http://127.0.0.1:${port}${path}`;
  const beganMs = processorMs(pid);
  const measured = await runAb({ url, concurrency, requests, bodyFile: null }, dir);
  return { ...measured, processorUs: ((processorMs(pid) - beganMs) * 1000) / requests };
}

function cells({ name, concurrency, target, measured }: Row, nginx: Row): string[] {
  const ratios = measured.map(
    ({ perSecond }, round) => perSecond / (nginx.measured[round]?.perSecond ?? NaN),
  );
  return [
    `-c ${concurrency}  ${name}`,
    thousands(median(measured.map(({ perSecond }) => perSecond))),
    thousands(Math.max(...measured.map(({ perSecond }) => perSecond))),
    median(measured.map(({ p50Ms }) => p50Ms)).toFixed(2),
    median(measured.map(({ p99Ms }) => p99Ms)).toFixed(2),
    Math.min(...measured.map(({ processorUs }) => processorUs)).toFixed(1),
    median(ratios).toFixed(2),
    target,
  ];
}

/** nginx first: the others are compared with it. */
function rowsOf(nginx: Contender, broker: Contender, concurrency: number): [Row, ...Row[]] {
  const of = (name: string, contender: Contender, path: string, target = ''): Row => {
    return { name, contender, path, concurrency, target, measured: [] };
  };
  return [
    of('nginx', nginx, '/'),
    of('service with the client', broker, PATHS.client, concurrency === 32 ? `>= ${TARGET}` : ''),
    of('service over a bare socket', broker, PATHS.bare),
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
    await up(startService(broker.port, 'bare'));
    await up(startService(broker.port, 'client'));
    const bytes = await replyLength(broker.port, `GET ${PATHS.client}?wait=5000 HTTP/1.0\r\n`);
    mkdirSync(join(dir, 'nginx'));
    const nginx = await up(startNginx(join(dir, 'nginx'), bytes));
    console.log(`replies   ${bytes} B\n`);

    const tables = CONCURRENCIES.map((concurrency) => rowsOf(nginx, broker, concurrency));
    for (let round = -1; round < rounds; round++) {
      for (const row of tables.flat()) {
        const measured = await measure(row, dir);
        // The first round warms up.
        if (round >= 0) row.measured.push(measured);
      }
    }
    const heading = ['', 'median/s', 'best/s', 'p50 ms', 'p99 ms', 'cpu us', 'of nginx', 'target'];
    printTable([heading, ...tables.flatMap((rows) => rows.map((row) => cells(row, rows[0])))]);
  } finally {
    for (const { stop } of contenders.reverse()) await stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

await main();
