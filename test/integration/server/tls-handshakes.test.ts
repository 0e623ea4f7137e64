/** The handshakes of a TLS port: which are taken, which refused, and that none harms another. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { connect, type ConnectionOptions } from 'node:tls';
import { Authority } from '../../support/certificates.js';
import { cleanUp } from '../../support/cleanup.js';
import { connectTls, materialOf, trusting } from '../../support/tls.js';
import { Peer, request, startServer, stopAll, type TestServer, until } from './harness.js';

const authority = new Authority();
const tls = materialOf(authority.issue({ name: 'localhost' }));
const HEADER_MS = 10_000;
/** A deadline is kept to two intervals of the sweep. */
const LATE_MS = 2000;

async function peerOf(port: number, options: ConnectionOptions = {}): Promise<Peer> {
  return new Peer(await connectTls(port, { ...trusting(authority), ...options }));
}

async function assertServes(port: number, options: ConnectionOptions = {}): Promise<Peer> {
  const peer = await peerOf(port, options);
  peer.write(request('/echo', {}, 'served'));
  assert.equal((await peer.reply()).body, 'served');
  return peer;
}

/** The first bytes that a TLS client sends. */
async function clientHello(): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = connect({ port, host: '127.0.0.1' }).on('error', () => undefined);
  const [accepted] = (await once(server, 'connection')) as [Socket];
  accepted.on('error', () => undefined);
  const [hello] = (await once(accepted, 'data')) as [Buffer];
  client.destroy();
  accepted.destroy();
  server.close();
  return hello;
}

function failures({ log }: TestServer): number {
  return log.filter(({ message }) => message === 'TLS handshake failed').length;
}

