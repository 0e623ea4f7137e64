/** The pure parts of the command line: places, lines, tables, masks, the window of produce. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import type { Produced } from '../../../src/client/mq-client.js';
import { linesOf, wholeOf } from '../../../src/cli/lines.js';
import { maskText, parseGroupMask, parseTopicMask } from '../../../src/cli/mask-names.js';
import { errorLine } from '../../../src/cli/outcome.js';
import { parsePlace } from '../../../src/cli/place.js';
import { SendWindow } from '../../../src/cli/send-window.js';
import { bytesText, tableText } from '../../../src/cli/table.js';
import { turn } from '../../support/wait.js';

async function* cut(text: string, at: number): AsyncGenerator<Buffer, void> {
  const bytes = Buffer.from(text);
  await turn();
  yield bytes.subarray(0, at);
  yield bytes.subarray(at);
}

async function lines(chunks: AsyncIterable<Buffer>, bytesMax = 100): Promise<string[]> {
  const found: string[] = [];
  for await (const line of linesOf(chunks, bytesMax)) found.push(line.toString());
  return found;
}

describe('lines', () => {
  it('are the same wherever the stream is cut', async () => {
    const text = 'grün\n\r\n\nb\r\nlast';
    for (let at = 0; at <= Buffer.byteLength(text); at++) {
      assert.deepEqual(await lines(cut(text, at)), ['grün', '', '', 'b', 'last'], `cut at ${at}`);
    }
  });

  it('have no empty one behind the last line end', async () => {
    assert.deepEqual(await lines(cut('a\n', 1)), ['a']);
    assert.deepEqual(await lines(cut('', 0)), []);
  });

  it('are refused beyond their bound, and before they are complete', async () => {
    await assert.rejects(lines(cut('a\n12345', 4), 4), /^Error: line 2 has more than 4 bytes/);
    await assert.rejects(wholeOf(cut('12345', 2), 4), /the message has more than 4 bytes/);
    assert.deepEqual(await lines(cut('1234\n1234', 3), 4), ['1234', '1234']);
  });
});

describe('places', () => {
  const now = Date.parse('2026-11-23T12:00:00Z');

  it('are words, offsets, times and times ago', () => {
    assert.deepEqual(parsePlace('begin'), { offset: 0 });
    assert.deepEqual(parsePlace('END'), { end: true });
    assert.deepEqual(parsePlace('42'), { offset: 42 });
    assert.deepEqual(parsePlace('-10m', now), { timeMs: now - 600_000 });
    assert.deepEqual(parsePlace('-1500ms', now), { timeMs: now - 1500 });
    assert.deepEqual(parsePlace('2026-11-23T12:00Z'), { timeMs: now });
    const local = new Date(2026, 10, 23).getTime();
    assert.deepEqual(parsePlace('2026-11-23'), { timeMs: local });
    assert.deepEqual(parsePlace('2026-11-23T00:00'), { timeMs: local });
  });

  it('are nothing else', () => {
    const wrong = ['', 'tomorrow', '-10', '10m', '1.5', '2026-13-01', '23.11.2026', '9'.repeat(17)];
    for (const text of wrong) assert.throws(() => parsePlace(text), /It must be begin, end/, text);
  });
});

describe('tables', () => {
  it('have columns as wide as their widest cell, in any script, and lines of one line', () => {
    const text = tableText(
      ['NAME', 'N'],
      [
        ['日本', 5],
        ['a\nb\u001b[2J', 10],
      ],
    );
    assert.equal(text, 'NAME      N\n日本      5\na b\ufffd[2J  10\n');
  });

  it('write bytes with three digits and a unit', () => {
    const texts = [0, 1023, 1024, 1536, 10 * 1024, 1024 * 1024 - 1, 3 * 1024 ** 3].map(bytesText);
    assert.deepEqual(texts, ['0 B', '1023 B', '1 KiB', '1.5 KiB', '10 KiB', '1 MiB', '3 GiB']);
  });
});

describe('masks by name', () => {
  it('are sums of their bits, and back', () => {
    assert.equal(parseTopicMask('memory,ack-required'), 1 + 64);
    assert.equal(parseGroupMask('none'), 0);
    assert.equal(maskText(8 + 16), 'pause,exclusive');
    assert.equal(maskText(0), '-');
  });

  it('are refused where they mean nothing', () => {
    assert.throws(() => parseTopicMask('exclusive'), /"exclusive" is none of memory, rpc/);
    assert.throws(() => parseGroupMask('pauze'), /did you mean pause\?/);
  });
});

describe('an error', () => {
  it('is one line whatever is in its message', () => {
    assert.equal(errorLine(new Error('a\r\nb\u001b[31m')), 'zbus: a b\ufffd[31m\n');
  });
});

describe('the window of produce', () => {
  const produced = (offset: number): Produced => {
    return { id: '', offset, ackLevel: 'disk', timestampMs: 0, attempts: 1 };
  };

  it('reports in the order of sending, and sends no more than fit', async () => {
    const reported: number[] = [];
    const window = new SendWindow(({ offset }) => {
      reported.push(offset);
      return Promise.resolve();
    });
    const answers: ((produced: Produced) => void)[] = [];
    const begin = (): Promise<Produced> => new Promise((resolve) => answers.push(resolve));
    const bytes = 2 * 1024 * 1024;
    for (let i = 0; i < 2; i++) await window.send(bytes, undefined, begin);
    const third = window.send(bytes, undefined, begin);
    await turn();
    assert.equal(answers.length, 2);
    answers[1]?.(produced(1));
    await turn();
    assert.deepEqual(reported, []);
    answers[0]?.(produced(0));
    await third;
    answers[2]?.(produced(2));
    await window.finish();
    assert.deepEqual(reported, [0, 1, 2]);
    assert.equal(window.ackedCount, 3);
  });

  it('sends nothing under an id that is in flight', async () => {
    const window = new SendWindow(() => Promise.resolve());
    const answers: ((produced: Produced) => void)[] = [];
    const begin = (): Promise<Produced> => new Promise((resolve) => answers.push(resolve));
    await window.send(1, 'same', begin);
    const second = window.send(1, 'same', begin);
    await turn();
    assert.equal(answers.length, 1);
    answers[0]?.(produced(0));
    await second;
    assert.equal(answers.length, 2);
    answers[1]?.(produced(1));
    await window.finish();
  });

  it('takes nothing more once one has failed, and counts what was acknowledged', async () => {
    const window = new SendWindow(() => Promise.resolve());
    await window.send(1, undefined, () => Promise.resolve(produced(0)));
    await window.send(1, undefined, () => Promise.reject(new Error('disk full')));
    await turn();
    const never = (): never => assert.fail('was sent');
    await assert.rejects(window.send(1, undefined, never), /disk full/);
    await assert.rejects(window.finish(), /disk full/);
    assert.deepEqual([window.ackedCount, window.openCount], [1, 0]);
  });
});
