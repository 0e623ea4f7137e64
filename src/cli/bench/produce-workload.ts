/** Messages into a topic: the latency is from the call of produce until its acknowledgement. */
import type { Outcome, Run } from './run.js';

export async function runProduce(run: Run): Promise<Outcome> {
  await run.declareTopic();
  const buses = await run.open(run.plan.connections);
  await run.begin();
  const { count, sentAgain } = await run.sendAll(buses, (dueMs) => {
    run.latency.record(dueMs);
    run.progress.count++;
  });
  const outcome = await run.finish({
    count,
    sentAgain,
    latencyOf: 'from produce to its acknowledgement',
    faults: [],
  });
  const { messageDepth } = await run.site.control.query(run.topic);
  return { ...outcome, faults: storedFaults(count, messageDepth) };
}

function storedFaults(ackedCount: number, storedCount: number): string[] {
  if (storedCount === ackedCount) return [];
  return [`${ackedCount} messages acknowledged, but the topic holds ${storedCount}`];
}
