/** The home page shows what it should, and cannot be made to run or load anything. */
import assert from 'node:assert/strict';
import { retentionText } from '../../../src/config/config.js';
import { homePage } from '../../../src/server/home.js';

describe('the home page', () => {
  const { headerLines, body } = homePage({
    version: '1.2.3',
    address: '127.0.0.1:15555',
    sslEnabled: false,
    retention: null,
  });

  it('names the version, the address and the commands', () => {
    assert(body.includes('zbus <small>1.2.3</small>'));
    assert(body.includes('curl http://127.0.0.1:15555/produce/hello -d'));
    for (const command of ['declare', 'produce', 'consume', 'query', 'empty', 'remove', 'ping']) {
      assert(body.includes(`>/${command}`), command);
    }
  });

  it('says what is deleted by itself', () => {
    assert(body.includes('<p>Nothing is ever deleted by itself, unless a topic has a rule'));
    const rule = retentionText({
      retentionBytes: 1024 ** 3,
      retentionAgeMs: 5000,
      retentionConsumed: true,
    });
    const { body: ruled } = homePage({
      version: '1.2.3',
      address: 'a:1',
      sslEnabled: false,
      retention: rule,
    });
    const sentence =
      'Messages beyond 1GiB a topic or older than 5000 ms or consumed by all groups are deleted, ';
    assert(ruled.includes(sentence), ruled);
  });

  it('loads nothing and runs nothing', () => {
    assert.doesNotMatch(body, /<script|<link|<img|<iframe|@import|url\(|\son\w+=/u);
    assert.match(headerLines, /default-src 'self'; .*frame-ancestors 'none'\r\n/u);
  });

  it('is bytes and letters at once, so its length is right', () => {
    const { body: odd } = homePage({
      version: 'ü',
      address: '<script>"\'&\r\n',
      sslEnabled: false,
      retention: '<b>',
    });
    assert(odd.includes('&#60;b&#62;'));
    assert.equal(Buffer.byteLength(odd, 'utf8'), odd.length);
    assert.doesNotMatch(odd, /<script/u);
    assert(odd.includes('&#60;script&#62;'));
  });

  it('has header lines that are whole and in lower case', () => {
    for (const line of headerLines.split('\r\n').slice(0, -1)) assert.match(line, /^[a-z-]+: \S/u);
    assert(headerLines.endsWith('\r\n'));
  });
});
