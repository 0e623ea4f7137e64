/** Acks are gathered while one is on its way, and each learns its own outcome. */
import assert from 'node:assert/strict';
import { Acknowledger, type AcknowledgerOwner } from '../../../src/client/acknowledger.js';
import { ConflictError } from '../../../src/errors.js';

interface Item {
  readonly offset: number;
}

class Owner implements AcknowledgerOwner<Item> {
  readonly sent: string[] = [];
  readonly settled: number[] = [];
  readonly stale = new Set<number>();
  answers: { resolve: () => void; reject: (error: Error) => void }[] = [];

  refusalOf({ offset }: Item): Error | null {
    return this.stale.has(offset) ? new Error(`stale ${offset}`) : null;
  }

  sendAck(offsets: string): Promise<void> {
    this.sent.push(offsets);
    return new Promise((resolve, reject) => this.answers.push({ resolve, reject }));
  }

  onSettled({ offset }: Item): void {
    this.settled.push(offset);
  }
}

describe('acknowledger', () => {
  let owner: Owner;
  let acks: Acknowledger<Item>;

  beforeEach(() => {
    owner = new Owner();
    acks = new Acknowledger(owner);
  });

  const acknowledge = (first: number, last = first): Promise<void>[] =>
    Array.from({ length: last - first + 1 }, (_, i) => acks.acknowledge({ offset: first + i }));
  const answer = (error: Error | null = null): void => {
    const next = owner.answers.shift();
    if (error === null) next?.resolve();
    else next?.reject(error);
  };

  it('sends the first at once, and what comes meanwhile together', async () => {
    const all = acknowledge(0, 3);
    assert.deepEqual(owner.sent, ['0']);
    answer();
    await all[0];
    assert.deepEqual(owner.settled, [0]);
    assert.deepEqual(owner.sent, ['0', '1,2,3']);
    answer();
    await Promise.all(all);
    assert.deepEqual(owner.settled, [0, 1, 2, 3]);
  });

  it('sends at once again when nothing is on its way', async () => {
    const [first] = acknowledge(0);
    answer();
    await first;
    void Promise.all(acknowledge(1));
    assert.deepEqual(owner.sent, ['0', '1']);
  });

  it('sends what waits when it is told to', () => {
    void Promise.all(acknowledge(0, 2));
    acks.flush();
    assert.deepEqual(owner.sent, ['0', '1,2']);
  });

  it('cuts what would not fit in a head', () => {
    void Promise.all(acknowledge(0, 1200));
    acks.flush();
    assert.deepEqual(
      owner.sent.map((offsets) => offsets.split(',').length),
      [1, 500, 500, 200],
    );
  });

  it('fails those that a conflict names, and no others', async () => {
    const [first, ...others] = acknowledge(0, 4);
    answer();
    await first;
    answer(new ConflictError('not in your hands', { offsets: '2-3' }));
    const outcomes = await Promise.allSettled(others);
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['fulfilled', 'rejected', 'rejected', 'fulfilled'],
    );
  });

  it('fails all when an error names none, and goes on with what waits', async () => {
    const [first, ...others] = acknowledge(0, 2);
    const refused = assert.rejects(first ?? Promise.resolve(), /gone/);
    answer(new Error('gone'));
    await refused;
    assert.deepEqual(owner.sent, ['0', '1,2']);
    answer(new ConflictError('too many to name'));
    const outcomes = await Promise.allSettled(others);
    assert(outcomes.every(({ status }) => status === 'rejected'));
  });

  it('does not send what can no longer be acknowledged', async () => {
    const [first, second, third] = acknowledge(0, 2);
    owner.stale.add(1);
    const stale = assert.rejects(second ?? Promise.resolve(), /stale 1/);
    answer();
    await first;
    await stale;
    assert.deepEqual(owner.sent, ['0', '2']);
    answer();
    await third;
  });
});
