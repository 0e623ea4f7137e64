/** SIGHUP: certificates change under load, and nobody who is connected notices. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Authority, type Issued } from '../../support/certificates.js';
import { cleanUp } from '../../support/cleanup.js';
import { Client } from '../../support/client.js';
import { Consumers } from '../../support/consumer.js';
import { tempFolder } from '../../support/temp-folder.js';
import { connectTls, connectTlsClient, trusting, writeServerFiles } from '../../support/tls.js';
import { until } from '../../support/wait.js';
import { ZbusCommand } from '../cli/zbus-command.js';

const authority = new Authority();
const ADDRESS = '--server-address=127.0.0.1:0';
const TLS = [
  ADDRESS,
  '--ssl-enabled',
  '--server-cert-file=server.crt',
  '--server-key-file=server.key',
];
const RELOADS = 6;
const PRODUCERS = 4;

interface Running {
  readonly zbus: ZbusCommand;
  readonly port: number;
  readonly folder: string;
}

async function start(issued: Issued): Promise<Running> {
  const folder = tempFolder();
  writeServerFiles(folder, issued);
  const zbus = new ZbusCommand(TLS, folder);
  return { zbus, port: await zbus.port(), folder };
}

/** Sends SIGHUP and waits until the log has the event once more. */
async function reload({ zbus }: Running, event: string): Promise<void> {
  const count = (): number => zbus.stderr.split(`"event":"${event}"`).length;
  const before = count();
  zbus.process.kill('SIGHUP');
  await zbus.until(() => (count() > before ? true : null));
}

async function nameShown(port: number): Promise<string | undefined> {
  const socket = await connectTls(port, trusting(authority));
  const name = socket.getPeerX509Certificate()?.subject;
  socket.destroy();
  return name;
}

describe('SIGHUP', function () {
  this.timeout(60_000);
  afterEach(cleanUp);

  it('gives new connections the new certificate, and drops nothing under load', async () => {
    const running = await start(authority.issue({ name: 'certificate 0' }));
    const { port, folder, zbus } = running;
    const declarer = await connectTlsClient(port, authority);
    await declarer.expect(200, 'declare', { topic: 'T' });
    const clients: Client[] = [];
    while (clients.length < PRODUCERS + 2) clients.push(await connectTlsClient(port, authority));
    const errors: Error[] = [];
    let closed = 0;
    for (const { socket } of clients) {
      socket.on('error', (error) => errors.push(error)).on('close', () => closed++);
    }
    const consumers = new Consumers(clients.slice(PRODUCERS), { topic: 'T' });
    let over = false;
    const produced = clients.slice(0, PRODUCERS).map(async (client) => {
      let count = 0;
      for (; !over; count++) await client.expect(200, 'produce', { topic: 'T' }, `${count}`);
      return count;
    });
    for (let n = 1; n <= RELOADS; n++) {
      const seen = consumers.delivered.length;
      const issued = authority.issue({ name: `certificate ${n}` });
      writeServerFiles(folder, issued);
      await reload(running, 'certificate reloaded');
      assert.equal(await nameShown(port), `CN=certificate ${n}`);
      const { body } = await declarer.expect(200, 'ssl');
      assert.equal(body.toString(), issued.certificatePem);
      await until(() => consumers.delivered.length > seen + 100);
    }
    over = true;
    const total = (await Promise.all(produced)).reduce((sum, count) => sum + count, 0);
    const delivered = await consumers.got(total);
    const offsets = new Set(delivered.map(({ offset }) => offset));
    assert.deepEqual([delivered.length, offsets.size], [total, total]);
    assert.deepEqual([errors, closed], [[], 0]);
    assert.doesNotMatch(zbus.stderr, /"level":"(warn|error)"/);
  });

  it('keeps the certificate when the new files are bad, and says why', async () => {
    const running = await start(authority.issue({ name: 'good' }));
    const { port, folder, zbus } = running;
    const other = authority.issue({ name: 'other' });
    const kept = 'certificate not reloaded, the one before stays';
    writeFileSync(join(folder, 'server.crt'), other.certificatePem);
    await reload(running, kept);
    await zbus.until(() => /"level":"error".*server.key is not the key of/.exec(zbus.stderr));
    assert.equal(await nameShown(port), 'CN=good');
    renameSync(join(folder, 'server.crt'), join(folder, 'away.crt'));
    await reload(running, kept);
    await zbus.until(() => /cannot read serverCertFile server.crt: ENOENT/.exec(zbus.stderr));
    assert.equal(await nameShown(port), 'CN=good');
    writeServerFiles(folder, other);
    await reload(running, 'certificate reloaded');
    assert.equal(await nameShown(port), 'CN=other');
  });

  it('does not end a broker without TLS, and begins its log file anew', async () => {
    const folder = tempFolder();
    const zbus = new ZbusCommand([ADDRESS, '--log-dir=logs'], folder);
    const client = await Client.connect(await zbus.port());
    const [file, moved] = [join(folder, 'logs/zbus.log'), join(folder, 'logs/zbus.log.1')];
    renameSync(file, moved);
    zbus.process.kill('SIGHUP');
    await until(() => existsSync(file));
    await client.expect(200, 'ping');
    zbus.process.kill('SIGTERM');
    await once(zbus.process, 'close');
    assert.match(readFileSync(moved, 'utf8'), /"event":"started"/);
    assert.match(readFileSync(file, 'utf8'), /"event":"stopped"/);
    assert.equal(zbus.process.exitCode, 0);
  });
});
