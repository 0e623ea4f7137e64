/** What `zbus bench` is to measure, as its options say. Read by every part of it. */
import type { AskedLevel } from '../../client/mq-client.js';

export const workloadNames = ['produce', 'consume', 'rpc', 'fan-out'] as const;
export type WorkloadName = (typeof workloadNames)[number];

export interface Plan {
  /** null: as many as `durationMs` allows. */
  readonly messages: number | null;
  /** How long is produced or called; null: until there were `messages`. */
  readonly durationMs: number | null;
  /** Of a message, or of what a call carries there and back. */
  readonly sizeBytes: number;
  /** Of each side. */
  readonly connections: number;
  /** In flight on each connection. */
  readonly window: number;
  /** Of a fan-out. */
  readonly groups: number;
  /** Consumers acknowledge each message. */
  readonly acks: boolean;
  /** null: the broker's own. */
  readonly ackLevel: AskedLevel | null;
  /** Sends at this rate, of all connections together; null: as fast as answers come. */
  readonly ratePerSecond: number | null;
  /** Without a message for so long the rest counts as missing. */
  readonly patienceMs: number;
}

const WARM_UP_MESSAGES_MAX = 10_000;
const WARM_UP_MS_MAX = 1000;

/** A tenth of it, run before so that both sides are compiled and connected. */
export function warmUpOf(plan: Plan): Plan {
  return {
    ...plan,
    messages:
      plan.messages === null ? null : Math.min(WARM_UP_MESSAGES_MAX, Math.ceil(plan.messages / 10)),
    durationMs:
      plan.durationMs === null ? null : Math.min(WARM_UP_MS_MAX, Math.ceil(plan.durationMs / 10)),
  };
}
