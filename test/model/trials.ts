/** What a trial is made of: the peers, and how often which command comes with which values. */
import fc from 'fast-check';
import { Mask } from '../../src/protocol/masks.js';
import { GROUPS } from './broker-model.js';
import { CrashDuring } from './crash.js';
import type { Settings } from './group-model.js';
import type { Step } from './step.js';
import {
  Consume,
  Disconnect,
  Grant,
  HalfClose,
  Produce,
  Settle,
  type Settlement,
  Stall,
  Take,
  Unconsume,
} from './steps-of-consumers.js';
import {
  Advance,
  Empty,
  Move,
  Redeclare,
  Redrive,
  Restart,
  SetTopicMask,
} from './steps-of-operators.js';

export const PEERS = ['p0', 'p1', 'p2'] as const;

/** Mostly the same, so that they hold something when the next command comes. */
const peer = fc.constantFrom('p0', 'p0', 'p0', 'p1', 'p1', 'p2');
const group = fc.nat({ max: GROUPS.length - 1 });
/** Most commands are about what is acknowledged. */
const ackedGroup = fc.constantFrom(0, 0, 0, 1, 1, 2);
const tag = fc.constantFrom('x', 'x', 'y');
const few = fc.integer({ min: 1, max: 4 });

const produce = fc
  .tuple(peer, fc.array(tag, { minLength: 1, maxLength: 5 }))
  .map(([by, tags]) => new Produce(by, tags));

const waitMs = fc.option(fc.constantFrom(200, 1000, 3000), { freq: 3 });
const consume = fc
  .tuple(peer, ackedGroup, fc.option(few, { freq: 2 }), waitMs)
  .map(([by, from, prefetch, timeoutMs]) => new Consume(by, from, prefetch, timeoutMs));

const grant = fc
  .tuple(peer, ackedGroup, few)
  .map(([by, from, credits]) => new Grant(by, from, credits));

const settlement: fc.Arbitrary<Settlement> = fc.oneof(
  { weight: 3, arbitrary: fc.constant<Settlement>({ cmd: 'ack' }) },
  {
    weight: 3,
    arbitrary: fc
      .option(fc.constantFrom(0, 0, 1, 500, 1500))
      .map((delayMs): Settlement => ({ cmd: 'nack', delayMs })),
  },
  { weight: 1, arbitrary: fc.constant<Settlement>({ cmd: 'renew' }) },
);
const ranges = fc.array(fc.tuple(fc.nat({ max: 20 }), fc.constantFrom(0, 0, 0, 1, 5)), {
  minLength: 1,
  maxLength: 3,
});
const own = fc.constantFrom(true, true, true, false);
const settle = fc
  .tuple(peer, ackedGroup, settlement, fc.record({ own, ranges }))
  .map(([by, of, how, picks]) => new Settle(by, of, how, picks));

const stall = peer.map((name) => new Stall(name));
const take = fc
  .tuple(peer, fc.option(fc.nat({ max: 2 }), { freq: 1 }))
  .map(([name, count]) => new Take(name, count));
const disconnect = fc
  .tuple(peer, fc.nat({ max: 2 }))
  .map(([name, count]) => new Disconnect(name, count));
const halfClose = fc
  .tuple(peer, fc.nat({ max: 2 }))
  .map(([name, count]) => new HalfClose(name, count));
const unconsume = fc.tuple(peer, group).map(([by, from]) => new Unconsume(by, from));

/** 1000 is the ack timeout at first: just before, at and just after it too. */
const advance = fc.constantFrom(1, 200, 499, 500, 999, 1000, 2500).map((byMs) => new Advance(byMs));

const mask = fc.constantFrom(
  Mask.ackRequired,
  Mask.ackRequired,
  0,
  Mask.ackRequired | Mask.pause,
  Mask.ackRequired | Mask.exclusive,
  Mask.pause,
);
const changes = fc
  .record(
    {
      mask,
      filter: fc.constantFrom('', 'x', 'y', 'x;y'),
      ackWindow: fc.integer({ min: 1, max: 6 }),
      ackTimeoutMs: fc.constantFrom(300, 1000, 2000),
      maxAttempts: fc.nat({ max: 3 }),
    },
    { requiredKeys: [] },
  )
  .map((all) => all as Partial<Settings>);
const redeclare = fc.tuple(group, changes).map(([of, what]) => new Redeclare(of, what));
const topicMask = fc
  .constantFrom(0, 0, Mask.pause, Mask.ackRequired)
  .map((bits) => new SetTopicMask(bits));
const move = fc.tuple(group, fc.nat({ max: 40 })).map(([of, place]) => new Move(of, place));
const empty = fc.option(group, { freq: 3 }).map((of) => new Empty(of));
const redrive = fc
  .tuple(ackedGroup, fc.option(fc.nat({ max: 2 }), { freq: 1 }))
  .map(([of, limit]) => new Redrive(of, limit));
const restart = fc.constant(null).map(() => new Restart());

/** What a broker may be killed in the middle of. */
const interrupted: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: produce },
  { weight: 2, arbitrary: consume },
  { weight: 4, arbitrary: settle },
  { weight: 2, arbitrary: advance },
  { weight: 1, arbitrary: disconnect },
  { weight: 1, arbitrary: redrive },
);
const crash = fc
  .tuple(interrupted, fc.constantFrom(0, 0, 1, 1, 2, 3, 5, 8))
  .map(([step, write]) => new CrashDuring(step, write));

const WEIGHTS: readonly (readonly [number, fc.Arbitrary<Step>])[] = [
  [6, produce],
  [14, consume],
  [4, grant],
  [14, settle],
  [2, stall],
  [2, take],
  [2, disconnect],
  [1, halfClose],
  [1, unconsume],
  [6, advance],
  [2, redeclare],
  [1, topicMask],
  [1, move],
  [1, empty],
  [2, redrive],
  [1, restart],
  [3, crash],
];

/** Each arbitrary as often as it weighs: commands are drawn evenly. */
export const steps: readonly fc.Arbitrary<Step>[] = WEIGHTS.flatMap(([weight, step]) =>
  Array.from({ length: weight }, () => step),
);
