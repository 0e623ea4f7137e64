/** What a token allows: operations, and patterns of names. */
import assert from 'node:assert/strict';
import { ANYONE, Grant, type GrantDefinition } from '../../../src/auth/grant.js';
import { patternFault } from '../../../src/auth/name-patterns.js';
import { operations } from '../../../src/auth/operations.js';

function grant(definition: Partial<GrantDefinition> = {}): Grant {
  return new Grant({ name: 'g', operations: ['*'], ...definition });
}

describe('a grant', () => {
  it('allows the operations it names and no other', () => {
    const some = grant({ operations: ['produce', 'query'] });
    const allowed = operations.filter((operation) => some.allows(operation));
    assert.deepEqual(allowed, ['produce', 'query']);
  });

  it('allows all with *', () => {
    assert(operations.every((operation) => grant().allows(operation)));
  });

  for (const [pattern, taken, left] of [
    ['orders', ['orders', 'ORDERS'], ['orders.eu', 'order', 'xorders']],
    ['orders.*', ['orders.eu', 'orders.eu.de', 'Orders.EU'], ['orders']],
    ['orders.#', ['orders', 'orders.eu'], ['ordersx']],
    ['orders.+', ['orders.eu'], ['orders', 'orders.eu.de']],
    ['+.paid;refund', ['eu.paid', 'refund'], ['paid', 'refund.x']],
    ['Straße', ['STRASSE', 'straße'], ['strase']],
    ['*', ['x', 'x.y'], []],
    ['#', ['x', 'x.y'], []],
  ] as const) {
    it(`with the pattern ${pattern} takes ${taken.join(', ')} and not ${left.join(', ')}`, () => {
      const one = grant({ topics: [pattern], groups: [pattern] });
      for (const name of taken) assert(one.hasTopic(name) && one.hasGroup(name), name);
      for (const name of left) assert(!one.hasTopic(name) && !one.hasGroup(name), name);
    });
  }

  it('takes what one of several patterns takes', () => {
    const two = grant({ topics: ['a.#', 'b'] });
    assert(two.hasTopic('a.x') && two.hasTopic('b') && !two.hasTopic('b.x'));
  });

  it('takes nothing with an empty list, and everything without one', () => {
    assert(!grant({ topics: [] }).hasTopic('x'));
    assert(grant().hasTopic('x'));
  });

  it('knows that it is for every group only when no pattern can leave one out', () => {
    assert(grant().everyGroup && grant({ groups: ['x', 'y;#'] }).everyGroup);
    assert(!grant({ groups: ['x.#'] }).everyGroup && !grant({ groups: ['+'] }).everyGroup);
  });

  it('is unrestricted only when nothing is left out', () => {
    assert(ANYONE.unrestricted && grant({ topics: ['#'] }).unrestricted);
    for (const less of [{ topics: ['+'] }, { groups: ['a'] }, { operations: ['produce'] }]) {
      assert(!grant(less).unrestricted, JSON.stringify(less));
    }
  });

  it('finishes those who use it when it is revoked, and nobody else', () => {
    const one = grant();
    const finished: string[] = [];
    const [stays, leaves] = ['stays', 'leaves'].map((name) => ({
      finish: () => void finished.push(name),
    }));
    assert(stays && leaves);
    one.attach(stays);
    one.attach(leaves);
    one.detach(leaves);
    one.revoke();
    one.revoke();
    assert.deepEqual(finished, ['stays']);
    assert(one.revoked);
  });
});

describe('a pattern of names', () => {
  for (const good of ['a', 'a.b', '+', '*.x', 'a.#', 'a;b.*', 'é.#', 'a@b/c:d']) {
    it(`may be ${good}`, () => {
      assert.equal(patternFault(good), null);
    });
  }

  for (const bad of [
    '',
    ';',
    'a;',
    '#.a',
    'a*',
    'a b',
    'a\n',
    '%41',
    'a,b',
    '..',
    'x'.repeat(128),
  ]) {
    it(`may not be ${JSON.stringify(bad)}`, () => {
      assert.match(patternFault(bad) ?? '', /^is no pattern/);
    });
  }
});
