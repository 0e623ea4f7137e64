/** A token as a subprotocol: it arrives whatever it holds, and never comes back. */
import assert from 'node:assert/strict';
import { decodePercent } from '../../../src/protocol/percent.js';
import { chosenOf, protocolsWith, tokenOf } from '../../../src/protocol/websocket-token.js';

/** RFC 9110, 5.6.2: what a browser takes as a subprotocol. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

describe('a token as a subprotocol', () => {
  for (const token of ['plain-1', 'a/b+c.d_e~f', '(),; "%2', 'é']) {
    it(`arrives: ${token}`, () => {
      const offered = protocolsWith(token);
      for (const name of offered) assert.match(name, TOKEN);
      const arrived = decodePercent(tokenOf(offered.join(', ')) ?? '');
      assert.equal(Buffer.from(arrived, 'latin1').toString(), token);
    });
  }

  it('is not offered where there is none', () => {
    assert.deepEqual([protocolsWith(undefined), protocolsWith('')], [[], []]);
  });

  it('is never the answer', () => {
    assert.equal(chosenOf(protocolsWith('secret')), 'zbus');
    assert.equal(chosenOf(['zbus.token.secret']), false);
    assert.equal(chosenOf(['zbus.token.secret', 'other']), 'other');
  });
});
