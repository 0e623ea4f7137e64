/** All topics together: what one broken topic means for the others. */
import assert from 'node:assert/strict';
import { cpSync } from 'node:fs';
import { BatchBudget } from '../../../src/broker/batch-budget.js';
import { RpcCalls } from '../../../src/broker/rpc/rpc-calls.js';
import { TopicTable } from '../../../src/broker/topic-table.js';
import { newGroupDefinition, newTopicDefinition } from '../../../src/broker/topic-definition.js';
import { systemClock } from '../../../src/clock.js';
import { StorageFailedError } from '../../../src/errors.js';
import type { DiskStore } from '../../../src/queue/disk-store.js';
import type { Queue, QueueStore } from '../../../src/queue/queue.js';
import { Turn } from '../../../src/turn.js';
import { cleanUp } from '../../support/cleanup.js';
import { tempFolder } from '../../support/temp-folder.js';
import { openStore } from '../queue/queues.js';
import { keepingAll } from './retained.js';
import { rpcOptions } from './rpc-options.js';
import { TrafficCounts } from '../../../src/broker/traffic-counts.js';

/** A data folder on which the topic `broken` can be neither opened nor closed, as the test says. */
class BreakingStore implements QueueStore {
  readonly #store: DiskStore;
  readonly #failOn: 'open' | 'close';

  constructor(store: DiskStore, failOn: 'open' | 'close') {
    this.#store = store;
    this.#failOn = failOn;
  }

  names(): string[] {
    return this.#store.names();
  }

  readDefinition(name: string): string | null {
    return this.#store.readDefinition(name);
  }

  writeDefinition(name: string, json: string): Promise<void> {
    return this.#store.writeDefinition(name, json);
  }

  async open(name: string, kind: 'disk' | 'memory'): Promise<Queue> {
    if (name === 'broken' && this.#failOn === 'open') throw new StorageFailedError('cannot open');
    const queue = await this.#store.open(name, kind);
    if (name !== 'broken') return queue;
    const close = queue.close.bind(queue);
    queue.close = async () => {
      await close();
      throw new StorageFailedError('cannot sync');
    };
    return queue;
  }

  remove(name: string): Promise<void> {
    return this.#store.remove(name);
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}

describe('topic table', () => {
  afterEach(cleanUp);

  function openTable(store: QueueStore): { table: TopicTable; failures: string[] } {
    const failures: string[] = [];
    const table = new TopicTable({
      store,
      turn: new Turn(),
      clock: systemClock,
      budget: new BatchBudget(),
      traffic: new TrafficCounts(null),
      calls: new RpcCalls(systemClock, rpcOptions),
      topicsMax: 10,
      groupsPerTopicMax: 10,
      retention: keepingAll,
      changed: () => undefined,
      failed: (where, error) => {
        failures.push(`${where}: ${error.message}`);
      },
    });
    return { table, failures };
  }

  it('closes the others in good order and reports the one', async () => {
    const store = openStore();
    const { table, failures } = openTable(new BreakingStore(store, 'close'));
    for (const name of ['a', 'broken', 'z']) await table.create(newTopicDefinition(name));
    await table.close();
    assert.deepEqual(failures, ['Topic(broken): cannot sync']);
    assert.equal(store.openQueueCount, 0);
  });

  it('opens the others and reports the one, which is left as it is', async () => {
    const dir = tempFolder();
    const first = openStore(dir);
    const before = openTable(first);
    for (const name of ['a', 'broken', 'z']) await before.table.create(newTopicDefinition(name));
    await before.table.close();
    await first.close();
    const store = openStore(dir);
    const { table, failures } = openTable(new BreakingStore(store, 'open'));
    await table.open();
    assert.deepEqual([...table].map(({ name }) => name).sort(), ['a', 'z']);
    assert.deepEqual(failures, ['Topic(broken): cannot open']);
    assert(store.names().includes('broken'));
    await table.close();
  });

  it('has a topic with its first group after a crash behind its first write', async () => {
    const dir = tempFolder();
    const store = openStore(dir);
    const { table } = openTable(store);
    const groups = [newGroupDefinition('g', 0)];
    const crashed = tempFolder();
    const write = store.writeDefinition.bind(store);
    store.writeDefinition = async (name, json) => {
      await write(name, json);
      cpSync(dir, crashed, { recursive: true });
    };
    await table.create({ ...newTopicDefinition('t'), groups });
    await table.close();
    await store.close();
    const again = openTable(openStore(crashed));
    await again.table.open();
    assert.equal(again.table.get('t').group('g').position, 0);
    await again.table.close();
  });
});
