/** Where a token is looked for, and that no second one is. */
import assert from 'node:assert/strict';
import { credentialOf } from '../../../src/auth/credentials.js';

describe('the token of a request', () => {
  const cases: readonly [what: string, headers: Record<string, string>, found?: string][] = [
    ['is none without any header', {}],
    ['is in the header token', { token: 'abc' }, 'abc'],
    ['is none when that is empty', { token: '' }],
    ['is decoded there', { token: 'a%2Bb%2f%3D' }, 'a+b/='],
    ['is taken as it is where it cannot be decoded', { token: 'a%2' }, 'a%2'],
    ['is behind Bearer', { authorization: 'Bearer abc' }, 'abc'],
    ['is behind bearer in any case and with spaces', { authorization: 'bEARER   abc' }, 'abc'],
    ['is not in Basic', { authorization: 'Basic abc' }],
    ['is not in Bearer alone', { authorization: 'Bearer' }],
    ['is in our cookie', { cookie: 'a=1; zbus_token=abc; b=2' }, 'abc'],
    ['is not in another cookie', { cookie: 'xzbus_token=abc; zbus_token2=d' }],
    [
      'is one that nobody has when our cookie comes twice',
      { cookie: 'zbus_token=a;zbus_token=b' },
      '',
    ],
    ['is the first of header and cookie', { token: 'a', cookie: 'zbus_token=b' }, 'a'],
    ['is the first of header and Bearer', { token: 'a', authorization: 'Bearer b' }, 'a'],
    [
      'is the first of Bearer and cookie',
      { authorization: 'Bearer b', cookie: 'zbus_token=c' },
      'b',
    ],
    [
      'is among the subprotocols of a WebSocket, decoded',
      { 'sec-websocket-protocol': 'zbus, zbus.token.a%2fb' },
      'a/b',
    ],
    ['is in none of those that are not ours', { 'sec-websocket-protocol': 'mqtt, zbus' }],
    [
      'is the first of subprotocol and cookie',
      { 'sec-websocket-protocol': 'zbus.token.a', cookie: 'zbus_token=b' },
      'a',
    ],
    ['is both when the header came twice, so that it is none', { token: 'a, b' }, 'a, b'],
  ];
  for (const [what, headers, found] of cases) {
    it(what, () => {
      assert.equal(credentialOf(new Map(Object.entries(headers))), found);
    });
  }
});
