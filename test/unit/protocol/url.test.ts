/** URLs in both dialects, under headers that win. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import type { Message } from '../../../src/protocol/message.js';
import { type Command, parseCommand } from '../../../src/protocol/url.js';

function command(url: string, headers: Record<string, string> = {}, body = ''): Command {
  const message: Message = {
    method: 'GET',
    url,
    status: 0,
    httpMinor: 1,
    headers: new Map(Object.entries(headers)),
    body: Buffer.from(body),
  };
  return parseCommand(message);
}

/** [cmd, topic, consume_group]. */
function meaning(url: string, headers: Record<string, string> = {}): (string | undefined)[] {
  const asked = command(url, headers);
  return [asked.cmd, asked.get('topic'), asked.get('consume_group')];
}

function refuses(url: string, message: RegExp): void {
  assert.throws(() => command(url), { code: 'ZBUS_BAD_REQUEST', status: 400, message });
}

describe('URL: command first (0.8)', () => {
  it('names command, topic and group in the path', () => {
    assert.deepEqual(meaning('/produce/MyTopic'), ['produce', 'MyTopic', undefined]);
    assert.deepEqual(meaning('/consume/MyTopic/g1'), ['consume', 'MyTopic', 'g1']);
    assert.deepEqual(meaning('/ping'), ['ping', undefined, undefined]);
    assert.deepEqual(meaning('/server'), ['server', undefined, undefined]);
  });

  it('takes pairs between & and && as headers', () => {
    const asked = command('/declare/MyTopic/g1?group_filter=abc.*&&group_mask=16&&&x=1&');
    assert.equal(asked.get('group_filter'), 'abc.*');
    assert.equal(asked.get('group_mask'), '16');
    assert.equal(asked.get('x'), '1');
  });

  it('ignores a slash at the end', () => {
    assert.deepEqual(meaning('/consume/T/'), ['consume', 'T', undefined]);
    assert.deepEqual(meaning('/consume/T/g/'), ['consume', 'T', 'g']);
  });

  it('lets the path win over a pair of the same name', () => {
    assert.deepEqual(meaning('/consume/T/g?topic=U&consume_group=h&cmd=remove'), [
      'consume',
      'T',
      'g',
    ]);
  });

  it('keeps what follows the topic of an rpc as its segments', () => {
    const asked = command('/rpc/Rpc1/plus/1/a%2Fb?module=calc');
    assert.equal(asked.cmd, 'rpc');
    assert.equal(asked.get('topic'), 'Rpc1');
    assert.equal(asked.get('consume_group'), undefined);
    assert.equal(asked.get('module'), 'calc');
    assert.deepEqual(asked.segments, ['rpc', 'Rpc1', 'plus', '1', 'a/b']);
  });
});

describe('URL: topic first (0.11)', () => {
  it('names the command in the query', () => {
    assert.deepEqual(meaning('/?cmd=declare&topic=MyTopic'), ['declare', 'MyTopic', undefined]);
    assert.deepEqual(meaning('/MyTopic?cmd=declare&consume_group=g1'), [
      'declare',
      'MyTopic',
      'g1',
    ]);
    assert.deepEqual(meaning('/MyTopic/g1?cmd=consume'), ['consume', 'MyTopic', 'g1']);
    assert.deepEqual(meaning('?cmd=ping'.padStart(10, '/')), ['ping', undefined, undefined]);
  });

  it('names the topic for a command in a header', () => {
    assert.deepEqual(meaning('/MyTopic/g1', { cmd: 'consume' }), ['consume', 'MyTopic', 'g1']);
  });

  it('takes a first part that is no command for one that is not known', () => {
    const asked = command('/nosuch/x');
    assert.equal(asked.cmd, 'nosuch');
    assert.deepEqual(asked.segments, ['nosuch', 'x']);
  });

  it('keeps topic, module, method and parameters for a topic that carries RPC', () => {
    assert.deepEqual(command('/Rpc1/calc/plus/1/2').segments, ['Rpc1', 'calc', 'plus', '1', '2']);
  });
});

describe('URL: headers win', () => {
  it('over command, topic, group and pairs', () => {
    const headers = { cmd: 'consume', topic: 'H', consume_group: 'h', x: '1' };
    assert.deepEqual(meaning('/produce/T/g', headers), ['consume', 'H', 'h']);
    assert.equal(command('/produce/T?x=2', headers).get('x'), '1');
    assert.equal(command('/produce/T?x=2', headers).headers.get('x'), '1');
  });

  it('even when they are empty', () => {
    assert.equal(command('/produce/T', { cmd: '' }).cmd, '');
  });

  it('and the pairs join them', () => {
    const { headers } = command('/produce/T?x=2&Y=3', { a: '1' });
    assert.deepEqual(
      [...headers],
      [
        ['a', '1'],
        ['x', '2'],
        ['y', '3'],
      ],
    );
  });
});

