/**
 * One command of a trial: it does the same to the broker and to the model, waits until the broker
 * has come to rest, and holds everything that can be seen of it against the model.
 */
import assert from 'node:assert/strict';
import type fc from 'fast-check';
import type { BrokerModel } from './broker-model.js';
import type { GroupModel, ModelLetter } from './group-model.js';
import { DEAD_TOPIC, type LiveBroker, TOPIC } from './live-broker.js';
import { type HandOut, headerOf, type TestExchange } from './peer.js';

/** A request that was sent and what must have come of it once the broker is at rest. */
export interface Expected {
  readonly exchange: TestExchange;
  readonly check: () => void;
  /** What a crash must not take back once it is answered. */
  readonly promises?: readonly Promised[];
}

/** The message at `offset` is stored, or with a group, settled there. */
export interface Promised {
  readonly group: GroupModel | null;
  readonly offset: number;
}

export abstract class Step implements fc.AsyncCommand<BrokerModel, LiveBroker> {
  /** Left out for a step that is always possible. */
  isPossible?(model: Readonly<BrokerModel>): boolean;

  check(model: Readonly<BrokerModel>): boolean {
    return this.isPossible?.(model) ?? true;
  }

  async run(model: BrokerModel, live: LiveBroker): Promise<void> {
    const expected = this.act(model, live);
    await live.settle();
    for (const { check } of expected) check();
    await verify(model, live);
  }

  /** Sends the requests and changes the model; nothing has been answered when it returns. */
  abstract act(model: BrokerModel, live: LiveBroker): Expected[];

  abstract toString(): string;
}

/** Peer of the requests that look at the broker and change its definitions. */
export const OPERATOR = 'operator';

type Headers = readonly (readonly [string, string | number])[];

/** Sends a command on the topic of the trial, and on a group of it when one is named. */
export function send(
  live: LiveBroker,
  peer: string,
  cmd: string,
  group: GroupModel | null,
  headers: Headers = [],
  body = '',
): TestExchange {
  const named = group === null ? [] : [['consume_group', group.name] as const];
  const all = [['cmd', cmd] as const, ['topic', TOPIC] as const, ...named, ...headers];
  return live.send(
    peer,
    all.map(([name, value]) => [name, String(value)] as const),
    body,
  );
}

export function expectStatus(
  exchange: TestExchange,
  status: number,
  promises: readonly Promised[] = [],
): Expected {
  return {
    exchange,
    promises,
    check: () => {
      assert.equal(exchange.status, status, exchange.text);
    },
  };
}

/** Throws unless what the broker did and shows is what the model says. */
export async function verify(model: BrokerModel, live: LiveBroker): Promise<void> {
  assert.deepEqual(live.failures, [], 'the broker reported errors');
  verifyHandOuts(model, live);
  await verifyLetters(model, live, []);
  for (const group of model.groups) verifyQuery(model, live, group);
}

export function verifyHandOuts(model: BrokerModel, live: LiveBroker): void {
  const { record } = live;
  const of = (handOuts: readonly HandOut[], name: string): HandOut[] =>
    handOuts.filter(({ group }) => group === name);
  for (const { name } of model.groups) {
    assert.deepEqual(of(record.handOuts, name), of(model.handOuts, name), `given by ${name}`);
  }
  const byId = (a: { id: string }, b: { id: string }): number => a.id.localeCompare(b.id);
  assert.deepEqual(record.waitEnds.sort(byId), model.waitEnds.sort(byId), 'ended waits');
  record.handOuts = [];
  record.taken.clear();
  record.waitEnds = [];
  model.handOuts = [];
  model.waitEnds = [];
}

/**
 * Those that died are in the dead-letter topic, each once; a crash may have left a copy of those in
 * `doubled`.
 */
export async function verifyLetters(
  model: BrokerModel,
  live: LiveBroker,
  doubled: readonly ModelLetter[],
): Promise<void> {
  const missing = [...model.died];
  const spare = [...doubled];
  const take = (list: ModelLetter[], letter: ModelLetter): boolean => {
    const place = list.findIndex((each) => JSON.stringify(each) === JSON.stringify(letter));
    if (place >= 0) list.splice(place, 1);
    return place >= 0;
  };
  if (missing.length === 0 && spare.length === 0) return;
  for (;;) {
    const letter = await letterAt(live, model.letters.length);
    if (letter === null) break;
    assert(take(missing, letter) || take(spare, letter), `buried: ${JSON.stringify(letter)}`);
    model.letters.push(letter);
  }
  assert.deepEqual(missing, [], 'not buried');
  model.died = [];
}

async function letterAt(live: LiveBroker, offset: number): Promise<ModelLetter | null> {
  const exchange = live.send(OPERATOR, [
    ['cmd', 'consume'],
    ['topic', DEAD_TOPIC],
    ['offset', String(offset)],
  ]);
  await live.settle();
  if (exchange.status !== 200) return null;
  const { text } = exchange;
  assert.equal(headerOf(text, 'origin_topic'), TOPIC);
  return {
    body: text.slice(text.indexOf('\r\n\r\n') + 4),
    originGroup: headerOf(text, 'origin_group'),
    originOffset: Number(headerOf(text, 'origin_offset')),
    attempts: Number(headerOf(text, 'dead_attempts')),
    reason: headerOf(text, 'dead_reason'),
  };
}

function verifyQuery(model: BrokerModel, live: LiveBroker, group: GroupModel): void {
  const exchange = send(live, OPERATOR, 'query', group);
  assert.equal(exchange.status, 200, exchange.text);
  const shown = JSON.parse(exchange.text) as Record<string, unknown>;
  const wanted = { ...shown, ...expectedInfo(model, group) };
  assert.deepEqual(shown, wanted, `query of ${group.name}`);
  assert.equal('inFlight' in shown, group.explicit, `query of ${group.name}`);
}

function expectedInfo(model: BrokerModel, group: GroupModel): object {
  const { messageCount, consumers, settings, returned, held } = group;
  const consumerCount = consumers.length;
  if (!group.explicit) return { messageCount, consumerCount };
  const { nowMs } = model;
  return {
    messageCount,
    consumerCount,
    ackWindow: settings.ackWindow,
    ackTimeoutMs: settings.ackTimeoutMs,
    maxAttempts: settings.maxAttempts,
    settledOffset: group.floor,
    nextOffset: group.next,
    inFlightCount: held.length,
    returnedCount: returned.length,
    redeliveredCount: group.redeliveredCount,
    deadCount: group.deadCount,
    inFlight: held.map(({ offset, attempts, holder, atMs }) => {
      const timeoutInMs = atMs + settings.ackTimeoutMs - nowMs;
      return { offset, retry: attempts - 1, consumer: holder, timeoutInMs };
    }),
    returned: returned.map(({ offset, attempts, atMs }) => {
      return { offset, retry: attempts, dueInMs: Math.max(0, atMs - nowMs) };
    }),
  };
}
