/** Which token files are taken, and that a refusal is one line without a secret. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseTokenFile, readTokenFile } from '../../../src/auth/token-file.js';
import { ConfigError } from '../../../src/config/config-error.js';
import { cleanUp } from '../../support/cleanup.js';
import { tempFolder } from '../../support/temp-folder.js';
import { secretOf, token, tokenFile } from '../../support/tokens.js';

const SECRET = secretOf('shop');
const HASH = 'ab'.repeat(32);

function refusal(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    assert(error instanceof ConfigError, String(error));
    assert(!error.message.includes('\n'), 'one line');
    assert(!error.message.includes(SECRET), 'without the secret');
    return error.message;
  }
  assert.fail('the file was taken');
}

describe('a token file', () => {
  afterEach(cleanUp);

  for (const mode of [0o600, 0o400]) {
    it(`is read with mode ${mode.toString(8)}`, () => {
      const file = tokenFile([token('shop', ['produce'])]);
      chmodSync(file, mode);
      assert.equal(parseTokenFile(readTokenFile(file), file)[0]?.name, 'shop');
    });
  }

  for (const mode of [0o644, 0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o666]) {
    it(`is refused with mode ${mode.toString(8)}`, () => {
      const file = tokenFile([]);
      chmodSync(file, mode);
      assert.match(
        refusal(() => readTokenFile(file)),
        new RegExp(`mode 0${mode.toString(8)}.*600`),
      );
    });
  }

  // Only root can give a file away.
  if (process.getuid?.() === 0) {
    it('is refused when it belongs to another user', () => {
      const file = tokenFile([]);
      chownSync(file, 12345, 0);
      assert.match(
        refusal(() => readTokenFile(file)),
        /belongs to user 12345/,
      );
    });
  }

  it('may be behind a link, and is checked there', () => {
    const file = tokenFile([]);
    const link = join(tempFolder(), 'link');
    symlinkSync(file, link);
    assert.equal(readTokenFile(link), '[]');
    chmodSync(file, 0o644);
    assert.match(
      refusal(() => readTokenFile(link)),
      /mode 0644/,
    );
  });

  it('is refused when it is not there, a folder, a FIFO or too large', () => {
    const folder = tempFolder();
    const fifo = join(folder, 'fifo');
    execFileSync('mkfifo', ['-m', '600', fifo]);
    const large = join(folder, 'large');
    writeFileSync(large, ' '.repeat(1024 * 1024 + 1), { mode: 0o600 });
    mkdirSync(join(folder, 'folder'), 0o700);
    assert.match(
      refusal(() => readTokenFile(join(folder, 'none'))),
      /cannot read .*ENOENT/,
    );
    assert.match(
      refusal(() => readTokenFile(join(folder, 'folder'))),
      /is not a file|EISDIR/,
    );
    assert.match(
      refusal(() => readTokenFile(fifo)),
      /is not a file/,
    );
    assert.match(
      refusal(() => readTokenFile(large)),
      /is larger than/,
    );
  });

  const shop = { name: 'shop', secret: SECRET, operations: ['produce'] };
  const refused: readonly [what: string, content: unknown, reason: RegExp][] = [
    ['an object', {}, /must hold one JSON array/],
    ['an unknown field', [{ ...shop, topic: ['x'] }], /topic/],
    ['a token without a name', [{ ...shop, name: undefined }], /\[0\]\.name/],
    ['a name that is none', [{ ...shop, name: 'a\r\nb' }], /\[0\]\.name must be/],
    ['a short secret', [{ ...shop, secret: 'x'.repeat(15) }], /\[0\]\.secret must be 16/],
    ['a secret no header can carry', [{ ...shop, secret: `${SECRET}, x` }], /\.secret must be/],
    ['neither secret nor hash', [{ ...shop, secret: undefined }], /either secret or sha256/],
    ['both', [{ ...shop, sha256: HASH }], /either secret or sha256/],
    ['a hash that is none', [{ ...shop, secret: undefined, sha256: 'ab' }], /64 hex digits/],
    ['no operations', [{ ...shop, operations: [] }], /at least one operation/],
    [
      'an unknown operation',
      [shop, { ...shop, name: 'b', operations: ['Produce'] }],
      /^the token file t: \[1\]\.operations\[0\] is no operation; .* is produce$/,
    ],
    ['a bad pattern', [{ ...shop, topics: ['#.a'] }], /\[0\]\.topics\[0\] is no pattern/],
    ['a bad pattern of groups', [{ ...shop, groups: [''] }], /\[0\]\.groups\[0\] is no pattern/],
    ['one name twice', [shop, { ...shop, secret: secretOf('b') }], /two tokens shop/],
    ['one secret twice', [shop, { ...shop, name: 'b' }], /shop and b have one secret/],
  ];
  for (const [what, content, reason] of refused) {
    it(`is refused with ${what}`, () => {
      assert.match(
        refusal(() => parseTokenFile(JSON.stringify(content), 't')),
        reason,
      );
    });
  }

  it('is refused when it is not JSON, and says where but not what', () => {
    const text = `[{"name": "shop",\n "secret": "${SECRET}" "operations": []}]`;
    assert.match(
      refusal(() => parseTokenFile(text, 't')),
      /is not JSON/,
    );
    assert.match(
      refusal(() => parseTokenFile(SECRET, 't')),
      /is not JSON/,
    );
  });

  it('may be empty: then nobody is let in', () => {
    assert.deepEqual(parseTokenFile('[]', 't'), []);
  });
});