describe('URL: body', () => {
  it('is the body when there is none, and stays a header', () => {
    const asked = command('/produce/T?body=hello%20%E4%BB%B7');
    assert.equal(asked.body.toString(), 'hello 价');
    assert.equal(asked.headers.get('body'), Buffer.from('hello 价').toString('latin1'));
  });

  it('loses against a body that was sent', () => {
    assert.equal(command('/T?cmd=produce&body=hello', {}, 'posted').body.toString(), 'posted');
  });

  it('may hold line ends, which no header gets', () => {
    const asked = command('/produce/T?body=a%0D%0Ax:%20y');
    assert.equal(asked.body.toString(), 'a\r\nx: y');
    assert.equal(asked.headers.has('body'), false);
  });
});

describe('URL: token', () => {
  it('is not taken from a URL', () => {
    const asked = command('/produce/T?token=secret&TOKEN=secret&to%6ben=secret&x=1');
    assert.equal(asked.get('token'), undefined);
    assert.equal(asked.headers.has('token'), false);
  });

  it('is not shown in the URL that consumers get', () => {
    for (const [url, shown] of [
      ['/produce/T?token=secret', '/produce/T?'],
      ['/produce/T?token=secret&x=1', '/produce/T?x=1'],
      ['/produce/T?x=1&TOKEN=secret&&y=2', '/produce/T?x=1&y=2'],
      ['/produce/T?%74oken=secret&to%6Ben=secret', '/produce/T?'],
      ['/produce/T?%54%4F%4B%45%4E=secret', '/produce/T?'],
      ['/produce/T?token=secret?token=more', '/produce/T?'],
      ['/produce/T?mytoken=1', '/produce/T?mytoken=1'],
      ['/produce/token=1', '/produce/token=1'],
      ['/produce/T?x=token=1', '/produce/T?x=token=1'],
    ] as const) {
      assert.equal(command(url).url, shown, url);
    }
  });
});

describe('URL: decoding', () => {
  it('decodes %XX to bytes in path, names and values', () => {
    const asked = command('/consume/%E4%BB%B7/a%2fb?tag=%41&%78=%26%3d');
    assert.equal(asked.get('topic'), '\xe4\xbb\xb7');
    assert.equal(asked.get('consume_group'), 'a/b');
    assert.equal(asked.get('tag'), 'A');
    assert.equal(asked.get('x'), '&=');
  });

  it('keeps + as it is, since filters mean it', () => {
    assert.equal(command('/declare/T/g?group_filter=a.+.c').get('group_filter'), 'a.+.c');
  });

  it('takes the first of two pairs, a pair without = as empty, and = in a value', () => {
    const asked = command('/produce/T?x=1&x=2&y&z=a=b');
    assert.deepEqual([asked.get('x'), asked.get('y'), asked.get('z')], ['1', '', 'a=b']);
  });

  it('refuses a % without two hex digits behind it', () => {
    for (const url of ['/produce/%', '/produce/%4', '/produce/%zz', '/produce/T?x=%', '/p?%=1']) {
      refuses(url, /two hex digits/);
    }
  });

  it('refuses line ends and NUL in what becomes a header', () => {
    for (const value of ['%0d', '%0A', '%00', '%0d%0aevil:1', '%7f']) {
      refuses(`/produce/T?x=${value}`, /x must not hold control characters/);
    }
    refuses('/produce/T?a%0d%0ab=1', /header name/);
    refuses('/produce/T?a%20b=1', /header name/);
    refuses('/produce/T?=1', /header name/);
  });
});

describe('URL: other forms of target', () => {
  it('takes path and query of an absolute URL', () => {
    assert.deepEqual(meaning('http://127.0.0.1:15555/consume/T/g'), ['consume', 'T', 'g']);
    assert.deepEqual(meaning('HTTPS://host/T?cmd=consume'), ['consume', 'T', undefined]);
    assert.deepEqual(meaning('http://host?cmd=ping'), ['ping', undefined, undefined]);
    assert.deepEqual(meaning('http://host'), ['', undefined, undefined]);
  });

  it('takes / for the page', () => {
    assert.deepEqual(meaning('/'), ['', undefined, undefined]);
  });

  it('refuses what is no path', () => {
    for (const url of ['produce/T', 'host:80', 'ftp://host/T', '*', '**', 'http://']) {
      refuses(url, /must begin with \/ or http/);
    }
  });
});

describe('URL: remembering', () => {
  it('does not mix up what the same URL means under different headers', () => {
    assert.equal(command('/produce/T', { topic: 'A' }).get('topic'), 'A');
    assert.equal(command('/produce/T').get('topic'), 'T');
    assert.equal(command('/produce/T?body=q', {}, 'sent').body.toString(), 'sent');
    assert.equal(command('/produce/T?body=q').body.toString(), 'q');
  });

  it('stays right through more URLs than it remembers', () => {
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < 3000; i++) assert.equal(command(`/produce/T${i}`).get('topic'), `T${i}`);
    }
  });
});

describe('what names something', () => {
  it('is decoded once, whether a header or the URL gave it', () => {
    assert.equal(command('/produce/t?tag=50%25').get('tag'), '50%');
    assert.equal(command('/produce/t?tag=50%25').encoded('tag'), '50%25');
    assert.equal(command('/produce/t', { tag: '50%25' }).encoded('tag'), '50%25');
    assert.equal(command('/produce/t').encoded('tag'), undefined);
  });
});
