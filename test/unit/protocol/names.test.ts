/** Names, tags and ids: what is allowed, what is the same, and which folder a name gets. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import {
  checkGroupName,
  checkId,
  checkTag,
  checkTopicName,
  decodeValue,
  folderName,
  isFolderName,
  latin1Of,
  nameKey,
  nameOfFolder,
  textOf,
} from '../../../src/protocol/names.js';

/** Letters that change their length or their form when they are folded. */
const FOLDING = ['ß', 'ẞ', 'ſ', 'ς', 'σ', 'İ', 'ı', 'é', '价', 'ﬃ', '\u0958'];

const allowedUnit = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...'aAbBzZ09._-:@/+'.split(/(?:)/)) },
  { weight: 1, arbitrary: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(...FOLDING),
  },
);
const reserved = fc.constantFrom(
  'con',
  'NUL',
  'com1',
  'lpt9.txt',
  'zbus.lock',
  'lost+found',
  '.a',
  'a.',
);

function isAllowed(name: string): boolean {
  try {
    return checkTopicName(name) === name;
  } catch {
    return false;
  }
}

const name = fc
  .oneof(fc.string({ unit: allowedUnit, minLength: 1, maxLength: 40 }), reserved)
  .filter(isAllowed);

/** How a case-blind, Unicode-normalising disk sees a file name. */
function onCaseBlindDisk(folder: string): string {
  return folder.normalize('NFD').toUpperCase().toLowerCase().normalize('NFD');
}

describe('names of topics and groups', () => {
  it('may be letters, marks and digits of any script and . _ - : @ / +', () => {
    for (const allowed of [
      'T',
      'My.Topic_1-a',
      'a/b:c@d+e',
      '价格',
      'é',
      'e\u0301',
      '.hidden',
      '...',
      'नमस्ते',
      '٣',
    ]) {
      assert.equal(checkTopicName(allowed), allowed);
      assert.equal(checkGroupName(allowed), allowed);
    }
  });

  it('may hold nothing else', () => {
    const refused = [
      '',
      ' ',
      'a b',
      'a*',
      'a#',
      'a;b',
      'a,b',
      'a=b',
      'a~',
      'a%',
      'a\\b',
      'a"b',
      "a'b",
      'a<b',
      'a|b',
      'a?b',
      'a\0',
      'a\n',
      'a\r',
      'a\x7f',
      'a\u0085',
      'a\u200b',
      'a\u202e',
      'a\u2028',
      '\ufeffa',
      '🙂',
      '\ud800',
      '.',
      '..',
    ];
    for (const bad of refused) {
      assert.throws(
        () => checkTopicName(bad),
        {
          code: 'ZBUS_BAD_REQUEST',
          message: /^Bad topic ".*": must be letters and digits of any script and /u,
        },
        JSON.stringify(bad),
      );
      assert.throws(() => checkGroupName(bad), { message: /^Bad consume_group / });
    }
  });

  it('may have 127 bytes of UTF-8, and not one more', () => {
    for (const [unit, count] of [
      ['a', 127],
      ['é', 63],
      ['价', 42],
    ] as const) {
      assert.equal(checkTopicName(unit.repeat(count)), unit.repeat(count));
      assert.throws(() => checkTopicName(unit.repeat(count + 1)), { status: 400 });
    }
  });

  it('may not grow past 127 bytes in their folded form', () => {
    assert.throws(() => checkTopicName('İ'.repeat(63)), { status: 400 });
    assert.throws(() => checkTopicName('\u0958'.repeat(42)), { status: 400 });
  });

  it('are quoted on one line and cut in errors', () => {
    assert.throws(
      () => checkTopicName(`a\r\nb${'x'.repeat(500)}`),
      (error: Error) => {
        assert.doesNotMatch(error.message, /[\r\n]/);
        return error.message.length < 300;
      },
    );
  });

  it('are the same without regard to case and to how accents are written', () => {
    const pairs = [
      ['MyTopic', 'mytopic'],
      ['É', 'é'],
      ['e\u0301', 'é'],
      ['ΣΑΣ', 'σας'],
      ['ς', 'σ'],
      ['ſ', 's'],
      ['\u212a', 'k'],
    ] as const;
    for (const [a, b] of pairs) assert.equal(nameKey(a), nameKey(b), `${a} ${b}`);
    assert.notEqual(nameKey('a'), nameKey('b'));
    assert.notEqual(nameKey('a.b'), nameKey('a/b'));
  });

  it('have a key that is its own key', () => {
    fc.assert(
      fc.property(name, (text) => nameKey(nameKey(text)) === nameKey(text)),
      { numRuns: 2000 },
    );
  });
});

