/**
 * Names of topics and groups are data: whatever a peer sends as one is either refused with 400 or
 * kept inside the data folder, readable by its owner alone, and told from every other name.
 */
import assert from 'node:assert/strict';
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { TestBroker } from '../../support/broker.js';
import { cleanUp, onCleanUp } from '../../support/cleanup.js';
import type { Client } from '../../support/client.js';
import { tempFolder } from '../../support/temp-folder.js';

const CONTROLS = Array.from({ length: 32 }, (_, code) => `%${hex(code)}`);
const TRAVERSALS = [
  '.',
  '..',
  '../x',
  'a/../../x',
  '/etc/zbus',
  '//x',
  'x/',
  '~',
  '~root',
  '..%5Cx',
];
const DEVICES = 'CON PRN AUX NUL COM1 COM9 LPT1 LPT9 con CoN.txt nul.tar.gz CLOCK$'.split(' ');
const OURS = ['zbus.lock', 'topic.json', '0.block', 'x.index', 'x.cursor', 'x.torn', 'x.bad'];
const SIGNS = Array.from('!"#$%&\'()*,;<=>?[\\]^`{|} ', (sign) => `a${sign}b`);
const SHELL = ['$(id)', '`id`', '; rm -rf .', '| cat', '> x', '*', '?', '-rf', '--help', '-'];
const PAGES = ['<img src=x onerror=alert(1)>', '</script>', '&lt;', "'onload=", 'javascript:x'];
const OBJECTS = '__proto__ constructor prototype toString hasOwnProperty valueOf'.split(' ');
const UNICODE = [
  'ä',
  'a\u0308',
  '日本語',
  'Ω',
  'İ',
  'ı',
  'ß',
  'ﬁ',
  '\u202eevil',
  '\u200b',
  '\ufeffx',
];
const BROKEN = [
  '%ff',
  '%c0%ae%c0%ae',
  '%ed%a0%80',
  '%',
  '%4',
  '%zz',
  '%00',
  'x%00y',
  '%0d%0ax:%20y',
];
const LENGTHS = [1, 63, 126, 127, 128, 129, 255, 256, 4096].map((length) => 'n'.repeat(length));
const PLAIN = 'a.b a_b a-b a:b a@b a/b a+b A.B 0 00 1e3 x. .x ..x x.. a//b :: @ +'.split(' ');
const WORDS = Array.from({ length: 62 }, (_, n) => `name.${n}/${'._-:@/+'[n % 7] ?? ''}x`);

/** As a URL has them: what BROKEN and CONTROLS hold is meant to be decoded. */
const NAMES = [
  ...[TRAVERSALS, DEVICES, OURS, SIGNS, SHELL, PAGES, OBJECTS, UNICODE, LENGTHS, PLAIN, WORDS]
    .flat()
    .map(encodeURIComponent),
  ...CONTROLS,
  ...BROKEN,
];

function hex(code: number): string {
  return code.toString(16).padStart(2, '0');
}

/** All below `folder`, as paths from it. */
function entries(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' });
}

describe('hostile names', () => {
  let around: string;
  let broker: TestBroker;
  let client: Client;
  beforeEach(async () => {
    around = tempFolder();
    broker = await TestBroker.start({ mqDir: join(around, 'data'), minFreeBytes: 0 });
    client = await broker.connect();
  });
  afterEach(cleanUp);

  it(`are refused or kept in the data folder: ${NAMES.length} of them as topics`, async () => {
    assert(NAMES.length >= 200);
    const taken: string[] = [];
    for (const name of NAMES) {
      const { status } = await client.get(`/declare?topic=${name}`);
      assert([200, 400].includes(status), `${name}: ${status}`);
      if (status === 200) taken.push(name);
    }
    assert(taken.length > 80, `only ${taken.length} names were taken`);
    for (const name of taken) {
      const stored = await client.get(`/produce?topic=${name}`, {}, name);
      assert.equal(stored.status, 200, name);
    }
    assert.deepEqual(readdirSync(around), ['data']);
    await broker.restart();
    client = await broker.connect();
    const bodies = new Map<string, string>();
    for (const name of taken) {
      const reply = await client.get(`/consume?topic=${name}&offset=0`);
      assert.equal(reply.status, 200, name);
      const topic = reply.headers.get('topic') ?? '';
      bodies.set(topic, bodies.get(topic) ?? reply.body.toString());
      assert.equal(reply.body.toString(), bodies.get(topic), 'two names share a message');
    }
    assert(!bodies.has(''));
  });

  it('are refused or kept in the folder of the topic, as groups', async () => {
    await client.expect(200, 'declare', { topic: 't' });
    const groups = new Set<string>();
    for (const name of NAMES) {
      const reply = await client.get(`/declare?topic=t&consume_group=${name}`);
      assert([200, 400].includes(reply.status), `${name}: ${reply.status}`);
      if (reply.status !== 200) continue;
      groups.add((JSON.parse(reply.body.toString()) as { groupName: string }).groupName);
    }
    const cursors = readdirSync(join(broker.config.mqDir, 't')).filter((file) =>
      file.endsWith('.cursor'),
    );
    assert.equal(cursors.length, groups.size + 1);
    assert.deepEqual(readdirSync(around), ['data']);
  });

  it('make no entry that is hidden, reserved, special, or open to others', async () => {
    for (const name of NAMES) await client.get(`/declare?topic=${name}&consume_group=${name}`);
    const paths = entries(broker.config.mqDir);
    assert(paths.length > 200, `${paths.length} entries`);
    for (const path of paths) {
      const name = basename(path);
      assert.match(name, /^[^.]/, path);
      assert.doesNotMatch(name, /^(con|prn|aux|nul|com\d|lpt\d)(\..*)?$/i, path);
      assert.doesNotMatch(name, /[<>:"\\|?*\s]|\.$/, path);
      assert(Buffer.byteLength(name) <= 255, path);
      const stat = lstatSync(join(broker.config.mqDir, path));
      assert(stat.isFile() || stat.isDirectory(), path);
      assert.equal(stat.mode & 0o777, stat.isFile() ? 0o600 : 0o700, path);
    }
    const folded = paths.map((path) => path.toLowerCase());
    assert.equal(new Set(folded).size, folded.length, 'two entries collide on a case-blind disk');
    assert.equal(statSync(broker.config.mqDir).mode & 0o777, 0o700);
  });
});

describe('symbolic links in the data folder', () => {
  afterEach(cleanUp);

  it('are not followed: what they point at is neither read, written nor deleted', async () => {
    const outside = mkdtempSync(join(tmpdir(), 'zbus-outside-'));
    onCleanUp(() => {
      rmSync(outside, { recursive: true, force: true });
    });
    writeFileSync(join(outside, 'precious'), 'untouched');
    const mqDir = join(tempFolder(), 'data');
    mkdirSync(mqDir, { mode: 0o700 });
    symlinkSync(outside, join(mqDir, 'linked'));
    const broker = await TestBroker.start({ mqDir });
    const client = await broker.connect();
    const declared = await client.request('declare', { topic: 'linked' });
    await client.request('produce', { topic: 'linked' }, 'x');
    await client.request('remove', { topic: 'linked' });
    await broker.stop();
    assert.deepEqual(readdirSync(outside), ['precious']);
    assert.notEqual(declared.status, 200);
    broker.failures.length = 0;
  });
});
