/** Producers and a topic whose disk cannot keep up. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { BatchBudget } from '../../../src/broker/batch-budget.js';
import { RpcCalls } from '../../../src/broker/rpc/rpc-calls.js';
import { Session } from '../../../src/broker/session.js';
import { newTopicDefinition } from '../../../src/broker/topic-definition.js';
import { Topic } from '../../../src/broker/topic.js';
import { systemClock } from '../../../src/clock.js';
import { StorageFailedError } from '../../../src/errors.js';
import { DiskQueue } from '../../../src/queue/disk-queue.js';
import type { QueueHandle } from '../../../src/queue/native.js';
import { Turn } from '../../../src/turn.js';
import { record } from '../queue/queues.js';
import { ScriptedEngine } from '../queue/scripted-engine.js';
import { keepingAll } from './retained.js';
import { rpcOptions } from './rpc-options.js';
import { TrafficCounts } from '../../../src/broker/traffic-counts.js';

const LARGE = record('large', Buffer.alloc(1024 * 1024));

describe('a topic whose disk is behind', () => {
  let engine: ScriptedEngine;
  let queue: DiskQueue;
  let topic: Topic;
  let turn: Turn;
  let answered: number;
  beforeEach(() => {
    turn = new Turn();
    engine = new ScriptedEngine();
    queue = new DiskQueue(engine.addon, {} as QueueHandle, turn, 't');
    topic = new Topic(newTopicDefinition('t'), queue, {
      turn,
      clock: systemClock,
      budget: new BatchBudget(),
      traffic: new TrafficCounts(null),
      calls: new RpcCalls(systemClock, rpcOptions),
      groupsPerTopicMax: 1,
      bury: () => Promise.resolve(),
      retention: keepingAll,
      saveDefinition: () => Promise.resolve(),
      exclusively: (_name, change) => change(),
      changed: () => undefined,
      failed: () => undefined,
    });
    answered = 0;
  });

  function produce(session: Session, count: number): void {
    for (let n = 0; n < count; n++) {
      topic.append(LARGE, 'disk', session, () => {
        answered++;
      });
    }
    turn.end();
  }

  it('reads no more of those who go on producing, and reads again once it has caught up', () => {
    const [eager, idle] = ['eager', 'idle'].map((id) => new Session(id, '127.0.0.1:1'));
    assert(eager !== undefined && idle !== undefined);
    produce(eager, 20);
    assert.equal(eager.readingPaused, false);
    produce(eager, 20);
    assert.deepEqual([eager.readingPaused, idle.readingPaused, answered], [true, false, 0]);
    queue.progress(40, 10, false);
    assert.deepEqual([eager.readingPaused, answered], [true, 10]);
    queue.progress(40, 40, false);
    assert.deepEqual([eager.readingPaused, answered], [false, 40]);
  });

  for (const [how, fails] of [
    ['is closed', false],
    ['cannot be closed in good order', true],
  ] as const) {
    it(`lets go of everyone when it ${how}`, async () => {
      const session = new Session('eager', '127.0.0.1:1');
      produce(session, 40);
      assert.equal(session.readingPaused, true);
      engine.readOnly = fails;
      const closing = topic.close('removed');
      if (fails) await assert.rejects(closing, StorageFailedError);
      else await closing;
      assert.deepEqual([session.readingPaused, answered], [false, 40]);
    });
  }
});