describe('folders of names', () => {
  it('are these', () => {
    for (const [text, folder] of [
      ['MyTopic', 'mytopic'],
      ['a/b', 'a,b'],
      ['../../etc/passwd', '~..,..,etc,passwd'],
      ['/', ','],
      ['c:d', 'c=d'],
      ['.hidden', '~.hidden'],
      ['a.', 'a.~'],
      ['...', '~...~'],
      ['CON', '~con'],
      ['nul.txt', '~nul.txt'],
      ['com1', '~com1'],
      ['console', 'console'],
      ['com10', 'com10'],
      ['zbus.lock', '~zbus.lock'],
      ['lost+found', '~lost+found'],
      ['价格', '价格'],
    ] as const) {
      assert.equal(folderName(nameKey(text)), folder);
    }
  });

  it('give their name back', () => {
    fc.assert(
      fc.property(name, (text) => {
        const key = nameKey(text);
        const folder = folderName(key);
        assert.equal(nameOfFolder(folder), key);
        assert.equal(nameOfFolder(folder.normalize('NFD')), key);
        assert.ok(isFolderName(folder));
        assert.ok(isFolderName(folder.normalize('NFD')));
      }),
      { numRuns: 5000 },
    );
  });

  it('never leave the data folder, hide, or take a reserved name', () => {
    fc.assert(
      fc.property(name, (text) => {
        const folder = folderName(nameKey(text));
        assert.doesNotMatch(folder, /[/\\:*?"<>|\0-\x1f\x7f]|^\.|[. ]$/);
        assert.doesNotMatch(folder, /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)|^zbus\./i);
        assert.ok(Buffer.byteLength(`${folder}.cursor`) <= 255);
      }),
      { numRuns: 5000 },
    );
  });

  it('are the same on a case-blind disk only for the same name', () => {
    fc.assert(
      fc.property(name, name, (a, b) => {
        const same =
          onCaseBlindDisk(folderName(nameKey(a))) === onCaseBlindDisk(folderName(nameKey(b)));
        assert.equal(same, nameKey(a) === nameKey(b), `${a} ${b}`);
      }),
      { numRuns: 5000 },
    );
  });

  it('are told from what is not ours', () => {
    for (const folder of [
      'zbus.lock',
      'lost+found',
      '.removed-1',
      'MyTopic',
      'a b',
      '~a',
      'a~',
      '',
      '~',
      '.',
      '..',
      'con',
    ]) {
      assert.equal(isFolderName(folder), false, folder);
    }
  });
});

describe('tags and ids', () => {
  it('takes a tag of any bytes but control characters, %XX decoded', () => {
    assert.equal(checkTag('a%2Eb'), 'a.b');
    assert.equal(checkTag('c++ #1; *'), 'c++ #1; *');
    assert.equal(checkTag('\xe4\xbb\xb7'), '\xe4\xbb\xb7');
    for (const bad of ['a\0', '%00', '%0d%0a', 'a%7F']) {
      assert.throws(() => checkTag(bad), { message: /^Bad tag ".*": must be at most 255 bytes/ });
    }
    assert.throws(() => checkTag('50%'), { message: /two hex digits/ });
  });

  it('takes a tag of 255 bytes, and not one more', () => {
    assert.equal(checkTag('t'.repeat(255)).length, 255);
    assert.throws(() => checkTag('t'.repeat(256)), { status: 400 });
  });

  it('takes an id of 1 to 127 bytes without spaces', () => {
    for (const id of ['1', 'x'.repeat(127), 'a:b/c', '\xe4\xbb\xb7']) assert.equal(checkId(id), id);
    for (const id of ['', 'x'.repeat(128), 'a b', 'a\r', 'a\0', 'a\x7f']) {
      assert.throws(() => checkId(id), { message: /^Bad id ".*": must be 1 to 127 bytes/ });
    }
  });
});

describe('bytes and text', () => {
  it('are the same both ways', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        assert.equal(textOf(latin1Of(text)), text);
        assert.equal(latin1Of(text), Buffer.from(text).toString('latin1'));
      }),
    );
  });

  it('decodes %XX, then UTF-8', () => {
    assert.equal(decodeValue('%E4%BB%B7'), '价');
    assert.equal(decodeValue('\xe4%BB\xb7'), '价');
    assert.equal(decodeValue('a+b'), 'a+b');
    for (const bad of ['\xff', '%ff', '%c0%af', '%ed%a0%80', '\xe4\xbb']) {
      assert.throws(() => decodeValue(bad), { status: 400, message: /must be UTF-8/ }, bad);
    }
  });
});
