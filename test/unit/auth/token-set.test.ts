/** Secrets are compared in constant time; grants live as long as their tokens stand unchanged. */
import assert from 'node:assert/strict';
import { timingSafeEqual } from 'node:crypto';
import { definitionOf } from '../../../src/auth/token-file.js';
import { sha256Of, type TokenDefinition, TokenSet } from '../../../src/auth/token-set.js';
import { secretOf } from '../../support/tokens.js';

function definition(name: string, topics?: readonly string[]): TokenDefinition {
  const sha256 = sha256Of(secretOf(name)).toString('hex');
  return { name, sha256, operations: ['produce'], ...(topics ? { topics } : {}) };
}

const three = ['a', 'b', 'c'].map((name) => definition(name));

describe('the tokens in force', () => {
  it('are found by their secrets', () => {
    const set = new TokenSet(three);
    for (const name of ['a', 'b', 'c']) assert.equal(set.find(secretOf(name))?.name, name);
  });

  it('are found whether the file has the secret or its hash', () => {
    const secret = secretOf('a');
    const operations = ['produce'];
    const upper = sha256Of(secret).toString('hex').toUpperCase();
    for (const token of [
      { name: 'a', operations, secret },
      { name: 'a', operations, sha256: upper },
    ]) {
      assert.equal(new TokenSet([definitionOf(token)]).find(secret)?.name, 'a');
    }
  });

  for (const wrong of ['', ' ', secretOf('d'), secretOf('a').slice(0, -1), `${secretOf('a')} `]) {
    it(`are not found by ${JSON.stringify(wrong)}`, () => {
      assert.equal(new TokenSet(three).find(wrong), null);
    });
  }

  it('are not found by a hash, nor by a secret too long to be one', () => {
    const long = 'x'.repeat(10_000);
    const set = new TokenSet([
      { name: 'a', operations: [], sha256: sha256Of(long).toString('hex') },
    ]);
    assert.equal(set.find(long), null);
    assert.equal(new TokenSet(three).find(three[0]?.sha256 ?? ''), null);
  });

  it('are all compared, each whole, whichever is the right one', () => {
    for (const secret of [secretOf('a'), secretOf('c'), 'a wrong one']) {
      const lengths: number[] = [];
      const set = new TokenSet(three, null, (left, right) => {
        lengths.push(left.byteLength);
        return timingSafeEqual(left, right);
      });
      set.find(secret);
      assert.deepEqual(lengths, [32, 32, 32], secret);
    }
  });

  it('are hashed once, and wrong ones each time', () => {
    let compared = 0;
    const set = new TokenSet(three, null, (left, right) => {
      compared++;
      return timingSafeEqual(left, right);
    });
    for (let i = 0; i < 10; i++) set.find(secretOf('b'));
    assert.equal(compared, 3);
    for (let i = 0; i < 10; i++) set.find('a wrong one');
    assert.equal(compared, 33);
  });

  it('keep their grants through a change of others', () => {
    const before = new TokenSet(three);
    const grants = ['a', 'b', 'c'].map((name) => before.find(secretOf(name)));
    const after = new TokenSet([...three.slice(0, 2), definition('d')], before);
    after.revokeOthers();
    assert.equal(after.find(secretOf('a')), grants[0]);
    assert.deepEqual(
      grants.map((grant) => grant?.revoked),
      [false, false, true],
    );
    assert.equal(after.find(secretOf('c')), null);
  });

  it('lose their grant when what they allow has changed', () => {
    const before = new TokenSet([definition('a', ['x', 'y'])]);
    const grant = before.find(secretOf('a'));
    const after = new TokenSet([definition('a', ['x'])], before);
    after.revokeOthers();
    assert.equal(grant?.revoked, true);
    assert.equal(after.find(secretOf('a'))?.hasTopic('y'), false);
  });
});
