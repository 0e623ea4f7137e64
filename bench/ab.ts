/**
 * npm run bench:ab: produce and consume through ApacheBench, against what nginx and a bare Node
 * socket answer with replies of the same size in the same run. All contenders are up for the whole
 * run and take turns, round after round; medians and the median of each round's ratio to nginx are
 * printed.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type AbFigures, runAb } from './ab-run.js';
import {
  type Contender,
  processorMs,
  replyLength,
  startBareServer,
  startBroker,
  startNginx,
} from './contenders.js';
import { Authority } from '../test/support/certificates.js';
import { median, printTable, thousands } from './figures.js';
import { fill } from './fill.js';
import { printMachine } from './machine.js';

const { values: flags } = parseArgs({
  options: {
    requests: { type: 'string', default: '100000' },
    rounds: { type: 'string', default: '5' },
    body: { type: 'string', default: '100' },
    dir: { type: 'string', default: tmpdir() },
    'cpu-prof': { type: 'string' },
    tls: { type: 'boolean', default: false },
  },
});
const requests = Number(flags.requests);
const rounds = Number(flags.rounds);
const bodyBytes = Number(flags.body);
const WARM_UP_SHARE = 0.2;

interface Case {
  readonly name: string;
  readonly pid: number;
  readonly url: string;
  readonly concurrency: number;
  readonly post: boolean;
  /** Least ratio to nginx that the broker is held to; null for the others. */
  readonly target: number | null;
  /** Name of the case that is 1.00. */
  readonly against: string;
}

/**
 * What one run says; the processor time is that of the contender alone, so it hardly feels a busy
 * machine.
 */
interface Figures extends AbFigures {
  readonly processorUs: number;
}

const contenders: Contender[] = [];

async function up(starting: Promise<Contender>): Promise<Contender> {
  const contender = await starting;
  contenders.push(contender);
  return contender;
}

function requireProgram(name: string, debianPackage: string): void {
  if (spawnSync(name, ['-v']).error === undefined) return;
  console.error(`bench:ab needs ${name}. Debian: apt-get install ${debianPackage}`);
  process.exit(1);
}

async function post({ port, tls }: Contender, url: string): Promise<void> {
  await replyLength(port, `POST ${url} HTTP/1.0\r\nContent-Length: 0\r\n`, tls);
}

const PRODUCE = '/produce/T';
const CONSUME = '/consume/T/g';

function caseOf(
  name: string,
  { pid, port, tls }: Contender,
  path: string,
  concurrency: number,
  against: string,
  target: number | null,
): Case {
  const url = `${tls ? 'https' : 'http'}://127.0.0.1:${port}${path}`;
  return { name, pid, url, concurrency, post: path === PRODUCE, target, against };
}

/** Messages that all rounds take. */
const consumedCount = Math.ceil(requests * (rounds + WARM_UP_SHARE)) + 1;

/** nginx and the broker as in `cases`, over TLS with one P-256 certificate. */
async function tlsCases(dir: string, body: Buffer): Promise<Case[]> {
  const { certificatePem, keyPem } = new Authority().issue({ name: 'localhost' });
  const certificate = { certFile: join(dir, 'server.crt'), keyFile: join(dir, 'server.key') };
  writeFileSync(certificate.certFile, certificatePem);
  writeFileSync(certificate.keyFile, keyPem, { mode: 0o600 });
  const start = (name: string): Promise<Contender> =>
    up(startBroker({ dir: join(dir, name), ackLevel: 'page', certificate }));
  const page = await start('page-tls');
  const consumed = await start('consumed-tls');
  for (const broker of [page, consumed]) await post(broker, '/declare/T/g');
  await fill(consumed.port, 'T', consumedCount, body, true);
  const produceRequest = `POST ${PRODUCE} HTTP/1.0\r\nContent-Length: 0\r\n`;
  const produceBytes = await replyLength(page.port, produceRequest, true);
  const consumeBytes = await replyLength(consumed.port, `GET ${CONSUME} HTTP/1.0\r\n`, true);
  const nginx = async (name: string, replyBytes: number): Promise<Contender> => {
    const scratch = join(dir, name);
    mkdirSync(scratch);
    return up(startNginx(scratch, replyBytes, certificate));
  };
  const nginxProduce = await nginx('nginx-produce-tls', produceBytes);
  const nginxConsume = await nginx('nginx-consume-tls', consumeBytes);
  const [produceName, consumeName] = ['produce -c 32   nginx, TLS', 'consume -c 32   nginx, TLS'];
  return [
    caseOf(produceName, nginxProduce, PRODUCE, 32, produceName, null),
    caseOf('produce -c 32   broker, page, TLS', page, PRODUCE, 32, produceName, null),
    caseOf(consumeName, nginxConsume, CONSUME, 32, consumeName, null),
    caseOf('consume -c 32   broker, TLS', consumed, CONSUME, 32, consumeName, null),
  ];
}

