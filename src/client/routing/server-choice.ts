/**
 * The rules by which one of several servers is chosen for a message or a call. Pure but for what a
 * rule remembers between two choices. Used by RoutedCaller.
 */
import { BadRequestError } from '../../errors.js';
import type { TopicInfo } from '../info.js';
import type { RoutedServer } from './route-table.js';

/** A server that is connected and may be chosen. */
export interface Candidate {
  readonly server: RoutedServer;
  /** The topic there; null when it is not there, or not known to be. */
  readonly topic: TopicInfo | null;
  /** How long a call is expected to take there: milliseconds, times what is under way. */
  readonly cost: number;
}

/** What is to be sent. */
export interface Choosing {
  readonly topic: string;
  /** Of the option `key`; null: none. */
  readonly key: string | null;
}

/**
 * One of `candidates`, of which there is at least one; undefined: none of them. Called again with
 * those that are left when the one that it chose fails.
 */
export type ChooseServer = (
  candidates: readonly Candidate[],
  choosing: Choosing,
) => Candidate | undefined;

/**
 * - `mostConsumers`: where the topic has the most consumers, of several the less busy;
 * - `leastBusy`: of two taken at random the one that answers sooner;
 * - `roundRobin`: each in turn;
 * - `leastBacklog`: where the groups of the topic have the fewest messages before them;
 * - `sticky`: the same for the same `key`, as long as it is there.
 */
export type ServerRule =
  'mostConsumers' | 'leastBusy' | 'roundRobin' | 'leastBacklog' | 'sticky' | ChooseServer;

const RULES: Readonly<Record<string, (random: () => number) => ChooseServer>> = {
  mostConsumers: (random) => (candidates) => {
    const most = Math.max(...candidates.map(consumersOf));
    return lessBusy(
      candidates.filter((one) => consumersOf(one) === most),
      random,
    );
  },
  leastBusy: (random) => (candidates) => lessBusy(candidates, random),
  roundRobin: () => roundRobin(),
  leastBacklog: (random) => leastBacklog(random),
  sticky: (random) => (candidates, choosing) =>
    choosing.key === null
      ? lessBusy(candidates, random)
      : maxBy(candidates, ({ server }) => weightOf(choosing.key ?? '', server.key)),
};

/** Throws BadRequestError for a rule that is none. */
export function chooserOf(rule: ServerRule, random: () => number): ChooseServer {
  if (typeof rule === 'function') return rule;
  const make = Object.hasOwn(RULES, rule) ? RULES[rule] : undefined;
  if (make !== undefined) return make(random);
  const names = Object.keys(RULES).join(', ');
  throw new BadRequestError(`Bad rule "${rule}": must be ${names}, or a function`);
}

/** Servers that have the topic come before those of which it is not known. */
export function preferred(candidates: readonly Candidate[]): readonly Candidate[] {
  const having = candidates.filter(({ topic }) => topic !== null);
  return having.length > 0 ? having : candidates;
}

/** Those at which somebody serves calls of the topic, before those where nobody is known to. */
export function served(candidates: readonly Candidate[]): readonly Candidate[] {
  const serving = candidates.filter((one) => consumersOf(one) > 0);
  return serving.length > 0 ? serving : preferred(candidates);
}

function consumersOf({ topic }: Candidate): number {
  return topic?.consumerCount ?? 0;
}

/** Two at random: the best of all would get every call until it is known to be busy. */
function lessBusy(candidates: readonly Candidate[], random: () => number): Candidate | undefined {
  const { length } = candidates;
  const first = Math.floor(random() * length);
  const second = (first + 1 + Math.floor(random() * (length - 1))) % length;
  const [one, other] = [candidates[first], candidates[second]];
  return one !== undefined && other !== undefined && other.cost < one.cost ? other : one;
}

function roundRobin(): ChooseServer {
  /** By topic, the server that had the last turn. */
  const last = new Map<string, string>();
  return (candidates, { topic }) => {
    const sorted = [...candidates].sort((a, b) => (a.server.key < b.server.key ? -1 : 1));
    const before = last.get(topic) ?? '';
    const next = sorted.find(({ server }) => server.key > before) ?? sorted[0];
    if (next !== undefined) last.set(topic, next.server.key);
    return next;
  };
}

/** Tables are told seldom, so what was sent since then is added to what they tell. */
function leastBacklog(random: () => number): ChooseServer {
  const sent = new WeakMap<TopicInfo, number>();
  const backlog = ({ topic }: Candidate): number => {
    if (topic === null) return 0;
    const behind = topic.consumeGroupList.map(({ messageCount }) => messageCount);
    return Math.max(0, ...behind) + (sent.get(topic) ?? 0);
  };
  return (candidates) => {
    const least = Math.min(...candidates.map(backlog));
    const chosen = lessBusy(
      candidates.filter((one) => backlog(one) === least),
      random,
    );
    if (chosen?.topic) sent.set(chosen.topic, (sent.get(chosen.topic) ?? 0) + 1);
    return chosen;
  };
}

/** So that keys of a server that left go to all others, and no other key moves. */
function weightOf(key: string, server: string): number {
  let hash = 0x811c9dc5;
  for (const text of [key, '\n', server]) {
    for (let i = 0; i < text.length; i++) {
      hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
    }
  }
  // Server names differ in their last letters only, which must reach all bits.
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function maxBy(
  candidates: readonly Candidate[],
  weight: (candidate: Candidate) => number,
): Candidate | undefined {
  let best: Candidate | undefined;
  for (const one of candidates) {
    if (best === undefined || weight(one) > weight(best)) best = one;
  }
  return best;
}
