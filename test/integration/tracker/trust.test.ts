/** Who may join a tracker, and whom a tracker believes: tokens and certificates between brokers. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { ConfigError } from '../../../src/config/config-error.js';
import { TestBroker } from '../../support/broker.js';
import { Authority } from '../../support/certificates.js';
import { cleanUp, onCleanUp } from '../../support/cleanup.js';
import { ManualClock } from '../../support/manual-clock.js';
import { tempFolder } from '../../support/temp-folder.js';
import { writeServerFiles } from '../../support/tls.js';
import { secretOf, token, tokenFile } from '../../support/tokens.js';
import { turn, until } from '../../support/wait.js';
import { addressOf, startServer, untilListed } from './tables.js';

function fileWith(text: string): string {
  const file = join(tempFolder(), 'file');
  writeFileSync(file, text, { mode: 0o600 });
  return file;
}

async function startTls(authority: Authority, config = {}, hosts?: string[]): Promise<TestBroker> {
  const subject = hosts === undefined ? { name: 'broker' } : { name: 'broker', hosts };
  const files = writeServerFiles(tempFolder(), authority.issue(subject));
  const broker = new TestBroker({ ...config, ...files });
  broker.authority = authority;
  await broker.start();
  return broker;
}

/** Answers ping, refuses whatever else and closes, as a broker does with what it cannot read. */
async function refusingPeer(): Promise<{ port: number; published: () => number }> {
  let count = 0;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      const text = bytes.toString('latin1');
      const id = /^id: (.*)$/m.exec(text)?.[1] ?? '';
      if (text.includes('cmd: ping')) {
        socket.write(`HTTP/1.1 200 OK\r\nid: ${id}\r\ncontent-length: 2\r\n\r\nOK`);
      } else if (text.includes('cmd: track_pub')) {
        count++;
        socket.end('HTTP/1.1 413 Too Large\r\ncontent-length: 9\r\n\r\ntoo large');
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onCleanUp(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { port, published: () => count };
}

/** Waits for the one line that says why the server did not join. */
async function refusalOf(server: TestBroker): Promise<string> {
  await until(() => server.warnings.length > 0);
  return server.warnings[0] ?? '';
}

describe('tokens between brokers', () => {
  afterEach(cleanUp);

  const PUBLISHER = token('server', ['track_pub']);

  async function trackerWith(tokens = [PUBLISHER, token('admin', ['*'])]): Promise<TestBroker> {
    return TestBroker.start({ tokenFile: tokenFile(tokens), trackerOnly: true });
  }

  async function lists(tracker: TestBroker): Promise<string[]> {
    const client = await tracker.connect();
    const { body } = await client.expect(200, 'tracker', { token: secretOf('admin') });
    await client.close();
    return Object.keys((JSON.parse(body.toString()) as { serverTable: object }).serverTable);
  }

  it('a server with a token that allows track_pub joins', async () => {
    const tracker = await trackerWith();
    const trackerTokenFile = fileWith(`${secretOf('server')}\n`);
    const server = await startServer([tracker], { trackerTokenFile });
    await until(async () => (await lists(tracker)).includes(addressOf(server)));
  });

  for (const [what, secret, reason] of [
    ['a token that is not known', secretOf('nobody'), /token is not known/],
    ['no token', null, /token is needed/],
    ['a token that does not allow it', secretOf('producer'), /Not allowed to token producer/],
  ] as const) {
    it(`${what}: one line in the log, and no join`, async () => {
      const tracker = await trackerWith([
        PUBLISHER,
        token('admin', ['*']),
        token('producer', ['produce']),
      ]);
      const trackerTokenFile = secret === null ? null : fileWith(secret);
      const server = await startServer([tracker], { trackerTokenFile });
      const line = await refusalOf(server);
      assert.match(line, /^tracker not joined/);
      assert.match(line, reason);
      if (secret !== null) assert(!line.includes(secret), 'the log shows the token');
      // A change is no reason to ask again what was refused.
      await (await server.connect()).expect(200, 'declare', { topic: 't' });
      assert.deepEqual(await lists(tracker), []);
      assert.equal(server.warnings.length, 1);
    });
  }

  it('a refusal that ends the connection is not answered by a storm of connections', async () => {
    const { port, published } = await refusingPeer();
    const clock = new ManualClock();
    const trackerList = [`127.0.0.1:${port}`];
    const server = await TestBroker.start({ trackerList }, clock);
    await until(() => published() === 1);
    assert.match(await refusalOf(server), /too large/);
    for (let passedMs = 0; passedMs < 25_000; passedMs += 100) {
      clock.advance(100);
      for (let turns = 0; turns < 5; turns++) await turn();
    }
    assert.equal(published(), 1);
    await until(() => {
      clock.advance(100);
      return published() === 2;
    });
  });

  it('a token file that is not there, or holds more, stops the start', async () => {
    const wrong = ['/nowhere/token', fileWith(''), fileWith('two words')];
    for (const trackerTokenFile of wrong) {
      await assert.rejects(TestBroker.start({ trackerTokenFile }), ConfigError);
    }
  });
});

describe('TLS between brokers', () => {
  afterEach(cleanUp);

  const authority = new Authority();
  const stranger = new Authority('Another CA');

  it('plain and TLS servers join one tracker with TLS', async () => {
    const trackerCaFile = fileWith(authority.certificatePem);
    const tracker = await startTls(authority, { trackerCaFile });
    const secure = await startTls(authority, { trackerCaFile, trackerList: [addressOf(tracker)] });
    const plain = new TestBroker({ trackerCaFile, trackerList: [addressOf(tracker)] });
    await plain.start();
    await untilListed(tracker, [secure, plain]);
    assert.match(addressOf(secure), /^\[SSL\]/);
  });

  it('brokers with client certificates show each other their own', async () => {
    const trackerCaFile = fileWith(authority.certificatePem);
    const clientCaFile = trackerCaFile;
    const tracker = await startTls(authority, { trackerCaFile });
    const trackerList = [addressOf(tracker)];
    const server = await startTls(authority, { trackerCaFile, clientCaFile, trackerList });
    await untilListed(tracker, [server]);
  });

  it('a tracker with the certificate of a stranger is not joined: one line says why', async () => {
    const tracker = await startTls(stranger);
    const trackerCaFile = fileWith(authority.certificatePem);
    const server = await startTls(authority, { trackerCaFile, trackerList: [addressOf(tracker)] });
    const line = await refusalOf(server);
    assert.match(line, /^tracker not joined/);
    assert.match(line, /certificate/);
    await untilListed(tracker, []);
  });

  it('a tracker whose certificate is for another address is not joined', async () => {
    const tracker = await startTls(authority, {}, ['elsewhere.example.com', '10.1.1.1']);
    const trackerCaFile = fileWith(authority.certificatePem);
    const server = await startTls(authority, { trackerCaFile, trackerList: [addressOf(tracker)] });
    assert.match(await refusalOf(server), /altnames|does not match/);
  });

  it('a certificate of the broker itself, named as trusted, is enough', async () => {
    const own = new Authority('Broker that signs for itself');
    const tracker = await startTls(own, {});
    const trackerCaFile = fileWith(own.certificatePem + authority.certificatePem);
    const server = await TestBroker.start({ trackerCaFile, trackerList: [addressOf(tracker)] });
    await untilListed(tracker, [server]);
  });

  it('a server whose certificate the tracker does not believe is not listed', async () => {
    const tracker = await startTls(authority, {
      trackerCaFile: fileWith(authority.certificatePem),
    });
    const both = fileWith(authority.certificatePem + stranger.certificatePem);
    await startTls(stranger, { trackerCaFile: both, trackerList: [addressOf(tracker)] });
    await until(() => tracker.warnings.some((line) => line.includes('cannot be reached')));
    await untilListed(tracker, []);
  });

  it('a CA file that is not there stops the start', async () => {
    await assert.rejects(TestBroker.start({ trackerCaFile: '/nowhere/ca' }), ConfigError);
  });
});