describe('a TLS port', () => {
  afterEach(async () => {
    await cleanUp();
    await stopAll();
  });

  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    it(`serves ${version}, as HTTP/1.1`, async () => {
      const { port } = await startServer({ tls });
      const socket = await connectTls(port, {
        ...trusting(authority),
        minVersion: version,
        maxVersion: version,
        ALPNProtocols: ['h2', 'http/1.1'],
      });
      assert.equal(socket.getProtocol(), version);
      assert.equal(socket.alpnProtocol, 'http/1.1');
      const peer = new Peer(socket);
      peer.write(request('/echo', {}, 'served'));
      assert.equal((await peer.reply()).body, 'served');
    });
  }

  for (const version of ['TLSv1', 'TLSv1.1'] as const) {
    it(`refuses ${version}, also with a certificate that came later`, async () => {
      const server = await startServer({ tls });
      // Without security level 0 the client itself would refuse to speak it.
      const old = { minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' };
      for (const expected of [1, 2]) {
        await assert.rejects(connectTls(server.port, { ...trusting(authority), ...old }), {
          code: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION',
        });
        await until(() => failures(server) === expected);
        server.listener.replaceCertificate(materialOf(authority.issue({ name: 'later' })));
      }
    });
  }

  it('is not harmed by a client that does not trust it', async () => {
    const server = await startServer({ tls });
    await assert.rejects(connectTls(server.port, trusting(new Authority('Another'))), {
      code: /SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_VERIFY_LEAF_SIGNATURE/,
    });
    await until(() => server.listener.connectionCount === 0);
    await assertServes(server.port);
  });

  for (const [what, bytes] of [
    ['a request', request('/echo', {}, 'plain')],
    ['the first byte of one', 'P'],
    ['binary rubbish', '\x80\x2e\x01\x00\x02'],
  ] as const) {
    it(`answers 400 to ${what} in plain text, and carries out nothing`, async () => {
      const { port, broker, listener } = await startServer({ tls });
      const peer = await Peer.connect(port);
      peer.write(bytes);
      const reply = await peer.reply();
      assert.equal(reply.status, 400);
      assert.match(reply.body, /speaks TLS/);
      peer.write(request('/echo'));
      assert.equal(await peer.untilEnd(), '');
      peer.socket.end();
      await until(() => listener.connectionCount === 0);
      assert.equal(broker.handled, 0);
    });
  }

  it('outlives handshakes that are broken off at every byte', async () => {
    const server = await startServer({ tls });
    const hello = await clientHello();
    for (let length = 0; length <= hello.length; length++) {
      const [ending, resetting] = [
        await Peer.connect(server.port),
        await Peer.connect(server.port),
      ];
      for (const { socket } of [ending, resetting]) socket.write(hello.subarray(0, length));
      ending.socket.end();
      resetting.socket.resetAndDestroy();
    }
    await until(() => server.listener.connectionCount === 0);
    await assertServes(server.port);
  });

  it('outlives handshakes with any byte changed', async () => {
    const server = await startServer({ tls });
    const hello = await clientHello();
    for (let at = 1; at < hello.length; at += 3) {
      const changed = Buffer.from(hello);
      changed[at] = (changed[at] ?? 0) ^ 0xff;
      const peer = await Peer.connect(server.port);
      peer.socket.end(changed);
    }
    await until(() => server.listener.connectionCount === 0);
    assert(failures(server) > 0);
    await assertServes(server.port);
  });

  it('gives a handshake headerTimeoutMs in all, however slowly it goes on', async () => {
    const { port, clock, listener } = await startServer({ tls, timeouts: { headerMs: HEADER_MS } });
    const hello = await clientHello();
    const slow = [Buffer.alloc(0), hello.subarray(0, 1), hello.subarray(0, hello.length - 1)];
    const peers = await Promise.all(slow.map(() => Peer.connect(port)));
    for (const [i, bytes] of slow.entries()) peers[i]?.socket.write(bytes);
    const served = await assertServes(port);
    assert.equal(listener.connectionCount, 4);
    clock.advance(HEADER_MS);
    assert.equal(listener.connectionCount, 4);
    peers[1]?.socket.write(hello.subarray(1, 10));
    clock.advance(LATE_MS);
    for (const peer of peers) await peer.untilEnd();
    assert.equal(listener.connectionCount, 1);
    served.write(request('/echo', {}, 'on'));
    assert.equal((await served.reply()).body, 'on');
  });

  it('counts handshakes as connections, and answers 503 beyond connectionsMax', async () => {
    const { port, listener, broker } = await startServer({ tls, limits: { connectionsMax: 2 } });
    const silent = await Peer.connect(port);
    await assertServes(port);
    await until(() => listener.connectionCount === 2);
    const refused = await peerOf(port);
    refused.write(request('/echo', {}, 'no'));
    assert.equal((await refused.reply()).status, 503);
    assert.equal(broker.handled, 1);
    const crowd = await Promise.all(Array.from({ length: 200 }, () => Peer.connect(port)));
    await until(() => crowd.filter(({ ended, closed }) => ended || closed).length >= 200 - 64);
    assert(listener.connectionCount <= 2 + 64);
    for (const { socket } of [silent, refused, ...crowd]) socket.destroy();
    await until(() => listener.connectionCount === 1);
    await assertServes(port);
  });

  it('serves 1,000 connections', async () => {
    const { port, listener } = await startServer({ tls });
    const peers: Peer[] = [];
    while (peers.length < 1000) {
      peers.push(...(await Promise.all(Array.from({ length: 50 }, () => peerOf(port)))));
    }
    for (const [i, peer] of peers.entries()) peer.write(request('/echo', {}, `peer ${i}`));
    for (const [i, peer] of peers.entries()) assert.equal((await peer.reply()).body, `peer ${i}`);
    assert.equal(listener.connectionCount, 1000);
  }).timeout(60_000);

  it('closes without waiting for handshakes', async () => {
    const { port, listener } = await startServer({ tls });
    const silent = await Peer.connect(port);
    const half = await Peer.connect(port);
    half.socket.write((await clientHello()).subarray(0, 20));
    await until(() => listener.connectionCount === 2);
    await listener.close(60_000);
    await Promise.all([silent.untilEnd(), half.untilEnd()]);
  });

  it('does not renegotiate', async () => {
    const { port } = await startServer({ tls });
    const options = { ...trusting(authority), maxVersion: 'TLSv1.2' } as const;
    const socket = await connectTls(port, options);
    const failed = new Promise<Error | null>((resolve) => {
      socket.once('error', resolve);
      socket.renegotiate({}, resolve);
    });
    assert.match(String(await failed), /no.renegotiation/i);
  });
});
