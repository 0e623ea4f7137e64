/** TLS and secure WebSockets, against an endpoint that speaks TLS in front of a broker. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import type { Bus } from '../../../src/client/bus.js';
import { connect } from '../../../src/client/connect.js';
import { ConnectionLostError } from '../../../src/client/errors.js';
import { TestBroker } from '../../support/broker.js';
import { cleanUp, onCleanUp } from '../../support/cleanup.js';
import { needProgram } from '../../support/programs.js';
import { tempFolder } from '../../support/temp-folder.js';
import { closeLater } from './buses.js';

describe('TLS', () => {
  let port: number;
  let cert: Buffer;

  beforeEach(async function () {
    const openssl = needProgram(this, 'openssl', 'openssl');
    const dir = tempFolder();
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
    const files = ['-keyout', join(dir, 'key.pem'), '-out', join(dir, 'cert.pem')];
    const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    execFileSync(openssl, ['req', '-x509', ...kind, ...files, '-days', '2', ...subject], {
      stdio: 'ignore',
    });
    cert = readFileSync(join(dir, 'cert.pem'));
    const broker = await TestBroker.start();
    const server = createServer({ key: readFileSync(join(dir, 'key.pem')), cert }, (socket) => {
      const inner = connectTcp(broker.port, '127.0.0.1');
      socket.pipe(inner).pipe(socket);
      socket.on('error', () => inner.destroy());
      inner.on('error', () => socket.destroy());
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
    onCleanUp(() => {
      server.close();
    });
  });
  afterEach(cleanUp);

  async function useBus(bus: Bus): Promise<void> {
    closeLater(bus);
    await bus.declare('T');
    const body = Buffer.alloc(500_000, 'x');
    const produced = await Promise.all([1, 2, 3].map(() => bus.produce('T', body)));
    assert.equal(new Set(produced.map(({ offset }) => offset)).size, 3);
    const { value } = await bus.consume('T').next();
    assert.equal(value?.bytes.length, body.length);
    await bus.close();
  }

  it('carries messages, with a certificate that is trusted', async () => {
    await useBus(await connect(`tls://localhost:${port}`, { tls: { ca: cert } }));
    await useBus(await connect(`localhost:${port}`, { tls: { ca: cert } }));
  });

  it('carries WebSockets too', async () => {
    await useBus(await connect(`wss://localhost:${port}`, { tls: { ca: cert } }));
  });

  it('refuses a certificate that is not trusted, or is another name’s', async () => {
    await assert.rejects(connect(`tls://localhost:${port}`), ConnectionLostError);
    await assert.rejects(connect(`wss://localhost:${port}`), ConnectionLostError);
    await assert.rejects(
      connect(`tls://127.0.0.1:${port}`, { tls: { ca: cert } }),
      /Cannot connect/,
    );
  });

  it('is not spoken where it was not asked for', async () => {
    await assert.rejects(connect(`localhost:${port}`), ConnectionLostError);
  });
});
