/**
 * The whole broker as a model: one topic, its consume groups, its dead letters, and the peers with
 * what they were sent and the kernel did not take. Says after each command which messages must have
 * been handed out to whom, and which requests that waited must have been answered.
 */
import { Mask } from '../../src/protocol/masks.js';
import {
  GroupModel,
  type ModelLease,
  type ModelLetter,
  type ModelLog,
  type Settings,
} from './group-model.js';
import { Ledger } from './ledger.js';
import { type HandOut, UNSENT_MAX, type WaitEnd } from './peer.js';

/** The groups of every trial: acknowledged, acknowledged and filtered, automatic. */
export const GROUPS = ['acked', 'tagged', 'automatic'] as const;

interface Unsent {
  readonly group: GroupModel;
  readonly lease: ModelLease;
}

interface ModelPeer {
  stalled: boolean;
  unsent: Unsent[];
}

export class BrokerModel {
  readonly log: ModelLog = { messages: [], firstOffset: 0 };
  readonly groups: readonly GroupModel[];
  /** In the order of the dead-letter topic, which the trial finds out. */
  readonly letters: ModelLetter[] = [];
  /** Died since the last look at the dead-letter topic. */
  died: ModelLetter[] = [];
  handOuts: HandOut[] = [];
  waitEnds: WaitEnd[] = [];
  topicMask = 0;
  nowMs = 0;
  /** Numbers messages and requests. */
  #lastNumber = 0;
  readonly #ledger = new Ledger();
  readonly #peers = new Map<string, ModelPeer>();

  constructor() {
    const settings = { filter: '', ackWindow: 4, ackTimeoutMs: 1000, maxAttempts: 0 };
    this.groups = [
      this.#newGroup('acked', { ...settings, mask: Mask.ackRequired, maxAttempts: 3 }),
      this.#newGroup('tagged', {
        ...settings,
        mask: Mask.ackRequired,
        filter: 'x',
        maxAttempts: 2,
      }),
      this.#newGroup('automatic', { ...settings, mask: 0 }),
    ];
    for (const group of this.groups) this.#ledger.redefined(group);
  }

  get end(): number {
    return this.log.messages.length;
  }

  /** A number that was never given before. */
  nextNumber(): number {
    return ++this.#lastNumber;
  }

  group(index: number): GroupModel {
    const group = this.groups[index];
    if (group === undefined) throw new Error(`no group ${index}`);
    return group;
  }

  isStalled(peer: string): boolean {
    return this.#peer(peer).stalled;
  }

  unsentCount(peer: string): number {
    return this.#peer(peer).unsent.length;
  }

  /** Does all there is to do; `gone` is the peer whose session has just ended. */
  process(gone: string | null = null): void {
    for (const group of this.groups) group.process(gone);
  }

  // ---- what peers do ---------------------------------------------------------------------------

  stall(peer: string): void {
    this.#peer(peer).stalled = true;
  }

  /** The kernel takes the first `count` messages of each group, and with Infinity all to come. */
  take(peer: string, count: number): void {
    const state = this.#peer(peer);
    const left = new Map<GroupModel, number>();
    const unsent: Unsent[] = [];
    for (const each of state.unsent) {
      const taken = left.get(each.group) ?? 0;
      left.set(each.group, taken + 1);
      if (taken < count) each.group.delivered(each.lease);
      else unsent.push(each);
    }
    state.unsent = unsent;
    if (count === Infinity) state.stalled = false;
    for (const group of this.groups) group.writable(peer);
  }

  /** The peer says that it sends no more: what waits for a message is dropped. */
  endSession(peer: string): void {
    for (const group of this.groups) group.unconsume(peer);
  }

  /** The connection breaks: what the kernel did not take is lost. */
  disconnect(peer: string): void {
    this.endSession(peer);
    for (const { group, lease } of this.#peer(peer).unsent) group.undelivered(lease);
    this.#peers.delete(peer);
  }

  // ---- what the operator does ------------------------------------------------------------------

  advance(byMs: number): void {
    this.nowMs += byMs;
    for (const group of this.groups) group.expire();
  }

  moveTo(group: GroupModel, offset: number): void {
    group.moveTo(offset);
    this.#ledger.moved(group, offset);
  }

  emptyTopic(): void {
    this.log.firstOffset = this.end;
    for (const group of this.groups) this.moveTo(group, this.end);
  }

  redeclare(group: GroupModel, changes: Partial<Settings>): void {
    const { explicit } = group;
    Object.assign(group.settings, changes);
    group.redefined(explicit);
    this.#ledger.redefined(group);
  }

  setTopicMask(mask: number): void {
    const explicit = this.groups.map((group) => group.explicit);
    this.topicMask = mask;
    for (const [index, group] of this.groups.entries()) group.redefined(explicit[index] === true);
  }

  /** Sends up to `limit` of the group's letters back; returns how many. */
  redrive(group: GroupModel, limit: number): number {
    let count = 0;
    for (; group.redriven < this.letters.length && count < limit; group.redriven++) {
      const letter = this.letters[group.redriven];
      if (letter?.originGroup !== group.name) continue;
      const tag = tagOf(letter.body);
      this.log.messages.push({ body: letter.body, tag, group: group.name });
      count++;
    }
    return count;
  }

  /** The broker stopped, well or not, and runs again. */
  restarted(): void {
    this.#peers.clear();
    for (const group of this.groups) group.restarted();
  }

  /** What a crash in the middle of a step has left of the group. */
  adopt(group: GroupModel, next: number, unsettled: ReadonlyMap<number, number>): void {
    group.adopt(next, unsettled);
    this.#ledger.reopened(group);
  }

  /** After the drain: what no group may have missed. */
  checkNothingLost(): void {
    for (const group of this.groups) this.#ledger.checkNothingLost(group, this.log);
  }

  #newGroup(name: string, settings: Settings): GroupModel {
    return new GroupModel(name, settings, {
      log: this.log,
      topicMask: () => this.topicMask,
      nowMs: () => this.nowMs,
      isCongested: (peer, group) => this.#isCongested(peer, group),
      handedOut: (group, lease, id) => {
        this.#handedOut(group, lease, id);
      },
      waitEnded: (id, status) => this.waitEnds.push({ id, status }),
      settled: (group, lease) => {
        this.#ledger.settled(group, lease);
      },
      died: (letter) => this.died.push(letter),
    });
  }

  #isCongested(peer: string, group: GroupModel): boolean {
    const { stalled, unsent } = this.#peer(peer);
    return stalled && unsent.filter((each) => each.group === group).length >= UNSENT_MAX;
  }

  #handedOut(group: GroupModel, lease: ModelLease, id: string): void {
    const peer = lease.holder ?? '';
    const { offset, attempts } = lease;
    const body = this.log.messages[offset]?.body ?? '';
    this.handOuts.push({ group: group.name, peer, id, offset, retry: attempts - 1, body });
    this.#ledger.handedOut(group, lease);
    if (this.isStalled(peer)) this.#peer(peer).unsent.push({ group, lease });
    else group.delivered(lease);
  }

  #peer(name: string): ModelPeer {
    let peer = this.#peers.get(name);
    if (peer === undefined) {
      peer = { stalled: false, unsent: [] };
      this.#peers.set(name, peer);
    }
    return peer;
  }
}

/** Bodies begin with the tag of their message, so that a letter tells it too. */
export function tagOf(body: string): string {
  return body.slice(0, body.indexOf(' '));
}
