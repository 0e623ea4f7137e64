/**
 * npm run bench:queue: the disk queue from JavaScript without any network, and what opening costs:
 * append at both levels, read, reopen of a large topic, a thousand topics, memory of an idle broker
 * and of idle connections. `--large` reopens 10 GiB instead of 1 GiB.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { DiskStore } from '../src/queue/disk-store.js';
import type { AckLevel, Queue } from '../src/queue/queue.js';
import { Turn } from '../src/turn.js';
import { residentBytes, startBroker } from './contenders.js';
import { median, printTable, thousands } from './figures.js';
import { MIB, printMachine } from './machine.js';

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    batch: { type: 'string', default: '100' },
    dir: { type: 'string', default: tmpdir() },
    large: { type: 'boolean', default: false },
  },
});
const rounds = Number(flags.rounds);
const batch = Number(flags.batch);
const KIB = 1024;
const SIZES = [100, KIB, 64 * KIB];
/** Bytes and messages of one round, whichever is reached first. */
const ROUND_BYTES = 256 * MIB;
const ROUND_MESSAGES = 200_000;
/** A sync costs about the same for one record as for a batch, so fewer do. */
const DISK_ROUND_SHARE = 0.25;
const READ_BYTES = 256 * KIB;
const TOPICS = 1000;
const IDLE_CONNECTIONS = 2000;
/** For the collector and the allocator to come to rest. */
const REST_MS = 3000;

type Level = Exclude<AckLevel, 'memory' | 'none'>;

interface Opened {
  readonly store: DiskStore;
  readonly turn: Turn;
}

function openStore(dir: string): Opened {
  const turn = new Turn();
  const options = {
    dir,
    blockBytes: 64 * MIB,
    syncIntervalMs: 100,
    openFilesMax: 256,
    minFreeBytes: 8 * MIB,
    memoryTopicBytesMax: 64 * MIB,
  };
  return { store: new DiskStore(options, turn), turn };
}

/**
 * Appends with one write per `batch` records and waits for the last answer; returns nanoseconds.
 */
async function append(
  { turn }: Opened,
  queue: Queue,
  level: Level,
  count: number,
  bodyBytes: number,
): Promise<number> {
  const record = {
    id: '7d9f4c0e-1b8a-4c57-9f62-0a6a2ad3b7c1',
    tag: '',
    head: `content-length: ${bodyBytes}\r\n\r\n`,
    body: Buffer.alloc(bodyBytes, 'x'),
  };
  const began = process.hrtime.bigint();
  let answered = 0;
  for (let sent = 0; sent < count;) {
    await new Promise<void>((resolve, reject) => {
      const end = Math.min(sent + batch, count);
      for (; sent < end; sent++) {
        queue.append(record, level, (error) => {
          if (error !== null) reject(error);
          else if (++answered === end) resolve();
        });
      }
      turn.end();
    });
  }
  return Number(process.hrtime.bigint() - began);
}

/** Reads the topic from `from` to its end; returns nanoseconds and what was read. */
async function read(queue: Queue, from: number): Promise<{ ns: number; count: number }> {
  const reader = queue.openReader(from, null, null);
  const began = process.hrtime.bigint();
  let count = 0;
  let position = from;
  while (position < queue.readableEnd) {
    await new Promise<void>((resolve, reject) => {
      reader.read(READ_BYTES, (error, records) => {
        if (error !== null) reject(error);
        for (let i = 0; i < records.count; i++) {
          // As a delivery does: where the bytes lie and which number they have.
          if (records.wireEnd(i) <= records.wireStart(i)) reject(new Error('empty record'));
          if (records.offset(i) !== position + i) reject(new Error('offsets are not contiguous'));
        }
        count += records.count;
        position = records.nextOffset;
        resolve();
      });
    });
  }
  const ns = Number(process.hrtime.bigint() - began);
  reader.close();
  return { ns, count };
}

