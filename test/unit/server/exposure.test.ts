/** Which addresses need tokens: a matrix of addresses, tokens and the flag. */
import assert from 'node:assert/strict';
import { ConfigError } from '../../../src/config/config-error.js';
import { addressToOpen, isLoopback } from '../../../src/server/exposure.js';
import { ListenError } from '../../../src/server/listener.js';

const LOOPBACK = ['127.0.0.1', '127.0.0.2', '127.255.255.254', '::1', '::ffff:127.0.0.1'];
const PUBLIC = [
  '0.0.0.0',
  '::',
  '10.0.0.5',
  '192.168.1.7',
  '169.254.1.1',
  '126.255.255.255',
  '128.0.0.1',
  '203.0.113.9',
  '::2',
  'fe80::1',
  'fd00::1',
  '2001:db8::1',
  '::ffff:10.0.0.5',
  '::ffff:0.0.0.0',
];
const TOKENS = [null, 'tokens.json'] as const;
const FLAGS = [false, true];

/** The address that would be opened, or null when it is refused. */
async function opened(
  host: string,
  tokenFile: string | null,
  allowUnauthenticated: boolean,
  resolvesTo?: string,
): Promise<string | null> {
  const resolve = (): Promise<{ address: string }> =>
    resolvesTo === undefined
      ? Promise.reject(new Error('looked up an address'))
      : Promise.resolve({ address: resolvesTo });
  try {
    const options = { tokenFile, allowUnauthenticated };
    return (await addressToOpen({ host, port: 1 }, options, resolve)).host;
  } catch (error) {
    assert(error instanceof ConfigError, String(error));
    assert(error.message.includes(host), error.message);
    assert.match(error.message, /--token-file .*--allow-unauthenticated$/);
    return null;
  }
}

describe('the address to listen on', () => {
  for (const address of [...LOOPBACK, ...PUBLIC]) {
    const isPublic = PUBLIC.includes(address);
    for (const tokenFile of TOKENS) {
      for (const allowed of FLAGS) {
        const refused = isPublic && tokenFile === null && !allowed;
        const given = `tokens ${tokenFile !== null}, flag ${allowed}`;

        it(`${address}, ${given}: ${refused ? 'refused' : 'opened'}`, async () => {
          assert.equal(await opened(address, tokenFile, allowed), refused ? null : address);
        });

        it(`a name that leads to ${address}, ${given}: the same`, async () => {
          const found = await opened('mq.example', tokenFile, allowed, address);
          assert.equal(found, refused ? null : address);
        });
      }
    }
  }

  it('of localhost is a loopback address', async () => {
    const options = { tokenFile: null, allowUnauthenticated: false };
    const { host, port } = await addressToOpen({ host: 'localhost', port: 7 }, options);
    assert(isLoopback(host), host);
    assert.equal(port, 7);
  });

  it('of an unknown name is refused', async () => {
    const unknown = (): Promise<never> => Promise.reject(new Error('ENOTFOUND'));
    const options = { tokenFile: 'tokens.json', allowUnauthenticated: true };
    await assert.rejects(
      addressToOpen({ host: 'none.example', port: 1 }, options, unknown),
      (error) => {
        assert(error instanceof ListenError);
        assert.match(error.message, /none\.example:1: the host name is unknown/);
        return true;
      },
    );
  });

  it('is no loopback address when it is no address', () => {
    for (const text of ['', 'localhost', '127', '127.1', '127.0.0.1.evil.example']) {
      assert(!isLoopback(text), text);
    }
  });
});
