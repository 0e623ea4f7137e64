/** Who consumes: exclusive groups belong to one, and of everyone who is gone the group is told. */
import assert from 'node:assert/strict';
import { GroupConsumers } from '../../../src/broker/group-consumers.js';
import type { Session } from '../../../src/broker/session.js';
import { Waiter } from '../../../src/broker/waiting-line.js';
import { ForbiddenError, NotFoundError } from '../../../src/errors.js';
import { Turn } from '../../../src/turn.js';
import { newRecord, Peer, type TestExchange } from '../../model/peer.js';

describe('consumers of a group', () => {
  let consumers: GroupConsumers;
  let exclusive: boolean;
  /** What `changed` was told, each time. */
  let lasts: boolean[];
  let wakes: number;
  let peers: Map<string, Peer>;
  beforeEach(() => {
    exclusive = false;
    lasts = [];
    wakes = 0;
    peers = new Map();
    consumers = new GroupConsumers({
      groupName: 'g',
      exclusive: () => exclusive,
      changed: (last) => lasts.push(last),
      wake: () => {
        wakes++;
      },
    });
  });

  function sessionOf(name: string): Session {
    const peer = peers.get(name) ?? new Peer(name, new Turn(), newRecord());
    peers.set(name, peer);
    return peer.session;
  }

  function consume(name: string): TestExchange {
    sessionOf(name);
    const exchange = peers.get(name)?.request([['id', name]]);
    assert(exchange !== undefined);
    consumers.push(new Waiter(exchange));
    return exchange;
  }

  it('are listed once each, in the order they came, until they leave', () => {
    for (const name of ['a', 'b', 'a']) consume(name);
    assert.deepEqual(consumers.addresses, ['a', 'b']);
    consumers.leave(sessionOf('a'));
    assert.deepEqual([consumers.addresses, lasts], [['b'], [false, false, false]]);
    consumers.leave(sessionOf('b'));
    consumers.leave(sessionOf('b'));
    assert.deepEqual([consumers.addresses, lasts], [[], [false, false, false, true]]);
  });

  it('lose their waiting requests without a reply when they leave', () => {
    const [first, second, other] = [consume('a'), consume('a'), consume('b')];
    consumers.leave(sessionOf('a'));
    assert.deepEqual([first.alive, first.status, second.alive], [false, 0, false]);
    assert.equal(consumers.line.peek()?.exchange, other);
  });

  for (const [how, leave] of [
    ['leaves', () => consumers.leave(sessionOf('a'))],
    ['is gone', () => sessionOf('a').end()],
  ] as const) {
    it(`of an exclusive group are one, and the next once that one ${how}`, () => {
      exclusive = true;
      consume('a');
      consume('a');
      assert.throws(() => consume('b'), ForbiddenError);
      leave();
      consume('b');
      assert.throws(() => consume('a'), ForbiddenError);
      assert.deepEqual(consumers.addresses, ['b']);
    });
  }

  it('but the first are turned away when the group becomes exclusive', () => {
    const [first, second, third] = [consume('a'), consume('b'), consume('c')];
    exclusive = true;
    consumers.evictAllButFirst();
    assert.deepEqual([first.alive, second.status, third.status], [true, 403, 403]);
    assert.deepEqual(consumers.addresses, ['a']);
  });

  it('that are gone are told of, also those who had left before', () => {
    for (const name of ['a', 'b', 'c']) consume(name);
    consumers.leave(sessionOf('b'));
    for (const name of ['a', 'b']) sessionOf(name).end();
    assert.deepEqual([...consumers.gone], [sessionOf('a'), sessionOf('b')]);
    assert.deepEqual([consumers.addresses, wakes], [['c'], 2]);
  });

  it('that come again after they left are told of once', () => {
    consume('a');
    consumers.leave(sessionOf('a'));
    consume('a');
    sessionOf('a').end();
    assert.deepEqual([consumers.gone.size, wakes, lasts], [1, 1, [false, true, false, true]]);
  });

  it('are forgotten when the group ends, and those who wait get its answer or none', () => {
    const silenced = consume('a');
    consumers.close(null);
    assert.deepEqual([silenced.alive, silenced.status], [false, 0]);
    const answered = consume('b');
    consumers.close(new NotFoundError('gone'));
    assert.equal(answered.status, 404);
    sessionOf('a').end();
    assert.deepEqual([consumers.addresses, consumers.gone.size, wakes], [[], 0, 0]);
  });
});
