/** Files that cannot be used for TLS: zbus refuses to start with one line that says why. */
import assert from 'node:assert/strict';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readTlsFiles } from '../../../src/server/tls-files.js';
import { Authority, type Issued } from '../../support/certificates.js';
import { cleanUp } from '../../support/cleanup.js';
import { tempFolder } from '../../support/temp-folder.js';
import { connectTls, trusting } from '../../support/tls.js';
import { ZbusCommand } from '../cli/zbus-command.js';

const authority = new Authority();
const issued = authority.issue({ name: 'localhost' });
const other = authority.issue({ name: 'other' });
const TLS = ['--ssl-enabled', '--server-cert-file=server.crt', '--server-key-file=server.key'];
const ADDRESS = '--server-address=127.0.0.1:0';
const YEAR_MS = 365 * 86_400_000;

function folderWith({ certificatePem, keyPem }: Issued): string {
  const folder = tempFolder();
  writeFileSync(join(folder, 'server.crt'), certificatePem);
  writeFileSync(join(folder, 'server.key'), keyPem);
  return folder;
}

async function assertRefused(cwd: string, flags: readonly string[], why: RegExp): Promise<void> {
  const zbus = new ZbusCommand([ADDRESS, ...flags], cwd);
  assert.equal(await zbus.exit(), 1);
  assert.equal(zbus.stdout, '');
  assert.match(zbus.stderr, /^zbus: [^\n]+\n$/, 'one line on stderr');
  assert.match(zbus.stderr, why);
  assert(!readdirSync(cwd).includes('zbus-data'), 'the data folder was touched');
}

function encrypted(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const lock = { cipher: 'aes-256-cbc', passphrase: 'secret' };
  return privateKey.export({ type: 'pkcs8', format: 'pem', ...lock }).toString();
}

function shortKey(): Issued {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 512 });
  return authority.issueFor(privateKey, { name: 'short' });
}

describe('zbus --ssl-enabled refuses', function () {
  this.timeout(30_000);
  afterEach(cleanUp);

  for (const [what, flags, why] of [
    ['no files', ['--ssl-enabled'], /sslEnabled needs .*: no serverCertFile/],
    ['no key', TLS.slice(0, 2), /sslEnabled needs .*: no serverKeyFile/],
    ['files that have no effect', TLS.slice(1), /serverCertFile is given but sslEnabled is off/],
    ['a client CA alone', ['--client-ca-file=ca.crt'], /clientCaFile is given but sslEnabled is/],
    [
      'a client CA that is absent',
      [...TLS, '--client-ca-file=no.crt'],
      /clientCaFile no.crt: ENOE/,
    ],
    [
      'a client CA without a certificate',
      [...TLS, '--client-ca-file=server.key'],
      /clientCaFile server.key holds no PEM certificate/,
    ],
  ] as const) {
    it(what, async () => {
      await assertRefused(folderWith(issued), flags, why);
    });
  }

  for (const [what, files, why] of [
    ['an empty certificate', { ...issued, certificatePem: '' }, /server.crt holds no PEM cert/],
    [
      'a certificate that is cut short',
      { ...issued, certificatePem: issued.certificatePem.replace(/\n.{64}\n/, '\n') },
      /server.crt has a certificate that is none: /,
    ],
    ['a key that is none', { ...issued, keyPem: 'rubbish' }, /server.key holds no PEM private key/],
    [
      'an encrypted key',
      { ...issued, keyPem: encrypted() },
      /server.key .*it is encrypted, and there is no passphrase/,
    ],
    [
      'the key of another certificate',
      { ...issued, keyPem: other.keyPem },
      /server.key is not the key of the first certificate in .*server.crt/,
    ],
    [
      'a chain that does not begin with the server',
      { ...issued, certificatePem: authority.certificatePem + issued.certificatePem },
      /server.key is not the key of the first certificate in .*server.crt/,
    ],
    ['a key that is too short', shortKey(), /cannot be used: .*too small/],
  ] as const) {
    it(what, async () => {
      await assertRefused(folderWith(files), TLS, why);
    });
  }

  it('a folder in place of a file', async () => {
    const cwd = tempFolder();
    mkdirSync(join(cwd, 'server.crt'));
    await assertRefused(cwd, TLS, /cannot read serverCertFile server.crt: EISDIR/);
  });
});

describe('zbus --ssl-enabled starts', function () {
  this.timeout(30_000);
  afterEach(cleanUp);

  it('with https in its start line', async () => {
    const zbus = new ZbusCommand([ADDRESS, ...TLS], folderWith(issued));
    await connectTls(await zbus.port(), trusting(authority));
    assert.match(zbus.stdout, / listening on https:\/\/127\.0\.0\.1:\d+ /);
    assert.equal(zbus.stderr, '');
  });

  for (const [what, validFrom, validTo, warning] of [
    ['expired', -2 * YEAR_MS, -YEAR_MS, /"level":"warn".*the certificate expired on /],
    ['is not valid yet', YEAR_MS, 2 * YEAR_MS, /"level":"warn".*certificate is not valid before/],
  ] as const) {
    it(`with a certificate that ${what}, and warns`, async () => {
      const dates = {
        validFrom: new Date(Date.now() + validFrom),
        validTo: new Date(Date.now() + validTo),
      };
      const folder = folderWith(authority.issue({ name: 'localhost', ...dates }));
      const zbus = new ZbusCommand([ADDRESS, ...TLS], folder);
      await zbus.port();
      await zbus.until(() => warning.exec(zbus.stderr));
    });
  }
});

describe('the files of TLS', () => {
  afterEach(cleanUp);

  it('may be one that holds them all: the key stays out of the certificate', () => {
    const intermediate = new Authority('Intermediate', authority);
    const { certificatePem, keyPem } = intermediate.issue({ name: 'localhost' });
    const folder = tempFolder();
    const file = join(folder, 'all.pem');
    writeFileSync(file, `notes\r\n${keyPem}${certificatePem}more${intermediate.certificatePem}`);
    const files = { serverCertFile: file, serverKeyFile: file, clientCaFile: null };
    const material = readTlsFiles(files);
    assert.equal(material.certificatePem, certificatePem + intermediate.certificatePem);
    assert.equal(material.certificate.subject, new X509Certificate(certificatePem).subject);
    assert.doesNotMatch(material.certificatePem, /PRIVATE|notes|more/);
  });
});
