/** The heap of deadlines: whatever is added and removed, the first is the one due soonest. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Deadlines, type Due } from '../../../src/broker/rpc/deadlines.js';

const item = (dueMs: number): Due => ({ dueMs, place: -1 });

describe('deadlines', () => {
  it('gives the soonest first, though any leave from the middle', () => {
    const steps = fc.array(
      fc.oneof(
        { weight: 4, arbitrary: fc.record({ add: fc.nat(100) }) },
        { weight: 2, arbitrary: fc.record({ remove: fc.nat() }) },
        { weight: 1, arbitrary: fc.constant({ takeFirst: true }) },
      ),
      { minLength: 100, maxLength: 300 },
    );
    fc.assert(
      fc.property(steps, (list) => {
        const deadlines = new Deadlines<Due>();
        const kept: Due[] = [];
        const drop = (gone: Due): void => {
          deadlines.remove(gone);
          kept.splice(kept.indexOf(gone), 1);
        };
        for (const step of list) {
          if ('add' in step) {
            const added = item(step.add);
            deadlines.add(added);
            kept.push(added);
          } else if (kept.length > 0) {
            const at = 'remove' in step ? step.remove % kept.length : -1;
            const gone = at < 0 ? deadlines.first : kept[at];
            assert(gone !== undefined);
            drop(gone);
          }
          assert.equal(deadlines.size, kept.length);
          const soonest = Math.min(...kept.map(({ dueMs }) => dueMs));
          assert.equal(deadlines.first?.dueMs ?? Infinity, soonest);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('lets go of what is removed twice, or was never in it', () => {
    const deadlines = new Deadlines<Due>();
    const [first, second] = [item(1), item(2)];
    deadlines.add(first);
    deadlines.remove(second);
    deadlines.remove(first);
    deadlines.remove(first);
    assert.deepEqual([deadlines.size, first.place], [0, -1]);
  });
});
