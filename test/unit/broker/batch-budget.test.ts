/** Read-ahead is bounded over all groups: the one that has read longest ago gives up first. */
import assert from 'node:assert/strict';
import { BatchBudget, type BatchHolder } from '../../../src/broker/batch-budget.js';

class CountedHolder implements BatchHolder {
  drops = 0;

  dropBatch(): void {
    this.drops++;
  }
}

/** More than the budget allows at once. */
const MANY = 1000;

describe('batch budget', () => {
  it('takes the batch of who has read longest ago, and of nobody else', () => {
    const budget = new BatchBudget();
    const holders = Array.from({ length: MANY }, () => new CountedHolder());
    for (const holder of holders) budget.took(holder);
    const dropped = holders.findIndex(({ drops }) => drops === 0);
    assert(dropped > 0 && dropped < MANY, `${dropped} dropped`);
    assert(holders.slice(0, dropped).every(({ drops }) => drops === 1));
    assert(holders.slice(dropped).every(({ drops }) => drops === 0));
    const [oldest, next] = holders.slice(dropped);
    assert(oldest !== undefined && next !== undefined);
    budget.took(oldest);
    budget.took(new CountedHolder());
    assert.deepEqual([oldest.drops, next.drops], [0, 1]);
  });

  it('counts nobody who has given its batch back', () => {
    const budget = new BatchBudget();
    const kept = new CountedHolder();
    budget.took(kept);
    for (let n = 0; n < MANY; n++) {
      const brief = new CountedHolder();
      budget.took(brief);
      budget.released(brief);
    }
    assert.equal(kept.drops, 0);
  });
});
