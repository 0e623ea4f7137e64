/**
 * Which requests a browser may send: every row alone decides, whatever the method and the URL.
 */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import type { Message } from '../../../src/protocol/message.js';
import { OriginRules } from '../../../src/server/origin-rules.js';

function request(headers: Record<string, string>, method = 'GET', url = '/produce/t'): Message {
  const map = new Map(Object.entries(headers));
  return { method, url, status: 0, httpMinor: 1, headers: map, body: Buffer.alloc(0) };
}

const closed = { serverName: null, allowedHosts: [], allowedOrigins: [] };
const open = {
  serverName: 'Broker.Example.com:15555',
  allowedHosts: ['zbus'],
  allowedOrigins: ['https://app.example.com'],
};

const HOSTS: readonly (readonly [host: string, closed: boolean, open: boolean])[] = [
  ['127.0.0.1:15555', true, true],
  ['127.0.0.1', true, true],
  ['10.1.2.3:80', true, true],
  ['[::1]:15555', true, true],
  ['[::1]', true, true],
  ['localhost:15555', true, true],
  ['LOCALHOST', true, true],
  ['broker.example.com:15555', false, true],
  ['broker.example.com', false, true],
  ['zbus:15555', false, true],
  ['zbus.evil.example', false, false],
  ['evil.example', false, false],
  ['127.0.0.1.evil.example', false, false],
  ['localhost.evil.example', false, false],
  ['evil.example:15555', false, false],
  ['127.0.0.1@evil.example', false, false],
  ['localhost:15555:1', false, false],
  ['', false, false],
  ['127.1', false, false],
  ['[::1', false, false],
];

const ORIGINS: readonly (readonly [headers: Record<string, string>, status: number | null])[] = [
  [{ host: '127.0.0.1:15555', origin: 'http://127.0.0.1:15555' }, null],
  [{ host: 'localhost:15555', origin: 'http://LOCALHOST:15555' }, null],
  [{ host: 'localhost:15555', origin: 'https://localhost:15555' }, null],
  [{ host: 'localhost:15555', origin: 'http://localhost:3000' }, 403],
  [{ host: 'localhost:15555', origin: 'http://127.0.0.1:15555' }, 403],
  [{ host: 'localhost:15555', origin: 'null' }, 403],
  [{ host: 'localhost:15555', origin: '' }, 403],
  [{ host: 'localhost:15555', origin: 'https://evil.example' }, 403],
  [{ origin: 'http://127.0.0.1:15555' }, 403],
  [{ host: 'localhost:15555', origin: 'https://app.example.com' }, null],
  [{ host: 'localhost:15555', origin: 'https://APP.example.com' }, null],
  [{ host: 'localhost:15555', origin: 'http://app.example.com' }, 403],
  [{ host: 'localhost:15555', origin: 'https://app.example.com.evil.example' }, 403],
  [{ host: 'evil.example', origin: 'http://evil.example' }, 421],
  [{ host: 'localhost:15555', 'sec-fetch-site': 'same-origin' }, null],
  [{ host: 'localhost:15555', 'sec-fetch-site': 'none' }, null],
  [{ host: 'localhost:15555', 'sec-fetch-site': 'cross-site' }, 403],
  [{ host: 'localhost:15555', 'sec-fetch-site': 'same-site' }, 403],
  [{ host: 'localhost:15555', 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' }, 403],
];

describe('origin rules', () => {
  for (const [host, byDefault, configured] of HOSTS) {
    it(`know "${host}" ${byDefault ? 'always' : configured ? 'once it is named' : 'never'}`, () => {
      for (const [options, passes] of [
        [closed, byDefault],
        [open, configured],
      ] as const) {
        const refusal = new OriginRules(options).check(request({ host }));
        assert.equal(refusal?.status ?? null, passes ? null : 421);
      }
    });
  }

  for (const [headers, status] of ORIGINS) {
    it(`answer ${JSON.stringify(headers)} ${status ?? 'as asked'}, whatever the method`, () => {
      const rules = new OriginRules(open);
      for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH']) {
        assert.equal(rules.check(request(headers, method))?.status ?? null, status, method);
      }
    });
  }

  it('let native clients through, who send none of these headers', () => {
    assert.equal(new OriginRules(closed).check(request({ cmd: 'produce', id: '1' })), null);
  });

  it('let a link open the page, and nothing else', () => {
    const rules = new OriginRules(closed);
    const link = {
      host: 'localhost',
      'sec-fetch-site': 'cross-site',
      'sec-fetch-mode': 'navigate',
    };
    assert.equal(rules.check(request(link, 'GET', '/')), null);
    assert.equal(rules.check(request(link, 'POST', '/'))?.status, 403);
    assert.equal(rules.check(request(link, 'GET', '/?cmd=produce&topic=t&body=x'))?.status, 403);
  });

  it('look at the host of an absolute URL, which wins over the header', () => {
    const rules = new OriginRules(closed);
    const host = 'localhost';
    assert.equal(rules.check(request({ host }, 'GET', 'http://localhost:15555/ping')), null);
    assert.equal(rules.check(request({ host }, 'GET', 'http://evil.example/ping'))?.status, 421);
    assert.equal(rules.check(request({ host }, 'GET', 'HTTP://evil.example'))?.status, 421);
  });

  it('do not take a host for known because another one was', () => {
    const rules = new OriginRules(closed);
    assert.equal(rules.check(request({ host: 'localhost' })), null);
    assert.equal(rules.check(request({ host: 'evil.example' }))?.status, 421);
    assert.equal(rules.check(request({ host: 'evil.example' }))?.status, 421);
  });

  it('put no control character of a stranger into a reply', () => {
    const refusal = new OriginRules(closed).check(request({ host: 'evil\u0001\u00ff\u0007' }));
    assert.match(refusal?.reason ?? '', /^[\x20-\x7e]*$/);
  });
});