/** Starts everybody, with topics declared and the one to consume filled. */
async function cases(dir: string, body: Buffer): Promise<Case[]> {
  const profileDir = flags['cpu-prof'];
  const nodeFlags = profileDir === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileDir}`];
  const broker = (name: string, ackLevel: 'disk' | 'page'): Promise<Contender> =>
    up(startBroker({ dir: join(dir, name), ackLevel, nodeFlags }));
  const page = await broker('page', 'page');
  const disk = await broker('disk', 'disk');
  const consumed = await broker('consumed', 'page');
  for (const broker of [page, disk, consumed]) await post(broker, '/declare/T/g');
  await fill(consumed.port, 'T', consumedCount, body);

  const produceBytes = await replyLength(
    page.port,
    `POST /produce/T HTTP/1.0\r\nContent-Length: 0\r\n`,
  );
  const consumeBytes = await replyLength(consumed.port, 'GET /consume/T/g HTTP/1.0\r\n');
  const nginx = async (name: string, replyBytes: number): Promise<Contender> => {
    const scratch = join(dir, name);
    mkdirSync(scratch);
    return up(startNginx(scratch, replyBytes));
  };
  const nginxProduce = await nginx('nginx-produce', produceBytes);
  const nginxConsume = await nginx('nginx-consume', consumeBytes);
  const bareProduce = await up(startBareServer(produceBytes));
  const bareConsume = await up(startBareServer(consumeBytes));
  console.log(`replies   produce ${produceBytes} B, consume ${consumeBytes} B\n`);

  return [
    caseOf('produce -c 32   nginx', nginxProduce, PRODUCE, 32, 'produce -c 32   nginx', null),
    caseOf(
      'produce -c 32   bare Node socket',
      bareProduce,
      PRODUCE,
      32,
      'produce -c 32   nginx',
      null,
    ),
    caseOf('produce -c 32   broker, page', page, PRODUCE, 32, 'produce -c 32   nginx', 0.7),
    caseOf('produce -c 32   broker, disk', disk, PRODUCE, 32, 'produce -c 32   nginx', 0.4),
    caseOf('produce -c 256  nginx', nginxProduce, PRODUCE, 256, 'produce -c 256  nginx', null),
    caseOf('produce -c 256  broker, disk', disk, PRODUCE, 256, 'produce -c 256  nginx', 0.6),
    caseOf('consume -c 32   nginx', nginxConsume, CONSUME, 32, 'consume -c 32   nginx', null),
    caseOf(
      'consume -c 32   bare Node socket',
      bareConsume,
      CONSUME,
      32,
      'consume -c 32   nginx',
      null,
    ),
    caseOf('consume -c 32   broker', consumed, CONSUME, 32, 'consume -c 32   nginx', 0.75),
  ];
}

/** Every case once, in turn. */
async function runRound(all: readonly Case[], count: number, dir: string): Promise<Figures[]> {
  const bodyFile = join(dir, 'body');
  const figures: Figures[] = [];
  for (const { pid, url, concurrency, post: posts } of all) {
    const request = { url, concurrency, requests: count, bodyFile: posts ? bodyFile : null };
    const beganMs = processorMs(pid);
    const measured = await runAb(request, dir);
    figures.push({ ...measured, processorUs: ((processorMs(pid) - beganMs) * 1000) / count });
  }
  return figures;
}

function print(all: readonly Case[], results: readonly Figures[][]): void {
  const column = (index: number, of: (figures: Figures) => number): number[] =>
    results.flatMap((round) => round.slice(index, index + 1).map(of));
  const rates = all.map((_, index) => column(index, ({ perSecond }) => perSecond));
  const rows = all.map(({ name, against, target }, index) => {
    const own = rates[index] ?? [];
    const reference = rates[all.findIndex((one) => one.name === against)] ?? [];
    const ratios = own.map((rate, round) => rate / (reference[round] ?? NaN));
    return [
      name,
      thousands(median(own)),
      thousands(Math.max(...own)),
      median(column(index, ({ p50Ms }) => p50Ms)).toFixed(2),
      median(column(index, ({ p99Ms }) => p99Ms)).toFixed(2),
      Math.min(...column(index, ({ processorUs }) => processorUs)).toFixed(1),
      median(ratios).toFixed(2),
      (Math.max(...own) / Math.max(...reference)).toFixed(2),
      target === null ? '' : `>= ${target.toFixed(2)}`,
    ];
  });
  // The best of many short rounds is what a quiet machine would give: other work only ever takes.
  const heading = [
    '',
    'median/s',
    'best/s',
    'p50 ms',
    'p99 ms',
    'cpu us',
    'of nginx',
    'of best',
    'target',
  ];
  printTable([heading, ...rows]);
}

async function main(): Promise<void> {
  requireProgram('ab', 'apache2-utils');
  requireProgram('nginx', 'nginx-light');
  const dir = mkdtempSync(join(flags.dir, 'zbus-bench-'));
  try {
    printMachine(dir, [
      { name: 'requests', value: requests },
      { name: 'rounds', value: rounds },
      { name: 'body', value: `${bodyBytes} B` },
      { name: 'block', value: '64 MiB (default)' },
      { name: 'flags', value: 'ab -k' },
    ]);
    const body = Buffer.alloc(bodyBytes, 'x');
    writeFileSync(join(dir, 'body'), body);
    const all = await cases(dir, body);
    if (flags.tls) all.push(...(await tlsCases(dir, body)));
    await runRound(all, Math.floor(requests * WARM_UP_SHARE), dir);
    const results: Figures[][] = [];
    for (let round = 0; round < rounds; round++) results.push(await runRound(all, requests, dir));
    print(all, results);
  } finally {
    for (const { stop } of contenders) await stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

await main();
