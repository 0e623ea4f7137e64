/**
 * What is promised of every message, whatever the model of a group says: once settled it is not
 * handed out again, in the end all are settled, and no group has more unsettled than its window.
 * Keeps books for BrokerModel and throws where a promise is broken.
 */
import assert from 'node:assert/strict';
import { compileFilter } from '../../src/protocol/filter.js';
import type { GroupModel, ModelLease, ModelLog } from './group-model.js';

interface Account {
  /** Where the group was moved to last: only what lies from there on counts. */
  start: number;
  readonly settled: Set<number>;
  readonly handedOut: Set<number>;
  /** Every filter it ever had: a message that one of them refuses may have been passed over. */
  readonly filters: Set<string>;
}

export class Ledger {
  readonly #accounts = new Map<GroupModel, Account>();

  /** The group's filter may have changed. */
  redefined(group: GroupModel): void {
    this.#account(group).filters.add(group.settings.filter);
  }

  handedOut(group: GroupModel, { offset, explicit }: ModelLease): void {
    const { settled, handedOut } = this.#account(group);
    assert(!settled.has(offset), `${group.name}: ${offset} was settled and is handed out again`);
    const isNew = !handedOut.has(offset);
    handedOut.add(offset);
    if (!explicit || !isNew) return;
    assert(group.unsettled.size <= group.settings.ackWindow, `${group.name} exceeds its window`);
  }

  settled(group: GroupModel, { offset }: ModelLease): void {
    this.#account(group).settled.add(offset);
  }

  /** After a crash: what the folder does not show as settled may be handed out again. */
  reopened(group: GroupModel): void {
    const { settled } = this.#account(group);
    for (const offset of [...settled]) {
      if (group.unsettled.has(offset) || offset >= group.next) settled.delete(offset);
    }
  }

  moved(group: GroupModel, offset: number): void {
    const account = this.#account(group);
    account.start = offset;
    account.settled.clear();
    account.handedOut.clear();
  }

  checkNothingLost(group: GroupModel, { messages, firstOffset }: ModelLog): void {
    const { start, settled, filters } = this.#account(group);
    const matchers = Array.from(filters, compileFilter);
    for (let offset = Math.max(start, firstOffset); offset < messages.length; offset++) {
      const { tag, group: only } = messages[offset] ?? { tag: '', group: '' };
      const wanted = (only ?? group.name) === group.name && matchers.every((match) => match(tag));
      assert(!wanted || settled.has(offset), `${group.name}: ${offset} was lost`);
    }
  }

  #account(group: GroupModel): Account {
    let account = this.#accounts.get(group);
    if (account === undefined) {
      const filters = new Set([group.settings.filter]);
      account = { start: 0, settled: new Set(), handedOut: new Set(), filters };
      this.#accounts.set(group, account);
    }
    return account;
  }
}
