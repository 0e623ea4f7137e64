/** What producers and consumers do: produce, consume, settle, fall behind, go away. */
import assert from 'node:assert/strict';
import type { OffsetRange } from '../../src/protocol/offsets.js';
import type { BrokerModel } from './broker-model.js';
import type { GroupModel, ModelLease } from './group-model.js';
import type { LiveBroker } from './live-broker.js';
import { type Expected, expectStatus, send, Step, verify } from './step.js';

/** Sends one message of each tag. */
export class Produce extends Step {
  readonly #peer: string;
  readonly #tags: readonly string[];

  constructor(peer: string, tags: readonly string[]) {
    super();
    this.#peer = peer;
    this.#tags = tags;
  }

  act(model: BrokerModel, live: LiveBroker): Expected[] {
    const expected = this.#tags.map((tag) => {
      const number = model.nextNumber();
      const body = `${tag} ${number}`;
      model.log.messages.push({ body, tag, group: null });
      const headers = [['id', `r${number}`] as const, ['tag', tag] as const];
      const exchange = send(live, this.#peer, 'produce', null, headers, body);
      return expectStatus(exchange, 200, [{ group: null, offset: model.end - 1 }]);
    });
    model.process();
    return expected;
  }

  override toString(): string {
    return `produce(${this.#peer}, ${this.#tags.join(' ')})`;
  }
}

/** Asks for a message, or with `prefetch` for so many; waits at most `timeoutMs`. */
export class Consume extends Step {
  readonly #peer: string;
  readonly #group: number;
  readonly #prefetch: number | null;
  readonly #timeoutMs: number | null;

  constructor(peer: string, group: number, prefetch: number | null, timeoutMs: number | null) {
    super();
    this.#peer = peer;
    this.#group = group;
    this.#prefetch = prefetch;
    this.#timeoutMs = timeoutMs;
  }

