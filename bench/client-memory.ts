/**
 * npm run bench:client-memory: what a client keeps while it does nothing, and what a call keeps
 * while it waits for its answer, in the heap and beside it, of this process alone; the broker is
 * another. Medians over rounds, each after a full collection.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Bus, connect, Mask, RpcInvoker } from '../src/index.js';
import { startBroker } from './contenders.js';
import { median, printTable, thousands } from './figures.js';
import { MIB, printMachine } from './machine.js';

const { values: flags } = parseArgs({
  options: {
    clients: { type: 'string', default: '200' },
    calls: { type: 'string', default: '10000' },
    body: { type: 'string', default: '100' },
    rounds: { type: 'string', default: '5' },
    dir: { type: 'string', default: tmpdir() },
  },
});
const clients = Number(flags.clients);
const calls = Number(flags.calls);
const body = 'x'.repeat(Number(flags.body));
const rounds = Number(flags.rounds);
const TOPIC = 'T';

/** Bytes in use: the heap of JavaScript, and what buffers keep outside of it. */
function usedBytes(): number {
  const { gc } = globalThis;
  if (gc === undefined) throw new Error('Run it with node --expose-gc');
  gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Bytes a client that is connected and idle. */
async function idleClients(address: string): Promise<number> {
  const before = usedBytes();
  const buses = await Promise.all(Array.from({ length: clients }, () => connect(address)));
  const perClient = (usedBytes() - before) / clients;
  await Promise.all(buses.map((bus) => bus.close()));
  return perClient;
}

interface Waiting {
  readonly perCall: number;
  /** What is left, of all, when they have ended. */
  readonly left: number;
  readonly residentGrowth: number;
}

/** Calls that the broker keeps, since there is no service: nothing of them is here but the call. */
async function waitingCalls(bus: Bus): Promise<Waiting> {
  const aborter = new AbortController();
  const invoker = new RpcInvoker(bus.client, TOPIC, { waitMs: 1e9, timeoutMs: 1e9 });
  const resident = process.memoryUsage.rss();
  const before = usedBytes();
  let ended = 0;
  const onEnd = (): void => {
    ended++;
  };
  for (let n = 0; n < calls; n++) {
    invoker.call('plus', [n, body], { signal: aborter.signal }).catch(onEnd);
  }
  // Answered when the broker has read what was sent before it.
  await bus.client.ping();
  const during = usedBytes();
  const residentGrowth = process.memoryUsage.rss() - resident;
  aborter.abort();
  await bus.empty(TOPIC);
  await bus.client.ping();
  if (ended !== calls) throw new Error(`${ended} of ${calls} calls have ended`);
  return { perCall: (during - before) / calls, left: usedBytes() - before, residentGrowth };
}

async function main(): Promise<void> {
  const dir = mkdtempSync(join(flags.dir, 'zbus-bench-'));
  try {
    printMachine(dir, [
      { name: 'clients', value: clients },
      { name: 'calls', value: calls },
      { name: 'body', value: `${body.length} B` },
      { name: 'rounds', value: rounds },
    ]);
    const broker = await startBroker({ dir: join(dir, 'data'), ackLevel: 'page' });
    const address = `127.0.0.1:${broker.port}`;
    const bus = await connect(address);
    await bus.declare(TOPIC, { topicMask: Mask.rpc });
    const idle: number[] = [];
    const waiting: Waiting[] = [];
    // The first round warms everybody up and does not count.
    for (let round = 0; round <= rounds; round++) {
      const perClient = await idleClients(address);
      const figures = await waitingCalls(bus);
      if (round === 0) continue;
      idle.push(perClient);
      waiting.push(figures);
    }
    await bus.close();
    await broker.stop();
    const all = median(waiting.map(({ perCall }) => perCall * calls)) / MIB;
    const left = median(waiting.map((one) => one.left)) / MIB;
    const resident = Math.max(...waiting.map(({ residentGrowth }) => residentGrowth)) / MIB;
    printTable([
      ['', 'bytes each', 'MiB, all'],
      ['idle client', thousands(median(idle)), ((median(idle) * clients) / MIB).toFixed(1)],
      ['call in flight', thousands(median(waiting.map((one) => one.perCall))), all.toFixed(1)],
      ['left when they have ended', '', left.toFixed(1)],
      ['resident set, most growth', '', resident.toFixed(1)],
    ]);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

await main();
