/** The outbox on a real pair of sockets: what it says was sent is with the kernel. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { Outbox } from '../../../src/server/outbox.js';
import { RecordedDelivery, until } from './harness.js';

const KIB = 1024;

describe('the outbox', () => {
  const sockets: Socket[] = [];
  const server = createServer();

  async function socketPair(): Promise<[source: Socket, target: Socket]> {
    if (!server.listening) {
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
    }
    const { port } = server.address() as AddressInfo;
    const accepted = once(server, 'connection') as Promise<[Socket]>;
    const target = connect(port, '127.0.0.1');
    const [source] = await accepted;
    for (const socket of [source, target]) socket.on('error', () => socket.destroy());
    sockets.push(source, target);
    return [source, target];
  }

  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
    server.close();
  });

  it('calls nothing delivered that the kernel has not taken', async () => {
    const [source, target] = await socketPair();
    target.pause();
    const outbox = new Outbox(source, () => {
      outbox.flush(0);
    });
    const size = 100 * KIB;
    const deliveries = Array.from({ length: 200 }, () => new RecordedDelivery());
    for (const delivery of deliveries) outbox.push('', Buffer.alloc(size), delivery);
    const delivered = (): number =>
      deliveries.reduce((sum, { deliveredCount }) => sum + deliveredCount, 0);
    outbox.flush(0);
    for (let turn = 0; turn < 100; turn++) {
      const taken = source.bytesWritten - source.writableLength;
      assert(delivered() * size <= taken, `${delivered()} delivered with ${taken} bytes taken`);
      assert.equal(outbox.unsentBytes, 200 * size - taken);
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert(outbox.writing && delivered() > 0 && delivered() < 200);
    target.resume();
    await until(() => delivered() === 200);
    assert.equal(outbox.unsentBytes, 0);
  });

  it('keeps the order of small and large pieces', async () => {
    const [source, target] = await socketPair();
    const outbox = new Outbox(source, () => {
      outbox.flush(0);
    });
    const expected: string[] = [];
    for (let i = 0; i < 300; i++) {
      const text = `<${i}>`.repeat(1 + (i % 50) * 20);
      const bytes = i % 3 === 0 ? Buffer.alloc((i % 7) * 30_000 + 1, 97 + (i % 26)) : null;
      outbox.push(text, bytes, null);
      expected.push(text, bytes?.toString('latin1') ?? '');
      if (i % 11 === 0) outbox.flush(0);
    }
    outbox.flush(0);
    const whole = expected.join('');
    const received: Buffer[] = [];
    target.on('data', (chunk: Buffer) => received.push(chunk));
    await until(() => received.reduce((sum, { length }) => sum + length, 0) >= whole.length);
    assert(Buffer.concat(received).toString('latin1') === whole);
  });
});
