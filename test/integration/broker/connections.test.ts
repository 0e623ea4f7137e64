/**
 * Two thousand connections, one of which never reads: the others are served as if it were not
 * there.
 */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';
import type { Client } from '../../support/client.js';

const CONNECTIONS = 2000;
const MIB = 1024 * 1024;

describe('2,000 connections, one of which never reads', function () {
  this.timeout(60_000);
  let broker: TestBroker;
  let clients: Client[];
  let producer: Client;

  before(async () => {
    broker = await TestBroker.start();
    clients = await Promise.all(Array.from({ length: CONNECTIONS }, () => broker.connect()));
    producer = await broker.connect();
    for (const topic of ['t', 'big']) await producer.expect(200, 'declare', { topic });
    const stuck = await broker.connect();
    stuck.socket.pause();
    for (let n = 0; n < 64; n++) stuck.send({ cmd: 'consume', topic: 'big', id: `c${n}` });
    for (let n = 0; n < 64; n++) {
      await producer.expect(200, 'produce', { topic: 'big', ack_level: 'page' }, Buffer.alloc(MIB));
    }
  });
  after(cleanUp);

  it('each of the others is answered', async () => {
    const replies = await Promise.all(clients.map((client) => client.request('ping')));
    assert(replies.every(({ status }) => status === 200));
  });

  it('each of the others that waits gets one message, in the order they came', async () => {
    const waiting = clients.map((client) => client.request('consume', { topic: 't' }));
    await Promise.all(clients.map((client) => client.fence()));
    await Promise.all(
      clients.map((_, n) => producer.expect(200, 'produce', { topic: 't' }, String(n))),
    );
    const bodies = (await Promise.all(waiting)).map(({ body }) => Number(body.toString()));
    assert.deepEqual(
      [...bodies].sort((a, b) => a - b),
      clients.map((_, n) => n),
    );
  });

  it('what the one does not take stays in its topic', async () => {
    const { messageCount } = await producer.query<{ messageCount: number }>('big', 'big');
    assert(messageCount > 32, `${messageCount} of 64 MiB left: the rest waits in memory`);
  });

  it('all of them gone, no consumer is left', async () => {
    await Promise.all(clients.map((client) => client.close()));
    const { consumerCount } = await producer.query<{ consumerCount: number }>('t');
    assert.equal(consumerCount, 0);
  });
});
