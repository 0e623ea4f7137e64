/** The figures of a bench as people read them. Pure. */
import { bytesText } from '../table.js';
import type { Machine } from './machine.js';
import type { Plan } from './plan.js';
import type { Outcome } from './run.js';

export interface Report {
  readonly broker: {
    readonly address: string;
    readonly version: string;
    /** null when it is not the bench's own. */
    readonly dir: string | null;
    readonly fileSystem: string | null;
  };
  readonly machine: Machine;
  readonly plan: Plan;
  readonly results: readonly Outcome[];
}

const HEAD = [
  '',
  'count',
  'per second',
  'MiB/s',
  'p50 ms',
  'p90',
  'p99',
  'p99.9',
  'max',
  'client us',
  'broker us',
];
const MIB = 1024 * 1024;

export function reportText({ broker, machine, plan, results }: Report): string {
  const { cpu, cores, memoryBytes, platform, kernel, node, load } = machine;
  const own = broker.dir === null ? '' : `, the bench's own, data on ${broker.fileSystem ?? '?'}`;
  return [
    `broker    ${broker.address}, zbus ${broker.version}${own}`,
    `machine   ${cpu}, ${cores} cores, ${bytesText(memoryBytes)}, ${platform} ${kernel}, ` +
      `Node ${node}, load ${load}`,
    `settings  ${planText(plan)}`,
    '',
    ...columns([HEAD, ...results.map(row)]),
    '',
    ...results.map(meaning),
    '',
  ].join('\n');
}

function planText(plan: Plan): string {
  return [
    plan.messages === null
      ? `${plan.durationMs ?? 0} ms`
      : `${thousands(plan.messages)} messages or calls`,
    `size ${bytesText(plan.sizeBytes)}`,
    `connections ${plan.connections}`,
    `in flight on each ${thousands(plan.window)}`,
    ...(plan.ratePerSecond === null ? [] : [`rate ${thousands(plan.ratePerSecond)} a second`]),
    `groups ${plan.groups}`,
    `ack level ${plan.ackLevel ?? "the broker's"}`,
    `consumers ${plan.acks ? 'acknowledge' : 'do not acknowledge'}`,
  ].join(', ');
}

/** The first column left, figures right. */
function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = HEAD.map((_, i) => Math.max(...rows.map((cells) => cells[i]?.length ?? 0)));
  return rows.map((cells) =>
    cells
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join('  '),
  );
}

function row(outcome: Outcome): string[] {
  const { latency, clientCpuUs, brokerCpuUs } = outcome;
  const times =
    latency === null
      ? ['-', '-', '-', '-', '-']
      : [latency.p50Ms, latency.p90Ms, latency.p99Ms, latency.p999Ms, latency.maxMs].map(
          (valueMs) => valueMs.toFixed(valueMs < 10 ? 2 : 1),
        );
  return [
    outcome.workload,
    thousands(outcome.count),
    thousands(outcome.perSecond),
    (outcome.bytesPerSecond / MIB).toFixed(1),
    ...times,
    clientCpuUs.toFixed(1),
    brokerCpuUs?.toFixed(1) ?? '-',
  ];
}

function meaning({ workload, latencyOf, faults, sentAgain }: Outcome): string {
  const verdict = faults.length === 0 ? 'each counted once' : `NOT RIGHT: ${faults.join('; ')}`;
  const again = sentAgain === 0 ? '' : `, ${sentAgain} sent again`;
  const latency = latencyOf === null ? 'no latency' : `latency ${latencyOf}`;
  return `${workload.padEnd(8)}  ${verdict}${again}; ${latency}`;
}

function thousands(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}
