/** Masks, headers, commands and what is encoded: the tables of the protocol. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { BadRequestError } from '../../../src/errors.js';
import { isCommandName } from '../../../src/protocol/commands.js';
import { encodeReply, encodeRequest, statusText } from '../../../src/protocol/encode.js';
import { isPassedOn } from '../../../src/protocol/headers.js';
import { hasMask, Mask, parseMask } from '../../../src/protocol/masks.js';
import type { Message } from '../../../src/protocol/message.js';

describe('masks', () => {
  it('are the bits of the family', () => {
    assert.deepEqual(Object.entries(Mask), [
      ['memory', 1],
      ['rpc', 2],
      ['proxy', 4],
      ['pause', 8],
      ['exclusive', 16],
      ['deleteOnExit', 32],
      ['ackRequired', 64],
    ]);
  });

  it('are read as sums of bits', () => {
    for (const mask of [0, 1, 16, 48, 64, 127])
      assert.equal(parseMask('topic_mask', String(mask)), mask);
    assert.equal(hasMask(48, Mask.exclusive), true);
    assert.equal(hasMask(48, Mask.pause), false);
  });

  it('are refused when they are no number or hold an unknown bit', () => {
    for (const bad of [
      '',
      '-1',
      '+1',
      '0x1',
      '1e1',
      '1.0',
      ' 1',
      '128',
      '255',
      '4294967296',
      '9'.repeat(40),
      'memory',
    ]) {
      assert.throws(
        () => parseMask('topic_mask', bad),
        {
          code: 'ZBUS_BAD_REQUEST',
          message: /^Bad topic_mask ".*": must be a sum of memory 1, rpc 2, /,
        },
        bad,
      );
    }
  });
});

describe('headers of a producer', () => {
  it('reach the consumer when they are his own', () => {
    for (const name of [
      'x-mine',
      'content-type',
      'body',
      'user-agent',
      'traceparent',
      'module',
      'encoding',
    ]) {
      assert.equal(isPassedOn(name), true, name);
    }
  });

  it('do not when they are secrets, ours, of the connection, or for a server to say', () => {
    const kept = [
      'token',
      'authorization',
      'cookie',
      'cmd',
      'ack',
      'id',
      'topic',
      'tag',
      'sender',
      'host',
      'origin_id',
      'origin_url',
      'origin_method',
      'origin_status',
      'offset',
      'timestamp',
      'retry',
      'consume_group',
      'content-length',
      'transfer-encoding',
      'connection',
      'expect',
      'upgrade',
      'keep-alive',
      'te',
      'trailer',
      'access-control-allow-origin',
      'content-security-policy',
      'set-cookie',
      'date',
    ];
    for (const name of kept) assert.equal(isPassedOn(name), false, name);
  });
});

describe('commands', () => {
  it('are told from topics by their exact name', () => {
    for (const name of ['produce', 'consume', 'rpc', 'track_sub', ''])
      assert.equal(isCommandName(name), true);
    for (const name of ['Produce', 'trackSub', 'MyTopic', 'constructor'])
      assert.equal(isCommandName(name), false);
  });
});

describe('encoding', () => {
  const request: Message = {
    method: 'POST',
    url: '/produce/T',
    status: 0,
    httpMinor: 1,
    headers: new Map([['id', '1']]),
    body: Buffer.from('body'),
  };

  it('writes start line, headers, length and body', () => {
    assert.equal(
      encodeRequest(request).toString(),
      'POST /produce/T HTTP/1.1\r\nid: 1\r\ncontent-length: 4\r\n\r\nbody',
    );
    assert.equal(
      encodeReply({ ...request, status: 404 }).toString(),
      'HTTP/1.1 404 Not Found\r\nid: 1\r\ncontent-length: 4\r\n\r\nbody',
    );
  });

  it('writes the length of the body, whatever the headers say', () => {
    const headers = new Map([
      ['content-length', '99'],
      ['transfer-encoding', 'chunked'],
    ]);
    assert.equal(
      encodeRequest({ ...request, headers }).toString(),
      'POST /produce/T HTTP/1.1\r\ncontent-length: 4\r\n\r\nbody',
    );
  });

  it('refuses what would end a line or is not latin1, in every part of a head', () => {
    const refused = { code: 'ZBUS_BAD_REQUEST' };
    for (const bad of ['a\r', 'a\n', 'a\0', 'a\r\nevil: 1', '价']) {
      assert.throws(() => encodeRequest({ ...request, url: bad }), refused);
      assert.throws(() => encodeRequest({ ...request, method: bad }), refused);
      assert.throws(() => encodeRequest({ ...request, headers: new Map([[bad, 'v']]) }), refused);
      assert.throws(() => encodeRequest({ ...request, headers: new Map([['n', bad]]) }), refused);
      assert.throws(() => encodeReply({ ...request, headers: new Map([['n', bad]]) }), refused);
    }
    assert.throws(() => encodeRequest({ ...request, headers: new Map([['a b', 'v']]) }), refused);
    assert.throws(() => encodeRequest({ ...request, url: '/a b' }), refused);
  });

  it('encodes each value of a header that it has seen before, and refuses a bad one', () => {
    const encoded = (value: string): string =>
      encodeRequest({ ...request, headers: new Map([['x-seen', value]]) }).toString('latin1');
    for (const value of ['one', 'one', 'two', '', 'one']) {
      assert.match(encoded(value), new RegExp(`^x-seen: ${value}\\r\\n`, 'm'));
    }
    assert.throws(() => encoded('a\r\nb: c'), BadRequestError);
    assert.match(encoded('one'), /^x-seen: one\r\n/m);
  });

  it('knows the text of each status that it sends', () => {
    assert.equal(statusText(200), 'OK');
    assert.equal(statusText(507), 'Insufficient Storage');
    assert.equal(statusText(599), 'Unknown');
  });
});
