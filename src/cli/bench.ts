/**
 * `zbus bench`: how fast a broker is, measured with this package's client. Without --server it
 * starts a broker for it, so that nobody's own is put under load by mistake. Promises to count
 * every message, to say when a count is wrong, and to leave no topic behind.
 */
import { randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { Argument, type Command } from 'commander';
import type { Bus } from '../client/bus.js';
import type { AskedLevel } from '../client/mq-client.js';
import { runConsume, runFanOut } from './bench/consume-workload.js';
import { fileSystemOf, thisMachine } from './bench/machine.js';
import { BODY_BYTES_MIN } from './bench/numbered-body.js';
import { type Plan, warmUpOf, type WorkloadName, workloadNames } from './bench/plan.js';
import { runProduce } from './bench/produce-workload.js';
import { type Report, reportText } from './bench/report.js';
import { runRpc } from './bench/rpc-workload.js';
import { type Outcome, Run, type Site } from './bench/run.js';
import { TemporaryBroker } from './bench/temporary-broker.js';
import { withBus } from './client-command.js';
import { addConnectionOptions, type ConnectionFlags, openBus } from './connection-options.js';
import { ackLevelOption, size, wholeNumber } from './option-values.js';
import { CommandError, note, UsageError } from './outcome.js';
import { print, printJson } from './output.js';

interface BenchFlags extends ConnectionFlags {
  readonly messages?: number;
  readonly duration?: number;
  readonly size: number;
  readonly connections: number;
  readonly window: number;
  readonly groups: number;
  readonly ack?: boolean;
  readonly ackLevel?: AskedLevel;
  readonly rate?: number;
  readonly dir?: string;
  readonly json?: boolean;
}

const WORKLOADS: Readonly<Record<WorkloadName, (run: Run) => Promise<Outcome>>> = {
  produce: runProduce,
  consume: runConsume,
  rpc: runRpc,
  'fan-out': runFanOut,
};
const MESSAGES = 100_000;
const SIZE_BYTES_MAX = 16 * 1024 * 1024;
const PATIENCE_MS = 10_000;

const AFTER_HELP = `
Without --server (and ZBUS_SERVER) it starts a broker of its own for the time, on a free port.

Examples:
  zbus bench                                        all four, one after the other
  zbus bench produce -n 1000000 --ack-level page
  zbus bench produce --rate 5000 --duration 30      latency at a rate that does not depend on it
  zbus bench fan-out --groups 8 --server mq.example.com:15555`;

export function defineBenchCommand(command: Command): void {
  command
    .addArgument(
      new Argument('[workloads...]', 'what to measure (default: all)').choices(workloadNames),
    )
    .option('-n, --messages <count>', `messages or calls (default: ${MESSAGES})`, wholeNumber(1))
    .option('--duration <s>', 'seconds instead of a number of messages', wholeNumber(1, 86_400))
    .option('--size <bytes>', 'of a message', size(BODY_BYTES_MIN, SIZE_BYTES_MAX), 100)
    .option('--connections <count>', 'of each side', wholeNumber(1, 1000), 1)
    .option('--window <count>', 'in flight on each connection', wholeNumber(1, 50_000), 1000)
    .option('--groups <count>', 'of fan-out: each gets every message', wholeNumber(1, 1000), 3)
    .option('--ack', 'consumers acknowledge each message')
    .addOption(ackLevelOption("what acknowledged means (default: the broker's level)"))
    .option('--rate <per-second>', 'send at this rate', wholeNumber(1, 10_000_000))
    .option('--dir <folder>', 'where a broker of its own has its data (default: temporary)')
    .option('--json', 'print the report as JSON')
    .addHelpText('after', AFTER_HELP)
    .action((workloads: WorkloadName[], flags: BenchFlags) => bench(workloads, flags));
  addConnectionOptions(command);
}

async function bench(workloads: readonly WorkloadName[], flags: BenchFlags): Promise<void> {
  const plan = planOf(flags);
  const named = flags.server !== undefined || (process.env.ZBUS_SERVER ?? '') !== '';
  if (named && flags.dir !== undefined) {
    throw new UsageError('--dir is for a broker of its own; with --server there is none');
  }
  const own = named ? null : await TemporaryBroker.start(flags.dir);
  try {
    const to = own === null ? flags : { ...flags, server: [own.address] };
    const wanted = workloads.length === 0 ? workloadNames : workloads;
    const work = async (control: Bus, signal: AbortSignal): Promise<void> => {
      // Every connection and every pause listens to it.
      setMaxListeners(0, signal);
      const site: Site = {
        control,
        open: () => openBus(to, signal),
        brokerCpuUs: own === null ? null : () => own.cpuUs(),
        signal,
      };
      await measure(site, wanted, plan, { own, json: flags.json === true });
    };
    await withBus(to, work, { onInterrupt: 'finish' });
  } finally {
    await own?.stop();
  }
}

function planOf(flags: BenchFlags): Plan {
  const { messages, duration, connections, window } = flags;
  if (messages !== undefined && duration !== undefined) {
    throw new UsageError('either --messages or --duration');
  }
  return {
    messages: duration === undefined ? (messages ?? MESSAGES) : null,
    durationMs: duration === undefined ? null : duration * 1000,
    sizeBytes: flags.size,
    connections,
    window,
    groups: flags.groups,
    acks: flags.ack === true,
    ackLevel: flags.ackLevel ?? null,
    ratePerSecond: flags.rate ?? null,
    patienceMs: flags.timeout ?? PATIENCE_MS,
  };
}

async function measure(
  site: Site,
  workloads: readonly WorkloadName[],
  plan: Plan,
  { own, json }: { own: TemporaryBroker | null; json: boolean },
): Promise<void> {
  const machine = thisMachine();
  const { serverAddress, serverVersion } = await site.control.query();
  const results: Outcome[] = [];
  for (const workload of workloads) {
    const warmUp = await runOnce(site, workload, warmUpOf(plan));
    const outcome = await runOnce(site, workload, plan);
    const faults = warmUp.faults.map((fault) => `before it was measured, ${fault}`);
    results.push({ ...outcome, faults: [...outcome.faults, ...faults] });
  }
  const report: Report = {
    broker: {
      address: serverAddress.address,
      version: serverVersion,
      dir: own?.dir ?? null,
      fileSystem: own === null ? null : fileSystemOf(own.dir),
    },
    machine,
    plan,
    results,
  };
  await (json ? printJson(report) : print(reportText(report)));
  const wrong = results.filter(({ faults }) => faults.length > 0);
  if (wrong.length === 0) return;
  throw new CommandError(
    wrong.map(({ workload, faults }) => `${workload}: ${faults.join('; ')}`).join('; '),
  );
}

async function runOnce(site: Site, workload: WorkloadName, plan: Plan): Promise<Outcome> {
  const topic = `zbus-bench-${workload}-${randomBytes(6).toString('hex')}`;
  const run = new Run(site, workload, forWorkload(workload, plan), topic);
  let outcome: Outcome;
  try {
    outcome = await WORKLOADS[workload](run);
  } catch (error) {
    await run.end().catch(() => {
      note(`the topic ${topic} could not be removed`);
    });
    throw error;
  }
  await run.end();
  if (site.signal.aborted) {
    note(`${workload} was interrupted: there are no figures`);
    site.signal.throwIfAborted();
  }
  return outcome;
}

/** What is consumed later is stored as fast as it goes; only reading it is measured. */
function forWorkload(workload: WorkloadName, plan: Plan): Plan {
  return workload === 'consume' ? { ...plan, ackLevel: 'page', ratePerSecond: null } : plan;
}
