/**
 * A process that runs out of open files: connections are refused or wait, the queue goes on
 * writing, and once the crowd has gone everybody is served again.
 */
import assert from 'node:assert/strict';
import { type Socket, connect } from 'node:net';
import { cleanUp, onCleanUp } from '../support/cleanup.js';
import { Client } from '../support/client.js';
import { tempFolder } from '../support/temp-folder.js';
import { BrokerProcess } from '../support/broker-process.js';

const CROWD = 500;
const OPEN_FILES_MAX = 128;
const MESSAGES = 200;
const BODY = Buffer.alloc(4096, 'x');
/** Small blocks: the queue must open new files while the crowd holds the rest. */
const ENV = { ZBUS_BLOCK_BYTES: String(64 * 1024) };

/** Connects and hangs on; what becomes of it is the broker's choice. */
function crowdMember(port: number): Socket {
  const socket = connect({ host: '127.0.0.1', port });
  socket.on('error', () => undefined);
  socket.resume();
  onCleanUp(() => {
    socket.destroy();
  });
  return socket;
}

async function produceAll(client: Client): Promise<void> {
  for (let n = 0; n < MESSAGES; n++) await client.expect(200, 'produce', { topic: 'files' }, BODY);
}

describe('ulimit -n 128', () => {
  afterEach(cleanUp);

  it('with 500 connections serves those it took, and all afterwards', async function () {
    this.timeout(60_000);
    const broker = new BrokerProcess({
      dir: tempFolder(),
      env: ENV,
      openFilesMax: OPEN_FILES_MAX,
    });
    onCleanUp(async () => {
      await broker.end('SIGKILL');
    });
    await broker.listening();
    const served = await Client.connect(broker.port);
    await served.expect(200, 'declare', { topic: 'files' });

    const crowd = Array.from({ length: CROWD }, () => crowdMember(broker.port));
    const settled = crowd.map((socket) => first(socket, 'connect', 'close'));
    await Promise.all(settled);
    await produceAll(served);
    await served.expect(200, 'declare', { topic: 'files-too' });

    for (const socket of crowd) socket.destroy();
    await Promise.all(crowd.map(closed));
    const late = await connectUntilServed(broker.port);
    await produceAll(late);
    const { messageDepth } = await late.query<{ messageDepth: number }>('files');
    assert.equal(messageDepth, 2 * MESSAGES);
    assert.equal((await broker.end('SIGTERM')).code, 0);
  });
});

/** The broker sees the crowd leave a moment after the crowd has left. */
async function connectUntilServed(port: number): Promise<Client> {
  for (;;) {
    const client = await Client.connect(port);
    const reply = await client.request('ping').catch(() => null);
    if (reply?.status === 200) return client;
  }
}

/** Whichever comes first; an error is followed by close. */
function first(socket: Socket, ...events: ('connect' | 'close')[]): Promise<void> {
  return new Promise((resolve) => {
    for (const event of events) socket.once(event, () => resolve());
  });
}

async function closed(socket: Socket): Promise<void> {
  if (!socket.closed) await first(socket, 'close');
}
