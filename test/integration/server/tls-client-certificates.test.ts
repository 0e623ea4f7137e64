/** A TLS port with a client CA: who is served, who is told why not; no ticket gets around it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import { Authority, type Issued } from '../../support/certificates.js';
import { cleanUp } from '../../support/cleanup.js';
import { connectTls, materialOf, trusting } from '../../support/tls.js';
import { Peer, type Reply, request, startServer, stopAll } from './harness.js';

const serverAuthority = new Authority('Servers');
const clientAuthority = new Authority('Clients');
const issued = serverAuthority.issue({ name: 'localhost' });
const tls = materialOf(issued, clientAuthority);
const client = clientAuthority.issue({ name: 'ann', hosts: [] });
const versions = ['TLSv1.2', 'TLSv1.3'] as const;
const DAY_MS = 86_400_000;

function showing(certificate?: Issued): ConnectionOptions {
  const own =
    certificate === undefined ? {} : { cert: certificate.certificatePem, key: certificate.keyPem };
  return { ...trusting(serverAuthority), ...own };
}

async function ask(socket: TLSSocket): Promise<Reply> {
  const peer = new Peer(socket);
  peer.write(request('/echo', {}, 'in'));
  return peer.reply();
}

/** A session that the server gave out, to be resumed. */
async function sessionOf(port: number, options: ConnectionOptions): Promise<Buffer> {
  const socket = await connectTls(port, options);
  const given =
    socket.getProtocol() === 'TLSv1.2'
      ? Promise.resolve([socket.getSession()])
      : once(socket, 'session');
  await ask(socket);
  const [session] = (await given) as [Buffer];
  return session;
}

describe('a TLS port with a client CA', () => {
  afterEach(async () => {
    await cleanUp();
    await stopAll();
  });

  for (const version of versions) {
    const only = { minVersion: version, maxVersion: version };

    it(`serves a client that shows a certificate of it (${version})`, async () => {
      const { port } = await startServer({ tls });
      const reply = await ask(await connectTls(port, { ...showing(client), ...only }));
      assert.equal(reply.body, 'in');
    });

    it(`answers 403 to a client without one, resumed or not (${version})`, async () => {
      const { port, broker, log } = await startServer({ tls });
      const options = { ...showing(), ...only };
      const session = await sessionOf(port, options);
      for (const again of [{}, { session }, { session }]) {
        const reply = await ask(await connectTls(port, { ...options, ...again }));
        assert.equal(reply.status, 403);
        assert.match(reply.body, /client certificate is needed/);
      }
      assert.equal(broker.handled, 0);
      assert(log.some(({ level, message }) => level === 'warn' && message.includes('refused')));
    });

    it(`goes on with a session of a client that showed one (${version})`, async () => {
      const { port } = await startServer({ tls });
      const session = await sessionOf(port, { ...showing(client), ...only });
      const socket = await connectTls(port, { ...showing(client), ...only, session });
      assert(socket.isSessionReused());
      assert.equal((await ask(socket)).body, 'in');
    });

    it(`takes no session of a client whose CA was replaced (${version})`, async () => {
      const { port, listener } = await startServer({ tls });
      const options = { ...showing(client), ...only };
      const session = await sessionOf(port, options);
      const kept = await connectTls(port, options);
      listener.replaceCertificate(materialOf(issued, new Authority('Later clients')));
      const socket = await connectTls(port, { ...options, session });
      assert(!socket.isSessionReused());
      assert.equal((await ask(socket)).status, 403);
      assert.equal((await ask(kept)).body, 'in');
    });
  }

  for (const [what, certificate] of [
    ['of another CA', new Authority('Clients').issue({ name: 'ann' })],
    ['that has expired', clientAuthority.issue({ name: 'ann', validTo: new Date(0 + DAY_MS) })],
    ['of the CA of the server', serverAuthority.issue({ name: 'ann' })],
  ] as const) {
    it(`answers 403 to a certificate ${what}`, async () => {
      const { port, broker } = await startServer({ tls });
      const reply = await ask(await connectTls(port, showing(certificate)));
      assert.equal(reply.status, 403);
      assert.match(reply.body, /not accepted: [A-Z_]+$/);
      assert.equal(broker.handled, 0);
    });
  }

  it('takes a certificate that an intermediate CA signed, shown with it', async () => {
    const { port } = await startServer({ tls });
    const intermediate = new Authority('Team', clientAuthority);
    const { certificatePem, keyPem } = intermediate.issue({ name: 'bob' });
    const chain = { certificatePem: certificatePem + intermediate.certificatePem, keyPem };
    assert.equal((await ask(await connectTls(port, showing(chain)))).body, 'in');
  });
});
