/** The turn: phases in order, each task once. */
import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { Phase, Turn, type TurnTask } from '../../src/turn.js';

function task(endTurn: () => void): TurnTask {
  return { scheduled: false, endTurn };
}

describe('Turn', () => {
  it('runs the phases in order, however they were scheduled', () => {
    const turn = new Turn();
    const ran: string[] = [];
    for (const phase of ['settle', 'send', 'write', 'deliver'] as const) {
      turn.schedule(
        Phase[phase],
        task(() => ran.push(phase)),
      );
    }
    turn.end();
    assert.deepEqual(ran, ['write', 'deliver', 'send', 'settle']);
  });

  it('runs a task once a turn, however often it is scheduled', () => {
    const turn = new Turn();
    let runs = 0;
    const once = task(() => runs++);
    turn.schedule(Phase.write, once);
    turn.schedule(Phase.write, once);
    turn.end();
    assert.equal(runs, 1);
    turn.schedule(Phase.write, once);
    turn.end();
    assert.equal(runs, 2);
  });

  it('runs in the same turn what a later phase schedules for an earlier one', () => {
    const turn = new Turn();
    const ran: string[] = [];
    const write = task(() => ran.push('write'));
    turn.schedule(
      Phase.send,
      task(() => {
        ran.push('send');
        turn.schedule(Phase.write, write);
      }),
    );
    turn.end();
    assert.deepEqual(ran, ['send', 'write']);
  });

  it('lets the loop go on when a task keeps scheduling itself', async () => {
    const turn = new Turn();
    let runs = 0;
    let stop = false;
    const restless = task(() => {
      runs++;
      if (!stop) turn.schedule(Phase.deliver, restless);
    });
    turn.schedule(Phase.deliver, restless);
    turn.end();
    const runsOfOneTurn = runs;
    await new Promise(setImmediate);
    stop = true;
    assert.ok(runs > runsOfOneTurn, 'it goes on in the next turn');
  });
});
