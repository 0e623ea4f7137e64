/** When a server is left alone, for how long, and what of its speed is remembered. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Circuit, type Trial } from '../../../src/client/routing/circuit.js';
import { ManualClock } from '../../support/manual-clock.js';

function setUp() {
  const clock = new ManualClock();
  const circuit = new Circuit({ clock, random: () => 1 });
  const failOnce = (): void => {
    circuit.fail(circuit.begin());
  };
  /** How long the server is left alone from now. */
  const restMs = (): number => {
    let ms = 0;
    while (!circuit.admits) {
      clock.advance(1);
      ms++;
      assert(ms < 60_000, 'the rest does not end');
    }
    return ms;
  };
  return { clock, circuit, failOnce, restMs };
}

describe('the circuit of a server', () => {
  it('leaves a server that fails alone, each time twice as long, up to 10 s', () => {
    const { failOnce, restMs } = setUp();
    const rests = Array.from({ length: 8 }, () => {
      failOnce();
      return restMs();
    });
    assert.deepEqual(rests, [250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
  });

  it('lets one call probe the server after its rest, and no second one meanwhile', () => {
    const { circuit, failOnce, restMs } = setUp();
    failOnce();
    restMs();
    const probe = circuit.begin();
    assert.equal(circuit.admits, false);
    circuit.succeed(probe);
    assert.equal(circuit.admits, true);
    circuit.begin();
    assert.equal(circuit.admits, true);
  });

  it('begins with a short rest again once a probe has succeeded', () => {
    const { circuit, failOnce, restMs } = setUp();
    for (let i = 0; i < 4; i++) {
      failOnce();
      restMs();
    }
    circuit.succeed(circuit.begin());
    failOnce();
    assert.equal(restMs(), 250);
  });

  it('counts the failures of calls that were under way together as one', () => {
    const { circuit, restMs } = setUp();
    const trials = Array.from({ length: 50 }, () => circuit.begin());
    for (const trial of trials) circuit.fail(trial);
    assert.equal(restMs(), 250);
  });

  it('is probed by another call when the one that did ended for reasons of its own', () => {
    const { circuit, failOnce, restMs } = setUp();
    failOnce();
    restMs();
    circuit.cancel(circuit.begin());
    assert.equal(circuit.admits, true);
  });

  it('takes a server back at once that was reached anew', () => {
    const { circuit, failOnce } = setUp();
    failOnce();
    circuit.reset();
    assert.equal(circuit.admits, true);
  });

  it('costs what calls took lately times what is under way, and forgets it', () => {
    const { circuit, clock } = setUp();
    const quick = circuit.cost;
    const trial = circuit.begin();
    assert.equal(circuit.cost, 2 * quick);
    clock.advance(400);
    circuit.succeed(trial);
    const costs = [circuit.cost];
    clock.advance(5000);
    costs.push(Math.round(circuit.cost));
    clock.advance(60_000);
    costs.push(circuit.cost);
    assert.deepEqual(costs, [400, Math.round(400 / Math.E), quick]);
  });

  it('admits again whatever happened, once all calls have ended and time has passed', () => {
    const step = fc.constantFrom('begin', 'succeed', 'fail', 'cancel', 'wait', 'reset');
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { circuit, clock } = setUp();
        const underWay: Trial[] = [];
        for (const name of steps) {
          if (name === 'begin') underWay.push(circuit.begin());
          else if (name === 'wait') clock.advance(700);
          else if (name === 'reset') circuit.reset();
          else {
            const trial = underWay.shift();
            if (trial !== undefined) circuit[name](trial);
          }
        }
        for (const trial of underWay) circuit.fail(trial);
        clock.advance(10_001);
        assert.equal(circuit.admits, true);
        assert.equal(circuit.cost >= 1, true);
      }),
    );
  });
});
