/** Requests that must be refused: alone, behind a good request, and cut everywhere. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { cutAt, cutEvery, decode, decodeChunks } from './decoding.js';
import { limits, malformed } from './malformed.js';

const GOOD = Buffer.from('POST /produce/T HTTP/1.1\r\nid: 1\r\ncontent-length: 4\r\n\r\ngood');
/** Above this, cuts are only tried near both ends: what lies between is padding. */
const EVERY_CUT_BYTES_MAX = 300;

function cuts(length: number): number[] {
  const all = Array.from({ length: length + 1 }, (_, i) => i);
  if (length <= EVERY_CUT_BYTES_MAX) return all;
  return all.filter((i) => i < 80 || i > length - 20);
}

describe('a malformed request', () => {
  for (const { name, bytes, status } of malformed) {
    describe(name, () => {
      it(`is refused with ${status}`, () => {
        const { messages, outcome, reason } = decode(bytes, limits);
        assert.equal(outcome, status, reason);
        assert.deepEqual(messages, []);
        assert.match(reason, /^[\x20-\x7e]{8,}$/);
      });

      it('is refused behind a good request, which is still served', () => {
        const { messages, outcome } = decode(Buffer.concat([GOOD, bytes]), limits);
        assert.equal(outcome, status);
        assert.deepEqual(
          messages.map(({ body }) => body.toString()),
          ['good'],
        );
      });

      it('is refused alike wherever it is cut', () => {
        const { reason } = decode(bytes, limits);
        for (const place of cuts(bytes.length)) {
          const cut = decodeChunks(cutAt(bytes, [place]), limits);
          assert.deepEqual([cut.outcome, cut.reason], [status, reason], `cut at ${place}`);
        }
        const single = decodeChunks(cutEvery(bytes, 1), limits);
        assert.deepEqual([single.outcome, single.reason], [status, reason], 'byte by byte');
      });
    });
  }
});
