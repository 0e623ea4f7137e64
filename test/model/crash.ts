/**
 * Kills the broker in the middle of another step, before or after one of the writes that it makes,
 * and goes on with the folder as it was then. What was answered before must be there; of the rest
 * the folder may show any part, and the model takes over what it shows.
 */
import assert from 'node:assert/strict';
import type { BrokerModel } from './broker-model.js';
import type { GroupModel, ModelLetter } from './group-model.js';
import type { LiveBroker } from './live-broker.js';
import { handOutKey } from './peer.js';
import {
  type Expected,
  type Promised,
  Step,
  verify,
  verifyHandOuts,
  verifyLetters,
} from './step.js';

interface GroupState {
  readonly next: number;
  /** Times handed out, by offset. */
  readonly unsettled: ReadonlyMap<number, number>;
  /** How far its dead letters were sent back. */
  readonly redriven: number;
}

interface Killed {
  readonly folder: string;
  /** True when the step had made all its writes. */
  readonly complete: boolean;
  /** What was answered by then. */
  readonly answered: readonly Expected[];
  /** What the kernel had taken by then. */
  readonly taken: ReadonlySet<string>;
}

export class CrashDuring extends Step {
  readonly #step: Step;
  readonly #writeNumber: number;

  constructor(step: Step, writeNumber: number) {
    super();
    this.#step = step;
    this.#writeNumber = writeNumber;
  }

  override isPossible(model: Readonly<BrokerModel>): boolean {
    return this.#step.check(model);
  }

  override async run(model: BrokerModel, live: LiveBroker): Promise<void> {
    const endBefore = model.end;
    const before = model.groups.map(stateOf);
    const killed = await this.#kill(model, live);
    const handedOut = new Set(model.handOuts.map((each) => handOutKey(each.group, each.offset)));
    verifyHandOuts(model, live);
    const after = model.groups.map(stateOf);
    await live.replaceFolder(killed.folder);
    const endAfter = model.end;
    model.log.messages.length = checkedEnd(
      live.logEnd,
      killed.complete ? model.end : endBefore,
      model,
    );
    for (const [index, group] of model.groups.entries()) {
      const shown = stateShown(live, group);
      const low = killed.complete ? after[index] : before[index];
      checkBetween(group.name, low ?? shown, shown, after[index] ?? shown);
      if (!group.explicit) {
        checkSent(group.name, low ?? shown, shown, handedOut, killed.taken);
      }
      checkRedriven(low ?? shown, shown, after[index] ?? shown, live.logEnd === endAfter);
      group.redriven = shown.redriven;
      model.adopt(group, shown.next, shown.unsettled);
    }
    for (const { promises = [] } of killed.answered) checkPromises(promises, live.logEnd);
    const [required, optional] = sortLetters(model);
    model.died = required;
    this.act(model);
    await live.settle();
    await verifyLetters(model, live, optional);
    await verify(model, live);
  }

  act(model: BrokerModel): Expected[] {
    model.restarted();
    model.process();
    return [];
  }

  override toString(): string {
    return `crashDuring(${this.#step.toString()}, ${this.#writeNumber})`;
  }

  /** Does the step, and copies the folder at the wanted write. */
  async #kill(model: BrokerModel, live: LiveBroker): Promise<Killed> {
    const killed: Killed[] = [];
    let expected: Expected[] = [];
    let writes = 0;
    live.onWrite(() => {
      if (writes++ !== this.#writeNumber) return;
      const answered = expected.filter(({ exchange }) => exchange.status !== 0);
      const taken = new Set(live.record.taken);
      killed.push({ folder: live.copyFolder(), complete: false, answered, taken });
    });
    expected = this.#step.act(model, live);
    await live.settle();
    live.onWrite(null);
    for (const { check } of expected) check();
    if (killed[0] !== undefined) return killed[0];
    const folder = live.copyFolder();
    return { folder, complete: true, answered: expected, taken: live.record.taken };
  }
}

function stateOf({ next, unsettled, redriven }: GroupModel): GroupState {
  const attempts = Array.from(unsettled, ([offset, lease]) => [offset, lease.attempts] as const);
  return { next, unsettled: new Map(attempts), redriven };
}

function stateShown(live: LiveBroker, group: GroupModel): GroupState {
  const { definition, positions } = live.group(group.name);
  const { next, unsettled } = positions;
  const attempts = Array.from(unsettled, (lease) => [lease.offset, lease.attempts] as const);
  return { next, unsettled: new Map(attempts), redriven: definition.redriven?.end ?? 0 };
}

function checkedEnd(shown: number, low: number, { end }: BrokerModel): number {
  assert(shown >= low, `${low - shown} messages are gone that were there before`);
  assert(shown <= end, `${shown - end} messages that nobody sent`);
  return shown;
}

/** 0: not handed out, 1: handed out, 2: settled. */
function progress({ next, unsettled }: GroupState, offset: number): number {
  if (offset >= next) return 0;
  return unsettled.has(offset) ? 1 : 2;
}

function checkBetween(name: string, low: GroupState, shown: GroupState, high: GroupState): void {
  for (let offset = 0; offset < Math.max(shown.next, high.next); offset++) {
    const [from, at, to] = [low, shown, high].map((state) => progress(state, offset));
    const where = `${name}: ${offset} came from ${from} to ${to} and a crash shows ${at}`;
    assert((from ?? 0) <= (at ?? 0) && (at ?? 0) <= (to ?? 0), where);
    const [few, count, many] = [low, shown, high].map((state) => state.unsettled.get(offset));
    if (few === undefined || count === undefined || many === undefined) continue;
    // What never left counts one less until it is handed out again.
    const fewest = low === high ? few : Math.min(few, many) - 1;
    assert(fewest <= count && count <= Math.max(few, many), where);
  }
}

/** Letters count as sent back once they are stored, not before. */
function checkRedriven(
  low: GroupState,
  shown: GroupState,
  high: GroupState,
  complete: boolean,
): void {
  const { redriven } = shown;
  if (complete) assert(low.redriven <= redriven && redriven <= high.redriven);
  else assert.equal(redriven, low.redriven, 'letters count as sent back and are not there');
}

/** Without acks the position stays before what the kernel did not take, or a kill loses it. */
function checkSent(
  name: string,
  low: GroupState,
  shown: GroupState,
  handedOut: ReadonlySet<string>,
  taken: ReadonlySet<string>,
): void {
  for (let offset = 0; offset < shown.next; offset++) {
    if (progress(shown, offset) < 2 || progress(low, offset) === 2) continue;
    const key = handOutKey(name, offset);
    const wasHandedOut = low.unsettled.has(offset) || handedOut.has(key);
    assert(!wasHandedOut || taken.has(key), `${name}: ${offset} was not sent and is gone`);
  }
}

function checkPromises(promises: readonly Promised[], logEnd: number): void {
  for (const { group, offset } of promises) {
    if (group === null) assert(offset < logEnd, `${offset} was answered and is gone`);
    else assert(!group.unsettled.has(offset) && offset < group.next, `${offset} was acknowledged`);
  }
}

/**
 * Of the letters that the step wrote or was about to: those that must be there, because their
 * message is settled, and those that may be, because their message will die again.
 */
function sortLetters(model: BrokerModel): [ModelLetter[], ModelLetter[]] {
  const isSettled = ({ originGroup, originOffset }: ModelLetter): boolean =>
    model.groups.some(
      ({ name, unsettled, next }) =>
        name === originGroup && !unsettled.has(originOffset) && originOffset < next,
    );
  return [
    model.died.filter((letter) => isSettled(letter)),
    model.died.filter((letter) => !isSettled(letter)),
  ];
}
