/**
 * The survivor: knows what every producer sent and which answer it got, what every group saw, and
 * hence what a broker that was killed may and must still have. Fed by traffic.ts, asked by the
 * tests after each restart. Throws AssertionError that names the broken promise.
 */
import assert from 'node:assert/strict';
import { type AckFigures, AckLedger } from './ack-ledger.js';

/** A message of the log, named by who sent it. */
export interface Entry {
  readonly offset: number;
  readonly producer: number;
  readonly n: number;
}

/** What one kill left behind. */
export interface RoundFigures {
  readonly sent: number;
  readonly acked: number;
  readonly recovered: number;
  /** Per group: messages that came a second time. */
  readonly repeated: readonly number[];
  /** Per group with explicit acks. */
  readonly acks: readonly AckFigures[];
}

export interface GroupRule {
  readonly wants: (producer: number) => boolean;
  /** One consumer at a time: everything up to the last message seen was seen. */
  readonly ordered: boolean;
  /** null: without explicit acks. */
  readonly ackTimeoutMs: number | null;
}

interface ProducerRecord {
  /** Numbers below were sent. */
  sentEnd: number;
  /** First number of this round. */
  roundStart: number;
  /** Acknowledged in this round: number to offset. */
  readonly acks: Map<number, number>;
}

interface GroupRecord extends GroupRule {
  readonly ledger: AckLedger | null;
  readonly seen: Set<number>;
  /** Seen in this round; compared with the log once it is known. */
  round: Entry[];
  repeated: number;
  /** Offsets below were checked for gaps. */
  gaplessEnd: number;
}

export class Oracle {
  readonly #producers: ProducerRecord[];
  readonly #groups: GroupRecord[];
  readonly #log: Entry[] = [];

  constructor(producerCount: number, groups: readonly GroupRule[]) {
    this.#producers = Array.from({ length: producerCount }, () => ({
      sentEnd: 0,
      roundStart: 0,
      acks: new Map<number, number>(),
    }));
    this.#groups = groups.map((rule) => ({
      ...rule,
      ledger: rule.ackTimeoutMs === null ? null : new AckLedger(rule.ackTimeoutMs),
      seen: new Set(),
      round: [],
      repeated: 0,
      gaplessEnd: 0,
    }));
  }

  /** Where the part of the log that was read back ends. */
  get end(): number {
    return this.#log.length;
  }

  /** The number of the message that `producer` sends next. */
  sends(producer: number): number {
    return this.#producer(producer).sentEnd++;
  }

  acked(producer: number, n: number, offset: number): void {
    this.#producer(producer).acks.set(n, offset);
  }

  saw(group: number, entry: Entry): void {
    const record = this.#group(group);
    assert(
      record.wants(entry.producer),
      `group ${group} got ${name(entry)}, which is filtered out`,
    );
    if (record.seen.has(entry.offset)) record.repeated++;
    record.seen.add(entry.offset);
    record.round.push(entry);
  }

  /** The books of a group with explicit acks. */
  ledger(group: number): AckLedger {
    const { ledger } = this.#group(group);
    assert(ledger !== null, `group ${group} has no explicit acks`);
    return ledger;
  }

  /** `tail` is all that the restarted broker has from `end` on. Ends the round. */
  recovered(tail: readonly Entry[]): RoundFigures {
    const sent = this.#sum((producer) => producer.sentEnd - producer.roundStart);
    const acked = this.#sum((producer) => producer.acks.size);
    this.#checkPrefix(tail);
    this.#log.push(...tail);
    this.#producers.forEach((producer, index) => {
      this.#checkAcked(index, producer);
      producer.roundStart = producer.sentEnd;
      producer.acks.clear();
    });
    const repeated = this.#groups.map((group, index) => this.#checkSeen(index, group));
    const acks = this.#groups.flatMap(({ ledger }) => ledger?.endRound() ?? []);
    return { sent, acked, recovered: tail.length, repeated, acks };
  }

  /** The whole log, read again, is the one that was read in pieces. */
  assertLog(whole: readonly Entry[]): void {
    assert.equal(
      whole.length,
      this.#log.length,
      'the log has another length than when it was read',
    );
    for (const entry of whole) {
      assert.deepEqual(entry, this.#log[entry.offset], `offset ${entry.offset} has changed`);
    }
  }

  /** Every group has seen each message it wants, and with explicit acks was done with it. */
  assertAllSeen(): void {
    this.#groups.forEach(({ wants, seen, ledger }, index) => {
      const missing = this.#log.filter(({ producer, offset }) => {
        const done = ledger === null ? seen.has(offset) : ledger.wasProcessed(offset);
        return wants(producer) && !done;
      });
      const first = missing.slice(0, 5).map(name).join(', ');
      assert.equal(missing.length, 0, `group ${index} never saw ${missing.length}: ${first}`);
    });
  }

  /**
   * What each producer sent is there from the round's first message on, in order, without a hole.
   */
  #checkPrefix(tail: readonly Entry[]): void {
    const next = this.#producers.map((producer) => producer.roundStart);
    tail.forEach((entry, i) => {
      assert.equal(entry.offset, this.end + i, 'offsets are contiguous');
      const { sentEnd } = this.#producer(entry.producer);
      assert(entry.n < sentEnd, `${name(entry)} was never sent`);
      const expected = next[entry.producer] ?? 0;
      assert.equal(entry.n, expected, `${name(entry)} where ${expected} should follow`);
      next[entry.producer] = expected + 1;
    });
  }

  #checkAcked(index: number, producer: ProducerRecord): void {
    for (const [n, offset] of producer.acks) {
      const entry = { offset, producer: index, n };
      const found = this.#log[offset];
      const kept = found?.producer === index && found.n === n;
      assert(kept, `lost: ${name(entry)} was acknowledged, there is ${name(found)}`);
    }
  }

  #checkSeen(index: number, group: GroupRecord): number {
    for (const entry of group.round) {
      const found = this.#log[entry.offset];
      const same = found?.producer === entry.producer && found.n === entry.n;
      assert(same, `group ${index} saw ${name(entry)}, there is ${name(found)}`);
    }
    if (group.ordered) checkNoGap(index, group, this.#log);
    const { repeated } = group;
    group.round = [];
    group.repeated = 0;
    return repeated;
  }

  #sum(figure: (producer: ProducerRecord) => number): number {
    return this.#producers.reduce((sum, producer) => sum + figure(producer), 0);
  }

  #producer(index: number): ProducerRecord {
    const producer = this.#producers[index];
    assert(producer !== undefined, `there is no producer ${index}`);
    return producer;
  }

  #group(index: number): GroupRecord {
    const group = this.#groups[index];
    assert(group !== undefined, `there is no group ${index}`);
    return group;
  }
}

function checkNoGap(index: number, group: GroupRecord, log: readonly Entry[]): void {
  const last = group.round.reduce((max, { offset }) => Math.max(max, offset), -1);
  for (; group.gaplessEnd <= last; group.gaplessEnd++) {
    const entry = log[group.gaplessEnd];
    if (entry === undefined || !group.wants(entry.producer)) continue;
    assert(group.seen.has(entry.offset), `group ${index} skipped ${name(entry)}`);
  }
}

function name(entry: Entry | undefined): string {
  if (entry === undefined) return 'nothing';
  return `message ${entry.n} of producer ${entry.producer} at offset ${entry.offset}`;
}
