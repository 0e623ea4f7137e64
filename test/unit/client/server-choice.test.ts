/** The rules by which a server is chosen. */
import assert from 'node:assert/strict';
import type { TopicInfo } from '../../../src/client/info.js';
import {
  type Candidate,
  chooserOf,
  preferred,
  served,
  type ServerRule,
} from '../../../src/client/routing/server-choice.js';
import { BadRequestError } from '../../../src/errors.js';
import { parseServerAddress } from '../../../src/protocol/server-address.js';
import { randomOf } from '../../reliability/payload.js';
import { topicInfo } from '../../integration/tracker/tables.js';

interface Facts {
  readonly consumers?: number;
  readonly backlog?: number;
  readonly cost?: number;
  readonly topic?: null;
}

function candidate(key: string, { consumers = 0, backlog = 0, cost = 1, topic }: Facts = {}) {
  const group = { messageCount: backlog } as TopicInfo['consumeGroupList'][number];
  const info: TopicInfo = { ...topicInfo('t', consumers), consumeGroupList: [group] };
  const server = { key, address: parseServerAddress(key), info: null };
  return { server, topic: topic === null ? null : info, cost } satisfies Candidate;
}

const MESSAGE = { topic: 't', key: null };

/** How often each server is chosen, of `count` times. */
function tally(
  rule: ServerRule,
  candidates: readonly Candidate[],
  count = 1000,
  keyOf: (n: number) => string | null = () => null,
): Record<string, number> {
  const choose = chooserOf(rule, randomOf(7));
  const counts: Record<string, number> = {};
  for (let n = 0; n < count; n++) {
    const chosen = choose(candidates, { topic: 't', key: keyOf(n) });
    assert(chosen !== undefined);
    counts[chosen.server.key] = (counts[chosen.server.key] ?? 0) + 1;
  }
  return counts;
}

const THREE = ['a:1', 'b:1', 'c:1'] as const;

describe('the choice of a server', () => {
  it('mostConsumers: only where the most are, shared between equals', () => {
    const [a, b, c] = [2, 8, 8].map((consumers, i) => candidate(THREE[i] ?? '', { consumers }));
    assert(a && b && c);
    assert.deepEqual(tally('mostConsumers', [a, b]), { 'b:1': 1000 });
    const counts = tally('mostConsumers', [a, b, c]);
    assert.equal(counts['a:1'], undefined);
    assert((counts['b:1'] ?? 0) > 400 && (counts['c:1'] ?? 0) > 400, JSON.stringify(counts));
  });

  it('mostConsumers: with no consumers anywhere one at random', () => {
    const counts = tally(
      'mostConsumers',
      THREE.map((key) => candidate(key)),
    );
    for (const key of THREE) assert((counts[key] ?? 0) > 250, JSON.stringify(counts));
  });

  it('leastBusy: slow ones get less', () => {
    const slow = candidate('a:1', { cost: 50 });
    const counts = tally('leastBusy', [slow, candidate('b:1'), candidate('c:1')]);
    assert.equal(counts['a:1'], undefined);
    assert((counts['b:1'] ?? 0) > 400, JSON.stringify(counts));
  });

  it('roundRobin: each in turn, also when servers come and go, topic by topic', () => {
    const choose = chooserOf('roundRobin', Math.random);
    const all = THREE.map((key) => candidate(key)).reverse();
    const next = (from: readonly Candidate[], topic = 't'): string | undefined =>
      choose(from, { topic, key: null })?.server.key;
    assert.deepEqual([next(all), next(all), next(all), next(all)], ['a:1', 'b:1', 'c:1', 'a:1']);
    assert.equal(next(all, 'other'), 'a:1');
    assert.equal(next(all.filter(({ server }) => server.key !== 'b:1')), 'c:1');
    assert.equal(next(all), 'a:1');
  });

  it('leastBacklog: where least waits, and counts what was sent since it was told', () => {
    const [a, b] = [candidate('a:1', { backlog: 10 }), candidate('b:1', { backlog: 0 })];
    const counts = tally('leastBacklog', [a, b], 30);
    assert.deepEqual(counts, { 'a:1': 10, 'b:1': 20 });
  });

  it('sticky: a key stays, keys are spread, and only those of a server that left move', () => {
    const all = THREE.map((key) => candidate(key));
    const choose = chooserOf('sticky', Math.random);
    const homeOf = (key: string, from: readonly Candidate[]): string =>
      choose(from, { topic: 't', key })?.server.key ?? '';
    const keys = Array.from({ length: 3000 }, (_, n) => `customer-${n}`);
    const homes = new Map(keys.map((key) => [key, homeOf(key, all)]));
    for (const key of THREE) {
      const count = [...homes.values()].filter((home) => home === key).length;
      assert(count > 800 && count < 1200, `${key} has ${count} of 3000 keys`);
    }
    const left = all.filter(({ server }) => server.key !== 'b:1');
    for (const [key, home] of homes) {
      assert.equal(homeOf(key, all), home);
      if (home !== 'b:1') assert.equal(homeOf(key, left), home);
    }
  });

  it("the application's own function, which may say none", () => {
    const asked: unknown[] = [];
    const own: ServerRule = (candidates, choosing) => {
      asked.push(choosing);
      return candidates.find(({ server }) => server.key === 'z:1');
    };
    assert.equal(chooserOf(own, Math.random)([candidate('a:1')], MESSAGE), undefined);
    assert.deepEqual(asked, [MESSAGE]);
  });

  it('refuses a rule that is none, and says which there are', () => {
    assert.throws(
      () => chooserOf('toString' as ServerRule, Math.random),
      (error) =>
        error instanceof BadRequestError && error.message.includes('must be mostConsumers, '),
    );
  });

  it('prefers servers that have the topic, and for calls those where someone serves it', () => {
    const without = candidate('a:1', { topic: null });
    const having = candidate('b:1');
    const serving = candidate('c:1', { consumers: 1 });
    assert.deepEqual(preferred([without, having, serving]), [having, serving]);
    assert.deepEqual(preferred([without]), [without]);
    assert.deepEqual(served([without, having, serving]), [serving]);
    assert.deepEqual(served([without, having]), [having]);
  });
});
