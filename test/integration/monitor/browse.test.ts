/** The command browse: finds messages, consumes none, ends within its bounds. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import type { Browsed } from '../../../src/monitor/shapes.js';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';
import type { Client, Headers } from '../../support/client.js';
import { secretOf, token, tokenFile } from '../../support/tokens.js';

let broker: TestBroker;
let client: Client;

function produce(body: string | Buffer, headers: Headers = {}): Promise<unknown> {
  return client.expect(200, 'produce', { topic: 't', ...headers }, body);
}

async function produceCount(count: number): Promise<void> {
  const sent = Array.from({ length: count }, (_, i) =>
    produce(`body ${i}`, { tag: `tag.${i % 3}` }),
  );
  await Promise.all(sent);
}

async function browse(headers: Headers = {}): Promise<Browsed> {
  const { body } = await client.expect(200, 'browse', { topic: 't', ...headers });
  return JSON.parse(body.toString()) as Browsed;
}

function offsets({ messages }: Browsed): number[] {
  return messages.map(({ offset }) => offset);
}

describe('browse', () => {
  beforeEach(async () => {
    broker = await TestBroker.start();
    client = await broker.connect();
    await client.expect(200, 'declare', { topic: 't' });
  });
  afterEach(cleanUp);

  it('shows messages as they were produced, and no group moves', async () => {
    await produce('{"a":1}', {
      tag: 'x',
      id: 'first',
      'content-type': 'application/json',
      own: 'é',
    });
    const [message] = (await browse()).messages;
    assert(message !== undefined);
    assert.equal(message.id, 'first');
    assert.equal(message.tag, 'x');
    assert.equal(message.body, '{"a":1}');
    assert.equal(message.encoding, 'utf8');
    assert.equal(message.bodyBytes, 7);
    assert.equal(message.truncated, false);
    assert.equal(message.headers['content-type'], 'application/json');
    assert(Math.abs(message.storedAtMs - Date.now()) < 60_000);
    const taken = await client.expect(200, 'consume', { topic: 't' });
    assert.equal(taken.headers.get('offset'), '0');
  });

  it('pages forwards and backwards through all, each once', async () => {
    await produceCount(25);
    for (const direction of ['forward', 'backward']) {
      const seen: number[] = [];
      let page = await browse({ direction, limit: 10 });
      seen.push(...offsets(page));
      while (page.continueAt !== null) {
        page = await browse({ direction, limit: 10, offset: page.continueAt });
        seen.push(...offsets(page));
      }
      const all = Array.from({ length: 25 }, (_, i) => i);
      assert.deepEqual(seen, direction === 'forward' ? all : all.reverse());
    }
  });

  it('begins at an offset, or at a time', async () => {
    await produceCount(5);
    assert.deepEqual(offsets(await browse({ offset: 3 })), [3, 4]);
    assert.deepEqual(offsets(await browse({ offset: 1, direction: 'backward' })), [1, 0]);
    assert.deepEqual(offsets(await browse({ time: Date.now() + 60_000 })), []);
    assert.deepEqual(offsets(await browse({ time: 1 })), [0, 1, 2, 3, 4]);
    assert.deepEqual(offsets(await browse({ offset: 9 })), []);
  });

  it('filters by tag in both directions', async () => {
    await produceCount(9);
    assert.deepEqual(offsets(await browse({ group_filter: 'tag.1' })), [1, 4, 7]);
    const back = await browse({ group_filter: 'tag.1', direction: 'backward', limit: 2 });
    assert.deepEqual(offsets(back), [7, 4]);
    const more = await browse({
      group_filter: 'tag.1',
      direction: 'backward',
      offset: back.continueAt ?? -1,
    });
    assert.deepEqual(offsets(more), [1]);
  });

  it('finds text in bodies, headers and ids, in each message that has it alone', async () => {
    await produce('nothing');
    await produce('a Needle here');
    await produce('in a header', { own: 'the-Needle' });
    await produce('in the id', { id: 'Needle-1' });
    await produce('Need');
    await produce('le');
    await produce('needle in small letters');
    assert.deepEqual(offsets(await browse({ text: 'Needle' })), [1, 2, 3]);
    const any = await browse({ text: 'NEEDLE', ignore_case: 'true' });
    assert.deepEqual(offsets(any), [1, 2, 3, 6]);
    const back = await browse({ text: 'Needle', direction: 'backward', limit: 2 });
    assert.deepEqual(offsets(back), [3, 2]);
  });

  it('finds text of many bytes a character', async () => {
    await produce('Grüße 😀');
    await produce('Gruesse');
    assert.deepEqual(offsets(await browse({ text: encodeURIComponent('ße 😀') })), [0]);
  });

  it('cuts bodies where asked, between characters, and says so', async () => {
    await produce('äöü');
    const [cut] = (await browse({ body_bytes: 3 })).messages;
    assert.deepEqual([cut?.body, cut?.truncated, cut?.bodyBytes], ['ä', true, 6]);
    await produce(Buffer.from([0xff, 0xfe, 0x00]));
    const [binary] = (await browse({ offset: 1 })).messages;
    assert.deepEqual([binary?.body, binary?.encoding], ['//4A', 'base64']);
  });

  it('finds one message in many without looking through them twice', async () => {
    await produceCount(3000);
    await produce('the one');
    await produceCount(10);
    const forward = await browse({ text: 'the one' });
    assert.deepEqual(offsets(forward), [3000]);
    assert.equal(forward.scannedCount, 3011);
    assert.equal(forward.continueAt, null);
    const backward = await browse({ text: 'the one', direction: 'backward', limit: 1 });
    assert.deepEqual(offsets(backward), [3000]);
  });

  it('refuses what it cannot read, and says what it may be', async () => {
    const bad: readonly [Headers, string][] = [
      [{ limit: 0 }, 'Bad limit 0: must be from 1 to 500'],
      [{ limit: 501 }, 'Bad limit 501: must be from 1 to 500'],
      [{ body_bytes: 1_048_577 }, 'Bad body_bytes 1048577: must be from 0 to 1048576'],
      [{ direction: 'up' }, 'Bad direction "up": must be forward or backward'],
      [{ text: 'x'.repeat(1025) }, 'Bad text: must have at most 1024 bytes'],
    ];
    for (const [headers, text] of bad) {
      const { body } = await client.expect(400, 'browse', { topic: 't', ...headers });
      assert.equal(body.toString(), text);
    }
    await client.expect(404, 'browse', { topic: 'none' });
  });

  it('is for tokens that may consume the topic', async () => {
    const tokens = [token('all', ['*']), token('reader', ['consume'], { topics: ['t'] })];
    const guarded = await TestBroker.start({ tokenFile: tokenFile(tokens) });
    client = await guarded.connect();
    for (const topic of ['t', 'u']) {
      await client.expect(200, 'declare', { topic, token: secretOf('all') });
    }
    await client.expect(200, 'browse', { topic: 't', token: secretOf('reader') });
    await client.expect(403, 'browse', { topic: 'u', token: secretOf('reader') });
    await client.expect(401, 'browse', { topic: 't' });
  });
});
