/** Bodies from nothing to the limit, and one byte beyond. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';
import type { Client } from '../../support/client.js';

const MIB = 1024 * 1024;

/** Bytes that no shift or repeat of a part leaves the same. */
function patterned(bytes: number): Buffer {
  const body = Buffer.alloc(bytes);
  for (let i = 0; i + 4 <= bytes; i += 4) body.writeUInt32LE((i * 2654435761) >>> 0, i);
  return body;
}

for (const [kind, mask] of [
  ['disk', 0],
  ['memory', 1],
] as const) {
  describe(`a body in a ${kind} topic`, () => {
    let broker: TestBroker;
    let client: Client;
    beforeEach(async () => {
      broker = await TestBroker.start();
      client = await broker.connect();
      await client.expect(200, 'declare', { topic: 't', topic_mask: mask });
    });
    afterEach(cleanUp);

    const sizes = [0, 1, 4095, 4096, 65_535, 65_536, 1_000_000, 16 * MIB - 1, 16 * MIB];
    for (const size of sizes) {
      it(`of ${size} bytes comes back as it was`, async () => {
        const body = patterned(size);
        await client.expect(200, 'produce', { topic: 't' }, body);
        const reply = await client.expect(200, 'consume', { topic: 't' });
        assert.equal(reply.headers.get('content-length'), String(size));
        assert(reply.body.equals(body), 'other bytes');
      });
    }

    it('of one byte above the limit is answered 413, and nothing is stored', async () => {
      client.send({ cmd: 'produce', topic: 't', id: 'large' }, Buffer.alloc(16 * MIB + 1));
      const reply = await client.next();
      assert.equal(reply.status, 413);
      await client.closed();
      const other = await broker.connect();
      assert.equal((await other.query<{ messageDepth: number }>('t')).messageDepth, 0);
    });
  });
}
