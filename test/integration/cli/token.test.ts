/** `zbus token`, and `zbus serve` with the files it makes. */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { cleanUp } from '../../support/cleanup.js';
import { Client } from '../../support/client.js';
import { tempFolder } from '../../support/temp-folder.js';
import { ZbusCommand } from './zbus-command.js';

const FILE = ['--token-file', 'tokens.json'];

async function run(flags: readonly string[], cwd: string): Promise<ZbusCommand> {
  const zbus = new ZbusCommand(['token', ...flags], cwd);
  assert.equal(await zbus.exit(), 0, zbus.stderr);
  return zbus;
}

async function refusal(flags: readonly string[], cwd: string, exitCode = 1): Promise<string> {
  const zbus = new ZbusCommand(flags, cwd);
  assert.equal(await zbus.exit(), exitCode, zbus.stdout);
  assert.equal(zbus.stdout, '');
  assert.match(zbus.stderr, /^zbus: [^\n]+\n$/, 'one line on stderr');
  return zbus.stderr;
}

/** Adds a token and returns its secret. */
async function added(name: string, flags: readonly string[], cwd: string): Promise<string> {
  return (await run(['add', name, ...flags, ...FILE], cwd)).stdout.trimEnd();
}

/** On a connection of its own, since that of a revoked token is ended. */
async function status(port: number, path: string, secret = ''): Promise<number> {
  const client = await Client.connect(port);
  const reply = await client.get(path, { token: secret });
  client.socket.destroy();
  return reply.status;
}

describe('zbus token', function () {
  this.timeout(60_000);
  afterEach(cleanUp);

  it('add prints a secret on stdout and keeps only its hash, in a file of mode 600', async () => {
    const cwd = tempFolder();
    const zbus = await run(['add', 'shop', '--operations', 'produce', ...FILE], cwd);
    assert.match(zbus.stdout, /^[A-Za-z0-9_-]{43}\n$/);
    assert(!zbus.stderr.includes(zbus.stdout.trim()));
    const file = join(cwd, 'tokens.json');
    assert(!readFileSync(file, 'utf8').includes(zbus.stdout.trim()));
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert(!existsSync(`${file}.new`));
  });

  it('list shows what there is, as a table and as JSON, and no secret', async () => {
    const cwd = tempFolder();
    const secret = await added('shop', ['--operations', 'produce', '--topics', 'a.#,b'], cwd);
    await added('all', ['--operations', '*'], cwd);
    const table = await run(['list', ...FILE], cwd);
    assert.deepEqual(
      table.stdout
        .trimEnd()
        .split('\n')
        .map((line) => line.split(/ {2,}/)),
      [
        ['NAME', 'OPERATIONS', 'TOPICS', 'GROUPS'],
        ['shop', 'produce', 'a.#,b', '*'],
        ['all', '*', '*', '*'],
      ],
    );
    const json = await run(['list', '--json', ...FILE], cwd);
    assert.deepEqual(JSON.parse(json.stdout), [
      { name: 'shop', operations: ['produce'], topics: ['a.#', 'b'], groups: ['*'] },
      { name: 'all', operations: ['*'], topics: ['*'], groups: ['*'] },
    ]);
    assert(!(table.stdout + json.stdout).includes(secret));
    assert.doesNotMatch(table.stdout + json.stdout, /[0-9a-f]{64}/);
  });

  it('loses nothing when several are added at once', async () => {
    const cwd = tempFolder();
    const names = ['a', 'b', 'c', 'd'];
    const all = names.map((name) => {
      const flags = ['token', 'add', name, '--operations', 'query', ...FILE];
      return new ZbusCommand(flags, cwd);
    });
    const codes = await Promise.all(all.map((zbus) => zbus.exit()));
    const { stdout } = await run(['list', '--json', ...FILE], cwd);
    const listed = (JSON.parse(stdout) as { name: string }[]).map(({ name }) => name).sort();
    assert.deepEqual(
      listed,
      names.filter((_, i) => codes[i] === 0),
    );
    for (const [i, { stderr }] of all.entries()) {
      if (codes[i] !== 0) assert.match(stderr, /another zbus token is at work/);
    }
  });

  it('goes through a link and keeps it', async () => {
    const cwd = tempFolder();
    await added('a', ['--operations', 'query'], cwd);
    symlinkSync('tokens.json', join(cwd, 'link.json'));
    await run(['add', 'b', '--operations', 'query', '--token-file', 'link.json'], cwd);
    assert.match((await run(['list', ...FILE], cwd)).stdout, /^b /m);
  });

  it('takes the file of the environment, and refuses without one', async () => {
    const cwd = tempFolder();
    const env = { ZBUS_TOKEN_FILE: 'tokens.json' };
    const zbus = new ZbusCommand(['token', 'add', 'a', '--operations', 'query'], cwd, env);
    assert.equal(await zbus.exit(), 0, zbus.stderr);
    assert.match(await refusal(['token', 'list'], cwd), /--token-file or ZBUS_TOKEN_FILE/);
  });

  it('refuses what cannot be a token with one line, and leaves the file as it is', async () => {
    const cwd = tempFolder();
    await added('shop', ['--operations', 'produce'], cwd);
    const before = readFileSync(join(cwd, 'tokens.json'), 'utf8');
    const query = ['--operations', 'query'];
    const usage = 2;
    const cases: readonly [flags: readonly string[], reason: RegExp, exitCode?: number][] = [
      [['add', 'shop', ...query], /has a token shop already/],
      [['add', 'a b', ...query], /name "a b" must be/],
      [['add', 'x', '--operations', 'prodce'], /no operation; the nearest known one is produce/],
      [['add', 'x', '--operations', ','], /at least one operation/],
      [['add', 'x'], /--operations/, usage],
      [['add', 'x', ...query, '--topics', '#.a'], /"#\.a" is no pattern/],
      [['add', 'x', ...query, '--groups', 'a b'], /"a b" is no pattern/],
      [['add', 'x', 'secret', ...query], /too many arguments/, usage],
      [['add', 'x', ...query, '--secret', 'y'], /unknown option '--secret'/, usage],
      [['revoke', 'none'], /has no token none; it has shop/],
      [['nonsense'], /unknown command 'nonsense'/, usage],
    ];
    await Promise.all(
      cases.map(async ([flags, reason, exitCode]) => {
        assert.match(await refusal(['token', ...flags, ...FILE], cwd, exitCode), reason);
      }),
    );
    assert.equal(readFileSync(join(cwd, 'tokens.json'), 'utf8'), before);
  });

  it('refuses a file that others can read, and one that is none', async () => {
    const cwd = tempFolder();
    const file = join(cwd, 'tokens.json');
    writeFileSync(file, '[]', { mode: 0o644 });
    const add = ['token', 'add', 'a', '--operations', 'query', ...FILE];
    assert.match(await refusal(add, cwd), /mode 0644/);
    writeFileSync(file, '{');
    chmodSync(file, 0o600);
    assert.match(await refusal(add, cwd), /not JSON/);
    assert.match(await refusal(['token', 'list', '--token-file', 'none.json'], cwd), /ENOENT/);
  });
});