  act(model: BrokerModel, live: LiveBroker): Expected[] {
    const group = model.group(this.#group);
    const id = `r${model.nextNumber()}`;
    const headers: [string, string | number][] = [['id', id]];
    if (this.#prefetch !== null) headers.push(['prefetch', this.#prefetch]);
    if (this.#timeoutMs !== null) headers.push(['timeout', this.#timeoutMs]);
    const exchange = send(live, this.#peer, 'consume', group, headers);
    if (!group.consume(this.#peer, id, this.#prefetch ?? 1, this.#timeoutMs)) {
      model.waitEnds.push({ id, status: 403 });
    }
    model.process();
    return [{ exchange, check: () => undefined }];
  }

  override toString(): string {
    return `consume(${this.#peer}, ${this.#group}, ${this.#prefetch}, ${this.#timeoutMs})`;
  }
}

/** Grants more messages to a request that waits. */
export class Grant extends Step {
  readonly #peer: string;
  readonly #group: number;
  readonly #credits: number;

  constructor(peer: string, group: number, credits: number) {
    super();
    this.#peer = peer;
    this.#group = group;
    this.#credits = credits;
  }

  override isPossible(model: Readonly<BrokerModel>): boolean {
    return model.group(this.#group).waiting(this.#peer).length > 0;
  }

  act(model: BrokerModel, live: LiveBroker): Expected[] {
    const group = model.group(this.#group);
    const id = group.waiting(this.#peer)[0] ?? '';
    const headers = [['id', id] as const, ['prefetch', this.#credits] as const];
    const exchange = send(live, this.#peer, 'consume', group, headers);
    group.grant(this.#peer, id, this.#credits);
    model.process();
    return [expectStatus(exchange, 0)];
  }

  override toString(): string {
    return `grant(${this.#peer}, ${this.#group}, ${this.#credits})`;
  }
}

export type Settlement =
  | { readonly cmd: 'ack' }
  | { readonly cmd: 'nack'; readonly delayMs: number | null }
  | { readonly cmd: 'renew' };

/** Which offsets are named: places among those that the peer holds, or among all. */
export interface Picks {
  readonly own: boolean;
  /** Pairs: the place of the first, and how many offsets more the range has. */
  readonly ranges: readonly (readonly [number, number])[];
}

/** Acknowledges, gives back or renews messages, of its own or of others. */
export class Settle extends Step {
  readonly #peer: string;
  readonly #group: number;
  readonly #settlement: Settlement;
  readonly #picks: Picks;

  constructor(peer: string, group: number, settlement: Settlement, picks: Picks) {
    super();
    this.#peer = peer;
    this.#group = group;
    this.#settlement = settlement;
    this.#picks = picks;
  }

  override isPossible(model: Readonly<BrokerModel>): boolean {
    return this.#candidates(model).length > 0;
  }

  act(model: BrokerModel, live: LiveBroker): Expected[] {
    const group = model.group(this.#group);
    const ranges = this.#ranges(model);
    const text = ranges.map(({ first, last }) => (first === last ? first : `${first}-${last}`));
    const { cmd } = this.#settlement;
    const name = text.length > 1 || typeof text[0] === 'string' ? 'offsets' : 'offset';
    const headers: [string, string | number][] = [[name, text.join(',')]];
    if (cmd === 'nack' && this.#settlement.delayMs !== null) {
      headers.push(['delay', this.#settlement.delayMs]);
    }
    const exchange = send(live, this.#peer, cmd, group, headers);
    const { chosen, refused } = group.select(this.#peer, ranges);
    for (const lease of chosen) this.#settle(group, lease, model.nowMs);
    model.process();
    const check = (): void => {
      checkRefused(exchange.status, exchange.text, refused);
    };
    const acked = cmd === 'ack' ? chosen : [];
    return [{ exchange, check, promises: acked.map(({ offset }) => ({ group, offset })) }];
  }

  override toString(): string {
    const ranges = this.#picks.ranges.map(([place, more]) => `${place}+${more}`).join(',');
    const whose = this.#picks.own ? 'own' : 'any';
    const settlement = JSON.stringify(this.#settlement);
    return `settle(${this.#peer}, ${this.#group}, ${settlement}, ${whose} ${ranges})`;
  }

  #settle(group: GroupModel, lease: ModelLease, nowMs: number): void {
    const settlement = this.#settlement;
    if (settlement.cmd === 'ack') group.settle(lease);
    else if (settlement.cmd === 'renew') group.renew(lease);
    else group.takeBack(lease, 'nack', nowMs + (settlement.delayMs ?? 0));
  }

  #candidates(model: Readonly<BrokerModel>): number[] {
    const group = model.group(this.#group);
    if (!this.#picks.own) return Array.from({ length: model.end + 1 }, (_, offset) => offset);
    return group.held.filter(({ holder }) => holder === this.#peer).map(({ offset }) => offset);
  }

  #ranges(model: BrokerModel): OffsetRange[] {
    const candidates = this.#candidates(model);
    return this.#picks.ranges.map(([place, more]) => {
      const first = candidates[place % candidates.length] ?? 0;
      return { first, last: first + more };
    });
  }
}

function checkRefused(status: number, text: string, refused: readonly number[]): void {
  if (refused.length === 0) {
    assert.equal(status, 200, text);
    return;
  }
  assert.equal(status, 409, `${refused.join()} should be refused: ${text}`);
  assert.equal(/hands: ([0-9, ]+) /.exec(text)?.[1], refused.slice(0, 10).join(', '), text);
}

/** Takes no more bytes until it is told to. */
export class Stall extends Step {
  readonly #peer: string;

  constructor(peer: string) {
    super();
    this.#peer = peer;
  }

  act(model: BrokerModel, live: LiveBroker): Expected[] {
    live.peer(this.#peer).stalled = true;
    model.stall(this.#peer);
    return [];
  }

  override toString(): string {
    return `stall(${this.#peer})`;
  }
}

/** The kernel takes the first messages of a stalled peer; null: all, and those to come. */
export class Take extends Step {
  readonly #peer: string;
  readonly #count: number | null;

  constructor(peer: string, count: number | null) {
    super();
    this.#peer = peer;
    this.#count = count;
  }

  override isPossible(model: Readonly<BrokerModel>): boolean {
    return model.isStalled(this.#peer);
  }

  act(model: BrokerModel, live: LiveBroker): Expected[] {
    const peer = live.peer(this.#peer);
    if (this.#count === null) peer.stalled = false;
    peer.take(this.#count ?? Infinity);
    model.take(this.#peer, this.#count ?? Infinity);
    model.process();
    return [];
  }

  override toString(): string {
    return `take(${this.#peer}, ${this.#count})`;
  }
}

/** The connection ends after the kernel took the first messages of each group. */
export class Disconnect extends Step {
  readonly #peer: string;
  readonly #takenCount: number;

  constructor(peer: string, takenCount: number) {
    super();
    this.#peer = peer;
    this.#takenCount = takenCount;
  }

  act(model: BrokerModel, live: LiveBroker): Expected[] {
    const peer = live.peer(this.#peer);
    peer.take(this.#takenCount);
    peer.close();
    live.forget(this.#peer);
    model.take(this.#peer, this.#takenCount);
    model.disconnect(this.#peer);
    model.process(this.#peer);
    return [];
  }

  override toString(): string {
    return `disconnect(${this.#peer}, ${this.#takenCount})`;
  }
}

/**
 * The peer shuts down its sending side; then the kernel takes the first messages of each group, and
 * the connection breaks.
 */
export class HalfClose extends Step {
  readonly #peer: string;
  readonly #takenCount: number;

  constructor(peer: string, takenCount: number) {
    super();
    this.#peer = peer;
    this.#takenCount = takenCount;
  }

  override async run(model: BrokerModel, live: LiveBroker): Promise<void> {
    this.act(model, live);
    await live.settle();
    const peer = live.peer(this.#peer);
    peer.take(this.#takenCount);
    peer.close();
    live.forget(this.#peer);
    model.take(this.#peer, this.#takenCount);
    model.disconnect(this.#peer);
    model.process();
    await live.settle();
    await verify(model, live);
  }

  act(model: BrokerModel, live: LiveBroker): Expected[] {
    live.peer(this.#peer).session.end();
    model.endSession(this.#peer);
    model.process(this.#peer);
    return [];
  }

  override toString(): string {
    return `halfClose(${this.#peer}, ${this.#takenCount})`;
  }
}

/** Consumes no more, and keeps what it holds. */
export class Unconsume extends Step {
  readonly #peer: string;
  readonly #group: number;

  constructor(peer: string, group: number) {
    super();
    this.#peer = peer;
    this.#group = group;
  }

  act(model: BrokerModel, live: LiveBroker): Expected[] {
    const group = model.group(this.#group);
    const exchange = send(live, this.#peer, 'unconsume', group);
    group.unconsume(this.#peer);
    model.process();
    return [expectStatus(exchange, 0)];
  }

  override toString(): string {
    return `unconsume(${this.#peer}, ${this.#group})`;
  }
}
