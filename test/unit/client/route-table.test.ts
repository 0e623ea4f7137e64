/**
 * Routes as trackers vote for them: the rules one by one, and, for any messages in any order, the
 * table that a plain reading of the rules gives.
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { ServerInfo, TopicInfo, TrackerInfo } from '../../../src/client/info.js';
import { type RouteChange, RouteTable } from '../../../src/client/routing/route-table.js';

const ADDRESS = { address: 'tracker:1', sslEnabled: false };

function server(key: string, infoVersion: number, topics: readonly string[] = []): ServerInfo {
  return {
    serverAddress: { address: key, sslEnabled: false },
    serverVersion: '',
    infoVersion,
    trackerList: [],
    topicTable: Object.fromEntries(topics.map((name) => [name, topicOf(name)])),
  };
}

function topicOf(topicName: string): TopicInfo {
  return {
    serverAddress: ADDRESS,
    serverVersion: '',
    topicName,
    mask: 0,
    messageDepth: 0,
    consumerCount: 0,
    consumeGroupList: [],
    creator: '',
    createdTime: 0,
    lastUpdatedTime: 0,
  };
}

function table(
  infoVersion: number,
  servers: Readonly<Record<string, ServerInfo>>,
  removedList?: readonly string[],
): TrackerInfo {
  const whole = { serverAddress: ADDRESS, serverVersion: '', infoVersion, serverTable: servers };
  return removedList === undefined ? whole : { ...whole, removedList };
}

/** A table that lists these servers, each of version 1. */
function listing(infoVersion: number, ...keys: string[]): TrackerInfo {
  return table(infoVersion, Object.fromEntries(keys.map((key) => [key, server(key, 1)])));
}

function keysOf(routes: RouteTable): string[] {
  return [...routes.servers.keys()].sort();
}

describe('a route table', () => {
  it('lists a server that one of two trackers lists, and not one of three', () => {
    const routes = new RouteTable();
    routes.update('t1', listing(1, 'a:1'));
    routes.update('t2', listing(1));
    assert.deepEqual(keysOf(routes), ['a:1']);
    const { left } = routes.update('t3', listing(1));
    assert.deepEqual(
      left.map(({ key }) => key),
      ['a:1'],
    );
    assert.deepEqual(keysOf(routes), []);
  });

  it('counts only trackers that have voted', () => {
    const routes = new RouteTable();
    routes.begin('t2');
    routes.begin('t3');
    routes.update('t1', listing(1, 'a:1'));
    assert.deepEqual(keysOf(routes), ['a:1']);
  });

  it('keeps the vote of a tracker that cannot be reached, until it votes again', () => {
    const routes = new RouteTable();
    routes.update('t1', listing(5, 'a:1'));
    routes.begin('t1');
    assert.deepEqual(keysOf(routes), ['a:1']);
    // It has restarted with its clock set back, and knows nobody yet.
    routes.update('t1', listing(2));
    assert.deepEqual(keysOf(routes), []);
  });

  it('without a tracker that was taken away is as if it had never been', () => {
    const routes = new RouteTable();
    routes.update('t1', listing(1, 'a:1'));
    routes.update('t2', listing(1));
    routes.update('t3', listing(1));
    assert.deepEqual(keysOf(routes), []);
    routes.removeTracker('t3');
    assert.deepEqual(keysOf(routes), ['a:1']);
  });

  it('believes the newest that is told of a server', () => {
    const routes = new RouteTable();
    routes.update('t1', table(1, { 'a:1': server('a:1', 7, ['new']) }));
    routes.update('t2', table(1, { 'a:1': server('a:1', 6, ['old']) }));
    assert.equal(routes.routesOf('new').length, 1);
    assert.equal(routes.routesOf('old').length, 0);
    assert.equal(routes.routesOf('NEW').length, 1, 'without regard to case');
  });

  it('keeps a server that the application named, whatever trackers say', () => {
    const routes = new RouteTable();
    routes.nameServer('s:1', null);
    routes.update('t1', listing(1));
    assert.deepEqual(keysOf(routes), ['s:1']);
    routes.nameServer('s:1', server('s:1', 1, ['t']));
    assert.equal(routes.routesOf('t')[0]?.server.key, 's:1');
    routes.unnameServer('s:1');
    assert.deepEqual(keysOf(routes), []);
    assert.deepEqual(routes.routesOf('t'), []);
  });

  it('leaves out what is no address', () => {
    const routes = new RouteTable();
    routes.update('t1', listing(1, 'no address', 'a:1'));
    assert.deepEqual(keysOf(routes), ['a:1']);
  });
});

// ---- any messages in any order ------------------------------------------------------------------

type Step =
  | { readonly kind: 'begin' | 'remove'; readonly tracker: string }
  | { readonly kind: 'table'; readonly tracker: string; readonly table: TrackerInfo }
  | { readonly kind: 'name'; readonly server: string; readonly info: ServerInfo | null }
  | { readonly kind: 'unname'; readonly server: string };