async function measureRates(dir: string): Promise<void> {
  const rows = [['', 'ns/message', 'messages/s', 'MB/s', 'target']];
  const opened = openStore(dir);
  for (const size of SIZES) {
    const count = Math.min(ROUND_MESSAGES, Math.floor(ROUND_BYTES / size));
    const row = (name: string, ns: readonly number[], target: string): void => {
      const each = median(ns);
      const cells = [thousands(each), thousands(1e9 / each), thousands((size * 1e3) / each)];
      rows.push([`${name}  ${size} B`, ...cells, target]);
    };
    const queue = await opened.store.open(`size-${size}`, 'disk');
    const figures = { page: [] as number[], disk: [] as number[], read: [] as number[] };
    await append(opened, queue, 'page', count, size);
    for (let round = 0; round < rounds; round++) {
      const from = queue.nextOffset;
      figures.page.push((await append(opened, queue, 'page', count, size)) / count);
      const { ns, count: readCount } = await read(queue, from);
      figures.read.push(ns / readCount);
      const diskCount = Math.ceil(count * DISK_ROUND_SHARE);
      figures.disk.push((await append(opened, queue, 'disk', diskCount, size)) / diskCount);
    }
    const large = size === 64 * KIB;
    row(`append page`, figures.page, size === 100 ? '<= 1,000 ns' : large ? '>= 1,500 MB/s' : '');
    row(`append disk`, figures.disk, '');
    row(`read       `, figures.read, size === 100 ? '<= 500 ns' : large ? '>= 1,500 MB/s' : '');
    await queue.close();
    await opened.store.remove(`size-${size}`);
  }
  await opened.store.close();
  printTable(rows);
}

async function timed(work: () => Promise<void>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

/** Reopens a topic of `bytes` bytes in a fresh engine. */
async function measureReopen(dir: string, bytes: number): Promise<string[]> {
  const filled = openStore(dir);
  const queue = await filled.store.open('large', 'disk');
  await append(filled, queue, 'page', Math.ceil(bytes / KIB), KIB);
  await queue.close();
  await filled.store.close();
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    times.push(
      await timed(async () => {
        const { store } = openStore(dir);
        const reopened = await store.open('large', 'disk');
        await reopened.close();
        await store.close();
      }),
    );
  }
  const name = `open and close a topic of ${bytes / 2 ** 30} GiB`;
  return [name, `${median(times).toFixed(0)} ms`, '< 200 ms at 10 GB'];
}

async function measureManyTopics(dir: string): Promise<string[][]> {
  const { store, turn } = openStore(dir);
  for (let i = 0; i < TOPICS; i++) {
    await store.writeDefinition(`topic-${i}`, '{}');
    const queue = await store.open(`topic-${i}`, 'disk');
    await append({ store, turn }, queue, 'page', 1, 100);
    await queue.close();
  }
  await store.close();
  const again = openStore(dir);
  const open = await timed(async () => {
    const names = again.store.names();
    await Promise.all(names.map((name) => again.store.open(name, 'disk')));
  });
  await again.store.close();
  return [[`open ${TOPICS} topics`, `${open.toFixed(0)} ms`, '< 2,000 ms']];
}

/** A broker of its own: what it holds when nothing happens, and what each idle connection adds. */
async function measureMemory(dir: string): Promise<string[][]> {
  const broker = await startBroker({ dir, ackLevel: 'disk' });
  await delay(REST_MS);
  const idle = residentBytes(broker.pid);
  const sockets: Socket[] = [];
  for (let i = 0; i < IDLE_CONNECTIONS; i++) {
    const socket = connect({ host: '127.0.0.1', port: broker.port });
    await once(socket, 'connect');
    sockets.push(socket);
  }
  await delay(REST_MS);
  const connected = residentBytes(broker.pid);
  for (const socket of sockets) socket.destroy();
  await broker.stop();
  const each = (connected - idle) / IDLE_CONNECTIONS / KIB;
  return [
    ['memory of an idle broker (RSS)', `${(idle / MIB).toFixed(1)} MiB`, '< 70 MB'],
    [`each of ${IDLE_CONNECTIONS} idle connections`, `${each.toFixed(1)} KiB`, '<= 20 KB'],
  ];
}

async function main(): Promise<void> {
  const dir = mkdtempSync(join(flags.dir, 'zbus-bench-'));
  try {
    printMachine(dir, [
      { name: 'block', value: '64 MiB' },
      { name: 'one write per', value: `${batch} records` },
      { name: 'rounds', value: rounds },
    ]);
    await measureRates(join(dir, 'rates'));
    const largeBytes = (flags.large ? 10 : 1) * 2 ** 30;
    const rows = [
      ['', 'figure', 'target'],
      await measureReopen(join(dir, 'large'), largeBytes),
      ...(await measureManyTopics(join(dir, 'many'))),
      ...(await measureMemory(join(dir, 'idle'))),
    ];
    console.log('');
    printTable(rows);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

await main();
