/**
 * Calls to a service that gives back the text it is called with. Callers and service are in this
 * process, on connections of their own; the latency is from the call until its result.
 */
import { RpcInvoker } from '../../client/rpc/rpc-invoker.js';
import type { Outcome, Run } from './run.js';

const CONCURRENCY_MAX = 10_000;

export async function runRpc(run: Run): Promise<Outcome> {
  const { plan, topic } = run;
  const [service] = await run.open(1);
  const concurrency = Math.min(CONCURRENCY_MAX, plan.connections * plan.window);
  await service?.serve(topic, { echo: (text: string) => text }, { concurrency });
  const callers = await run.open(plan.connections);
  const invokers = new Map(callers.map((bus) => [bus, new RpcInvoker(bus.client, topic)]));
  let count = 0;
  let wrongCount = 0;
  await run.begin();
  await run.atWindow(callers, async (bus, sender, number, dueMs) => {
    const text = `${sender}.${number}.`.padEnd(plan.sizeBytes, 'x');
    const result = await invokers.get(bus)?.call('echo', [text]);
    if (result !== text) wrongCount++;
    count++;
    run.latency.record(dueMs);
    run.progress.count++;
  });
  return run.finish({
    count,
    sentAgain: 0,
    latencyOf: 'from the call until its result',
    faults: wrongCount === 0 ? [] : [`${wrongCount} calls got the result of another`],
  });
}
