/**
 * The turn: everything that arrives in one pass of the event loop is one batch. Whoever has work to
 * do once at the end of the pass (a queue to write, a group to deliver, a connection to send)
 * schedules itself here and is run once, in the order of the phases. Used by queue, broker and
 * server; owns no I/O itself.
 */

/**
 * Phases of the end of a turn, run in this order; a later phase may schedule an earlier one again.
 * Queues write, groups deliver, connections send, groups settle (store positions of what was sent:
 * never before).
 */
export const Phase = { write: 0, deliver: 1, send: 2, settle: 3 } as const;
const PHASES = [Phase.write, Phase.deliver, Phase.send, Phase.settle] as const;
export type Phase = (typeof Phase)[keyof typeof Phase];

export interface TurnTask {
  /** Kept by Turn: true while the task waits for the end of the turn. */
  scheduled: boolean;
  /** Does the work once; must not throw. */
  endTurn(): void;
}

/**
 * Rounds over the phases in one turn, so that a task that keeps scheduling itself cannot hold the
 * loop.
 */
const ROUNDS_MAX = 8;

export class Turn {
  readonly #waiting: [TurnTask[], TurnTask[], TurnTask[], TurnTask[]] = [[], [], [], []];
  #armed = false;
  readonly #run = (): void => {
    this.#armed = false;
    this.end();
  };

  /** Runs `task.endTurn()` once at the end of this turn, however often it is scheduled before. */
  schedule(phase: Phase, task: TurnTask): void {
    if (task.scheduled) return;
    task.scheduled = true;
    this.#waiting[phase].push(task);
    this.#arm();
  }

  /**
   * Runs what is scheduled now; called by the event loop, and by tests and `close` that cannot
   * wait.
   */
  end(): void {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      let ran = false;
      for (const phase of PHASES) {
        ran = this.#runPhase(phase) || ran;
      }
      if (!ran) return;
    }
    this.#arm();
  }

  #runPhase(phase: Phase): boolean {
    const tasks = this.#waiting[phase];
    if (tasks.length === 0) return false;
    this.#waiting[phase] = [];
    for (const task of tasks) {
      task.scheduled = false;
      task.endTurn();
    }
    return true;
  }

  #arm(): void {
    if (this.#armed) return;
    this.#armed = true;
    setImmediate(this.#run);
  }
}
