/** How each trial ends: nobody holds anything any more, and a last peer takes and acks all. */
import assert from 'node:assert/strict';
import { Mask } from '../../src/protocol/masks.js';
import type { BrokerModel } from './broker-model.js';
import type { LiveBroker } from './live-broker.js';
import { verify } from './step.js';
import { Consume, Disconnect, Settle } from './steps-of-consumers.js';
import { Advance, Redeclare, SetTopicMask } from './steps-of-operators.js';

const LAST_PEER = 'last';
/** More than any delay or timeout of a trial. */
const ALL_DUE_MS = 100_000;
const CREDITS = 100_000;

export async function drain(
  model: BrokerModel,
  live: LiveBroker,
  peers: readonly string[],
): Promise<void> {
  for (const peer of peers) await new Disconnect(peer, 0).run(model, live);
  await new SetTopicMask(0).run(model, live);
  await new Advance(ALL_DUE_MS).run(model, live);
  for (const [index, group] of model.groups.entries()) {
    const mask = group.settings.mask & Mask.ackRequired;
    await new Redeclare(index, { mask, maxAttempts: 0 }).run(model, live);
    await new Consume(LAST_PEER, index, CREDITS, null).run(model, live);
    while (group.held.length > 0) {
      const all = { own: true, ranges: [[0, model.end] as const] };
      await new Settle(LAST_PEER, index, { cmd: 'ack' }, all).run(model, live);
    }
    assert.deepEqual([group.unsettled.size, group.next], [0, model.end], group.name);
  }
  await verify(model, live);
  model.checkNothingLost();
}