const trackers = fc.constantFrom('t1', 't2', 't3', 't4');
const servers = fc.constantFrom('a:1', 'b:1', '[SSL]c:1', 'd:1');
const versions = fc.integer({ min: 1, max: 6 });
const TOPICS = ['orders', 'Calls', 'logs'];
/** Of one version a server tells one thing, whichever tracker passes it on. */
const infos = fc.tuple(servers, versions).map(([key, version]): [string, ServerInfo] => {
  const names = TOPICS.filter((_, i) => ((version + key.charCodeAt(0)) >> i) % 2 === 1);
  return [key, server(key, version, names)];
});
const tables = fc
  .record({
    version: versions,
    servers: fc.array(infos, { maxLength: 4 }),
    removed: fc.option(fc.subarray(['a:1', 'b:1', '[SSL]c:1', 'd:1']), { nil: undefined }),
  })
  .map(({ version, servers: told, removed }) => {
    const shown = Object.fromEntries(told);
    return table(
      version,
      shown,
      removed?.filter((key) => !(key in shown)),
    );
  });
const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant('table' as const), tracker: trackers, table: tables }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom('begin', 'remove'), tracker: trackers }),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(infos, fc.boolean()).map(([[key, info], told]): Step => ({
      kind: 'name',
      server: key,
      info: told ? info : null,
    })),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('unname' as const), server: servers }) },
);

function apply(routes: RouteTable, step: Step): RouteChange {
  if (step.kind === 'table') return routes.update(step.tracker, step.table);
  if (step.kind === 'name') return routes.nameServer(step.server, step.info);
  if (step.kind === 'unname') return routes.unnameServer(step.server);
  if (step.kind === 'remove') return routes.removeTracker(step.tracker);
  routes.begin(step.tracker);
  return { joined: [], left: [], changed: [] };
}

/** What the tracker lists, read from all that was ever said; null when it has no vote. */
function voteOf(tracker: string, history: readonly Step[]): Map<string, ServerInfo> | null {
  let vote: Map<string, ServerInfo> | null = null;
  let lastVersion: number | null = null;
  for (const step of history) {
    if (!('tracker' in step) || step.tracker !== tracker) continue;
    if (step.kind === 'remove') vote = null;
    if (step.kind !== 'table') {
      lastVersion = null;
      continue;
    }
    const { infoVersion, serverTable, removedList } = step.table;
    const isFirst: boolean = lastVersion === null;
    const isChange = removedList !== undefined;
    if (isFirst ? isChange : infoVersion <= (lastVersion ?? 0)) continue;
    const kept: [string, ServerInfo][] = isChange ? [...(vote ?? [])] : [];
    vote = new Map([...kept, ...Object.entries(serverTable)]);
    for (const gone of removedList ?? []) vote.delete(gone);
    lastVersion = infoVersion;
  }
  return vote;
}

/** By server its version, and the topics of all: what the rules say, of the whole history. */
function expected(history: readonly Step[]): { servers: object; routes: string[] } {
  const votes = ['t1', 't2', 't3', 't4']
    .map((tracker) => voteOf(tracker, history))
    .filter((vote) => vote !== null);
  const counting = new Map<string, ServerInfo | null>();
  for (const key of ['a:1', 'b:1', '[SSL]c:1', 'd:1']) {
    const told = votes.flatMap((vote) => vote.get(key) ?? []);
    const named = history.findLast((step) => 'server' in step && step.server === key);
    const own = named?.kind === 'name' ? [named.info] : [];
    const counts = told.length > 0 && told.length >= votes.length / 2;
    const candidates = [...own, ...(counts ? told : [])].filter((info) => info !== null);
    if (!counts && own.length === 0) continue;
    const newest = Math.max(...candidates.map(({ infoVersion }) => infoVersion));
    counting.set(key, candidates.find(({ infoVersion }) => infoVersion === newest) ?? null);
  }
  return shown(counting);
}

function shown(infos: ReadonlyMap<string, ServerInfo | null>): {
  servers: object;
  routes: string[];
} {
  const entries = [...infos].map(([key, info]): [string, number | null] => [
    key,
    info?.infoVersion ?? null,
  ]);
  const routes = [...infos].flatMap(([key, info]) =>
    Object.keys(info?.topicTable ?? {}).map((topic) => `${topic} ${key}`),
  );
  return { servers: Object.fromEntries(entries.sort()), routes: routes.sort() };
}

function actual(routes: RouteTable): { servers: object; routes: string[] } {
  const infos = new Map(Array.from(routes.servers.values(), ({ key, info }) => [key, info]));
  const listed = TOPICS.flatMap((topic) =>
    routes
      .routesOf(topic)
      .map(({ server: { key }, topic: { topicName } }) => `${topicName} ${key}`),
  );
  return { servers: shown(infos).servers, routes: listed.sort() };
}

describe('any order of any messages of trackers', () => {
  it('leads to the table that the rules define, and what changes is told', () => {
    fc.assert(
      fc.property(fc.array(steps, { maxLength: 30 }), (history) => {
        const routes = new RouteTable();
        const told = new Set<string>();
        for (const [i, step] of history.entries()) {
          const { joined, left } = apply(routes, step);
          for (const { key } of joined) {
            assert(!told.has(key), `${key} joined twice`);
            told.add(key);
          }
          for (const { key } of left) assert(told.delete(key), `${key} left and was not there`);
          assert.deepEqual(actual(routes), expected(history.slice(0, i + 1)));
          assert.deepEqual([...told].sort(), keysOf(routes));
        }
      }),
      { numRuns: 2000 },
    );
  });
});