describe('zbus serve with tokens', function () {
  this.timeout(60_000);
  afterEach(cleanUp);

  it('sees added and revoked tokens within seconds, by itself', async () => {
    const cwd = tempFolder();
    const first = await added('first', ['--operations', 'query'], cwd);
    const zbus = new ZbusCommand(['--server-address', '127.0.0.1:0', ...FILE], cwd);
    const port = await zbus.port();
    assert.equal(await status(port, '/query', first), 200);
    assert.equal(await status(port, '/query'), 401);
    assert.equal(await status(port, '/server', first), 403);
    const second = await added('second', ['--operations', 'server'], cwd);
    await run(['revoke', 'first', ...FILE], cwd);
    await zbus.until(() => /"tokens reloaded"[\s\S]*|"tokens":1/.exec(zbus.stderr));
    while ((await status(port, '/query', first)) !== 401);
    assert.equal(await status(port, '/server', second), 200);
    assert(!zbus.stderr.includes(first) && !zbus.stderr.includes(second));
  });

  it('reads the file again at SIGHUP, and keeps what it has when the file is bad', async () => {
    const cwd = tempFolder();
    const secret = await added('first', ['--operations', 'query'], cwd);
    const zbus = new ZbusCommand(['--server-address', '127.0.0.1:0', ...FILE], cwd);
    const port = await zbus.port();
    writeFileSync(join(cwd, 'tokens.json'), '[');
    zbus.process.kill('SIGHUP');
    await zbus.until(() => /"reason":"the token file tokens\.json is not JSON/.exec(zbus.stderr));
    assert.equal(await status(port, '/query', secret), 200);
    assert.equal(zbus.process.exitCode, null);
  });

  it('refuses to start with a file that cannot be used, and touches no data', async () => {
    const cwd = tempFolder();
    const start = ['--server-address', '127.0.0.1:0', ...FILE];
    assert.match(await refusal(start, cwd), /cannot read the token file tokens\.json: ENOENT/);
    writeFileSync(join(cwd, 'tokens.json'), '[]', { mode: 0o640 });
    assert.match(await refusal(start, cwd), /mode 0640/);
    assert(!existsSync(join(cwd, 'zbus-data')));
  });

  it('refuses a public address without tokens, and touches no data', async () => {
    const cwd = tempFolder();
    const lan = Object.values(networkInterfaces())
      .flatMap((each) => each ?? [])
      .filter(({ internal, family }) => !internal && family === 'IPv4')
      .map(({ address }) => address);
    const hosts = ['0.0.0.0', '[::]', ...lan.slice(0, 1)];
    await Promise.all(
      hosts.map(async (host) => {
        const line = await refusal(['--server-address', `${host}:0`], cwd);
        assert.match(line, /can be reached by others.*--token-file.*--allow-unauthenticated/);
      }),
    );
    assert(!existsSync(join(cwd, 'zbus-data')));
  });

  it('warns of what a public address means, with tokens and without', async () => {
    const cwd = tempFolder();
    await added('a', ['--operations', 'query'], cwd);
    const open = ['--server-address', '0.0.0.0:0', '--allow-unauthenticated', '--mq-dir', 'open'];
    const without = new ZbusCommand(open, cwd);
    await without.until(() =>
      /^zbus: warning: .* without tokens, so everyone/m.exec(without.stderr),
    );
    const secured = new ZbusCommand(['--server-address', '0.0.0.0:0', ...FILE], cwd);
    await secured.until(() => /^zbus: warning: .* without TLS, so tokens/m.exec(secured.stderr));
  });

  it('says nothing on a loopback address', async () => {
    const hosts = ['127.0.0.1', '127.0.0.3', '[::1]', 'localhost', '[::ffff:127.0.0.1]'];
    await Promise.all(
      hosts.map(async (host) => {
        const zbus = new ZbusCommand(['--server-address', `${host}:0`], tempFolder());
        await zbus.port();
        assert.equal(zbus.stderr, '', host);
      }),
    );
  });
});
