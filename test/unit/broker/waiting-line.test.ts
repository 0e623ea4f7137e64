/**
 * The waiting line alone: order, those who leave, those who cannot take bytes now, and what it
 * keeps of them.
 */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import type { Exchange } from '../../../src/broker/exchange.js';
import { ANYONE } from '../../../src/auth/grant.js';
import { Session } from '../../../src/broker/session.js';
import { Waiter, WaitingLine } from '../../../src/broker/waiting-line.js';

/** An exchange that only stands in line. */
class StandingExchange implements Exchange {
  readonly session: Session;
  readonly id: string;
  readonly grant = ANYONE;
  readonly request = {
    method: 'GET',
    url: '/',
    status: 0,
    httpMinor: 1 as const,
    headers: new Map<string, string>(),
    body: Buffer.alloc(0),
  };
  alive = true;
  congested = false;

  constructor(id: string, session = new Session(id, '127.0.0.1:1')) {
    this.id = id;
    this.request.headers.set('id', id);
    this.session = session;
  }

  answer(): void {
    this.alive = false;
  }

  answerPlain(): void {
    this.alive = false;
  }

  deliver(): void {
    this.alive = false;
  }

  silence(): void {
    this.alive = false;
  }

  wait(): boolean {
    return true;
  }
}

function stand(line: WaitingLine, id: string, session?: Session): StandingExchange {
  const exchange = new StandingExchange(id, session);
  line.push(new Waiter(exchange));
  return exchange;
}

function served(line: WaitingLine): string[] {
  const ids: string[] = [];
  for (let waiter = line.peek(); waiter !== undefined; waiter = line.peek()) {
    ids.push(waiter.exchange.id);
    line.served();
  }
  return ids;
}

describe('waiting line', () => {
  let line: WaitingLine;
  let roomCount: number;
  beforeEach(() => {
    roomCount = 0;
    line = new WaitingLine(() => {
      roomCount++;
    });
  });

  it('serves in the order they came', () => {
    for (const id of ['a', 'b', 'c']) stand(line, id);
    assert.deepEqual(served(line), ['a', 'b', 'c']);
  });

  it('passes over those who left or were answered', () => {
    const [a, , c] = ['a', 'b', 'c', 'd'].map((id) => stand(line, id));
    a?.silence();
    if (c !== undefined) line.remove(c.session);
    assert.deepEqual(served(line), ['b', 'd']);
  });

  it('passes over who cannot take bytes, and serves it once it can', () => {
    const stuck = stand(line, 'stuck');
    stand(line, 'free');
    stuck.congested = true;
    assert.deepEqual(served(line), ['free']);
    stuck.congested = false;
    stuck.session.writable();
    assert.equal(roomCount, 1);
    assert.deepEqual(served(line), ['stuck']);
  });

  it('removes every waiter of a session, also those passed over, and no other', () => {
    const session = new Session('s', '127.0.0.1:1');
    const first = stand(line, '1', session);
    stand(line, 'other');
    stand(line, '2', session);
    first.congested = true;
    line.peek();
    const removed = line.remove(session).map(({ exchange }) => exchange.id);
    assert.deepEqual(removed.sort(), ['1', '2']);
    assert.deepEqual(served(line), ['other']);
  });

  it('keeps nothing of those who came and left behind one that goes on waiting', () => {
    stand(line, 'patient');
    for (let n = 0; n < 100_000; n++) {
      const waiter = new Waiter(new StandingExchange('polling'));
      line.push(waiter);
      waiter.leave();
    }
    assert(line.length < 5000, `${line.length} waiters kept`);
    assert.deepEqual(served(line), ['patient']);
  });

  it('keeps the order of many thousands', () => {
    const ids = Array.from({ length: 20_000 }, (_, n) => String(n));
    for (const id of ids) stand(line, id);
    assert.deepEqual(served(line), ids);
  });

  it('gives those with more credits one message a round', () => {
    const line = new WaitingLine(() => undefined);
    const many = new StandingExchange('many');
    line.push(new Waiter(many, 3));
    stand(line, 'one');
    line.push(new Waiter(new StandingExchange('two'), 2));
    assert.deepEqual(served(line), ['many', 'one', 'two', 'many', 'two', 'many']);
  });

  it('finds nobody whose session was removed', () => {
    const session = new Session('s', '127.0.0.1:1');
    stand(line, 'id', session);
    assert.notEqual(line.find(session, 'id'), undefined);
    line.remove(session);
    assert.equal(line.find(session, 'id'), undefined);
  });

  it('finds who still waits by session and id, to grant it more', () => {
    const line = new WaitingLine(() => undefined);
    const session = new Session('s', '127.0.0.1:1');
    line.push(new Waiter(new StandingExchange('id', session)));
    line.find(session, 'id')?.grant(2);
    assert.equal(line.find(new Session('t', '127.0.0.1:1'), 'id'), undefined);
    assert.deepEqual(served(line), ['id', 'id', 'id']);
    assert.equal(line.find(session, 'id'), undefined);
  });
});
