/**
 * Messages out of topics. `consume`: one group shares what was stored before. `fan-out`: each of
 * several groups gets all that is produced meanwhile.
 */
import { Mask } from '../../protocol/masks.js';
import { Progress } from './progress.js';
import { Readers } from './readers.js';
import type { Outcome, Run } from './run.js';

const ACK_WINDOW_MAX = 65_535;

/** What is stored before has the level `page`: how fast it got there does not matter. */
export async function runConsume(run: Run): Promise<Outcome> {
  const { plan } = run;
  await run.declareTopic();
  const sent = await run.sendAll(await run.open(plan.connections), () => run.progress.count++);
  run.progress.end();
  run.progress = new Progress('consume', sent.count, plan);
  const group = 'all';
  await declareGroup(run, group, plan.connections);
  const buses = await run.open(plan.connections);
  const readers = new Readers(run, false);
  await run.begin();
  for (const bus of buses) readers.read(bus, group);
  await readers.all(sent);
  const finding = {
    count: readers.distinct,
    sentAgain: sent.sentAgain,
    latencyOf: plan.acks ? 'from ack to its answer' : null,
    faults: readers.faults(sent),
  };
  return withLeftOver(run, await run.finish(finding, readers.lastMs), [group]);
}

export async function runFanOut(run: Run): Promise<Outcome> {
  const { plan } = run;
  await run.declareTopic();
  const groups = Array.from({ length: plan.groups }, (_, i) => `group-${i}`);
  for (const group of groups) await declareGroup(run, group, 1);
  const producers = await run.open(plan.connections);
  const buses = await run.open(plan.groups);
  const readers = new Readers(run, true);
  const total = plan.messages === null ? null : plan.messages * plan.groups;
  run.progress.end();
  run.progress = new Progress('fan-out', total, plan);
  await run.begin();
  for (const [i, bus] of buses.entries()) readers.read(bus, `group-${i}`);
  const sent = await run.sendAll(producers, () => undefined);
  await readers.all(sent);
  const finding = {
    count: readers.distinct,
    sentAgain: sent.sentAgain,
    latencyOf: 'from produce until a consumer has it, each group',
    faults: readers.faults(sent),
  };
  return withLeftOver(run, await run.finish(finding, readers.lastMs), groups);
}

async function declareGroup({ plan, site, topic }: Run, group: string, consumers: number) {
  const ackWindow = Math.min(ACK_WINDOW_MAX, 2 * plan.window * consumers);
  const acks = plan.acks ? { mask: Mask.ackRequired, ackWindow } : {};
  await site.control.declare(topic, { group, start: { offset: 0 }, ...acks });
}

/** The broker must think, too, that the groups are done with everything. */
async function withLeftOver(
  { site, topic }: Run,
  outcome: Outcome,
  groups: readonly string[],
): Promise<Outcome> {
  const faults = [...outcome.faults];
  for (const group of groups) {
    const { messageCount } = await site.control.query(topic, { group });
    if (messageCount > 0) faults.push(`${group}: ${messageCount} messages left with the broker`);
  }
  return { ...outcome, faults };
}
