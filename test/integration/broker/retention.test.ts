/** Retention on a running broker: what goes under each rule, and what is left for whom. */
import assert from 'node:assert/strict';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';
import type { Client, Headers } from '../../support/client.js';
import { Consumers } from '../../support/consumer.js';
import { diskBytes } from '../../support/disk-bytes.js';
import { until } from '../../support/wait.js';
import type { Config } from '../../../src/config/config.js';

const KIB = 1024;
const BOUND = 512 * KIB;
const BODY = 'b'.repeat(16 * KIB);
/** More than twice the bound. */
const FLOOD = 80;
const MEMORY = 1;
const PAUSE = 8;

interface GroupJson {
  messageCount: number;
  lostCount?: number;
}

interface TopicJson {
  messageDepth: number;
  retention?: { bytes: number | null; ageMs: number | null; consumed: boolean };
  firstOffset?: number;
  storedBytes?: number;
}

let broker: TestBroker;
let client: Client;

async function start(config: Partial<Config> = {}): Promise<void> {
  broker = await TestBroker.start({ blockBytes: 256 * KIB, ...config });
  client = await broker.connect();
}

async function declare(headers: Headers = {}): Promise<TopicJson> {
  const reply = await client.expect(200, 'declare', { topic: 't', ...headers });
  return JSON.parse(reply.body.toString()) as TopicJson;
}

/** Produces at once, as fast as it goes; resolves to the offsets in the order of sending. */
async function produce(count: number, body = BODY): Promise<number[]> {
  const replies = await Promise.all(
    Array.from({ length: count }, () =>
      client.expect(200, 'produce', { topic: 't', ack_level: 'page' }, body),
    ),
  );
  return replies.map(({ headers }) => Number(headers.get('offset')));
}

async function consumeOffset(group = 't'): Promise<number> {
  const reply = await client.expect(200, 'consume', { topic: 't', consume_group: group });
  return Number(reply.headers.get('offset'));
}

function topicJson(): Promise<TopicJson> {
  return client.query<TopicJson>('t');
}

function groupJson(group = 't'): Promise<GroupJson> {
  return client.query<GroupJson>('t', group);
}

async function firstOffset(): Promise<number> {
  return (await topicJson()).firstOffset ?? 0;
}

/** All that the group still gets, by offset. */
async function drain(group = 't'): Promise<number[]> {
  const offsets: number[] = [];
  for (;;) {
    const headers = { topic: 't', consume_group: group, timeout: 0 };
    const reply = await client.request('consume', headers);
    if (reply.status === 204) return offsets;
    offsets.push(Number(reply.headers.get('offset')));
  }
}

/** The group got the newest messages, in order, and all others are accounted for. */
function assertRest(got: readonly number[], end: number, accountedFor: number): void {
  assert.equal(got.length + accountedFor, end);
  assert.equal(got.at(-1), end - 1);
  assert(got.every((offset, n) => n === 0 || offset > (got[n - 1] ?? 0)));
}

function numbers(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, n) => from + n);
}

describe('a topic without a rule', () => {
  afterEach(cleanUp);

  it('keeps everything, and says nothing of retention', async () => {
    await start();
    await declare();
    await produce(FLOOD);
    for (let n = 0; n < FLOOD; n++) await consumeOffset();
    const json = await topicJson();
    assert.equal(json.messageDepth, FLOOD);
    assert.equal(json.firstOffset, 0);
    assert(!('retention' in json));
    assert(!('lostCount' in (await groupJson())));
  });
});

describe('a topic with retention_bytes', () => {
  afterEach(cleanUp);

  it('keeps its newest messages within the bound, and offsets go on', async () => {
    await start();
    const { retention } = await declare({ retention_bytes: '512KiB' });
    assert.deepEqual(retention, { bytes: BOUND, ageMs: null, consumed: false });
    const offsets = await produce(FLOOD);
    assert.deepEqual(offsets, numbers(0, FLOOD));
    const json = await topicJson();
    const { firstOffset: first = 0, storedBytes = 0, messageDepth } = json;
    assert.equal(first + messageDepth, FLOOD);
    assert(first > 0 && messageDepth * BODY.length > BOUND / 2, `${messageDepth} are kept`);
    assert(storedBytes <= BOUND && storedBytes >= messageDepth * BODY.length);
    assert(diskBytes(broker.config.mqDir, 't') <= BOUND);
    await client.expect(404, 'consume', { topic: 't', offset: first - 1 });
    await client.expect(200, 'consume', { topic: 't', offset: first });
  });

  it('tells a group that was behind what it has missed, and goes on at what is kept', async () => {
    await start();
    await declare({ retention_bytes: BOUND });
    await produce(FLOOD);
    await until(async () => ((await groupJson()).lostCount ?? 0) > 0);
    const got = await drain();
    const { lostCount = 0, messageCount } = await groupJson();
    assertRest(got, FLOOD, lostCount);
    assert.equal(messageCount, 0);
  });

  it('takes blocks from under a group, which then gets or misses each message', async () => {
    await start();
    await declare({ retention_bytes: BOUND });
    await produce(10);
    const before = [await consumeOffset(), await consumeOffset(), await consumeOffset()];
    await produce(FLOOD);
    await until(async () => ((await groupJson()).lostCount ?? 0) > 0);
    const after = await drain();
    const { lostCount = 0 } = await groupJson();
    assert.deepEqual(before, [0, 1, 2]);
    assertRest(after, 10 + FLOOD, before.length + lostCount);
  });

  it('serves a group that keeps up as if there were no rule', async () => {
    await start();
    await declare({ retention_bytes: BOUND });
    const consumers = new Consumers([await broker.connect()], { topic: 't' });
    for (let n = 0; n < FLOOD; n++) await produce(1);
    const delivered = await consumers.got(FLOOD);
    assert.deepEqual(
      delivered.map(({ offset }) => offset),
      numbers(0, FLOOD),
    );
    assert(!('lostCount' in (await groupJson())));
    assert((await firstOffset()) > 0);
  });

  it('makes room for messages that are large against the bound', async () => {
    await start();
    await declare({ retention_bytes: BOUND });
    for (let n = 0; n < 12; n++) {
      await produce(1, 'l'.repeat(180 * KIB));
      assert(diskBytes(broker.config.mqDir, 't') <= BOUND);
    }
    assert((await topicJson()).messageDepth > 0);
  });

  it('may hold less from one declare to the next, and without limit again', async () => {
    await start();
    await declare();
    await produce(FLOOD);
    assert.equal((await topicJson()).messageDepth, FLOOD);
    await declare({ retention_bytes: BOUND });
    await until(async () => (await topicJson()).messageDepth < FLOOD / 2);
    const first = await firstOffset();
    const { retention } = await declare({ retention_bytes: 'none' });
    assert.equal(retention, undefined);
    const [offset = 0] = await produce(FLOOD);
    assert.equal((await topicJson()).messageDepth, offset + FLOOD - first);
  });

  it('in memory gives up its oldest messages instead of answering 507', async () => {
    await start({ memoryTopicBytesMax: BOUND });
    await declare({ topic_mask: MEMORY, retention_bytes: BOUND });
    await produce(FLOOD);
    const { storedBytes = 0, firstOffset: first = 0, messageDepth } = await topicJson();
    assert(storedBytes <= BOUND && storedBytes > BOUND / 2 && first + messageDepth === FLOOD);
    assert.deepEqual(await drain(), numbers(first, FLOOD));
    assert.equal((await groupJson()).lostCount, first);
  });
});

describe('a topic with retention_age_ms', () => {
  afterEach(cleanUp);

  for (const [kind, mask] of [
    ['on disk', 0],
    ['in memory', MEMORY],
  ] as const) {
    it(`${kind} gives up what is older, to the last message`, async () => {
      await start();
      await declare({ topic_mask: mask, retention_age_ms: 300 });
      await produce(3);
      await until(async () => (await topicJson()).messageDepth === 0);
      await until(async () => (await groupJson()).lostCount === 3);
      assert.deepEqual(await produce(1), [3]);
      assert.equal(await consumeOffset(), 3);
    });
  }

  it('gives up what is older while new messages come', async () => {
    await start();
    await declare({ retention_age_ms: 1000 });
    let produced = 0;
    await until(async () => {
      produced += (await produce(5)).length;
      return (await firstOffset()) > 0;
    });
    assert((await topicJson()).messageDepth < produced);
  });
});

describe('a topic with retention_consumed', () => {
  afterEach(cleanUp);

  it('gives up what every group has consumed, and waits for the last of them', async () => {
    await start();
    await declare({ retention_consumed: 'true' });
    await declare({ consume_group: 'slow', group_start_offset: 0 });
    await produce(FLOOD);
    for (let n = 0; n < FLOOD; n++) await consumeOffset();
    const [offset = 0] = await produce(1);
    assert.equal(await consumeOffset(), offset);
    assert.equal((await topicJson()).messageDepth, FLOOD + 1);
    for (let n = 0; n < FLOOD; n++) assert.equal(await consumeOffset('slow'), n);
    await until(async () => (await firstOffset()) > 0);
    assert.equal(await consumeOffset('slow'), offset);
    await until(async () => (await topicJson()).messageDepth === 0);
    for (const group of ['t', 'slow']) assert(!('lostCount' in (await groupJson(group))));
  });

  it('together with a bound does not wait for a group that is too slow', async () => {
    await start();
    await declare({ retention_consumed: 'true', retention_bytes: BOUND });
    await declare({ consume_group: 'slow', group_mask: PAUSE });
    await produce(FLOOD);
    await until(async () => ((await groupJson('slow')).lostCount ?? 0) > 0);
    assert(diskBytes(broker.config.mqDir, 't') <= BOUND);
    await drain();
    await until(async () => (await groupJson('slow')).lostCount === (await firstOffset()));
  });
});

describe('the rules of server and topic', () => {
  afterEach(cleanUp);

  it('the server rule holds where the topic says nothing, field by field', async () => {
    await start({ retentionBytes: BOUND, retentionAgeMs: 86_400_000, retentionConsumed: true });
    const rule = { bytes: BOUND, ageMs: 86_400_000, consumed: true };
    assert.deepEqual((await declare()).retention, rule);
    for (const [headers, expected] of [
      [{ retention_bytes: 'none' }, { ...rule, bytes: null }],
      [{ retention_age_ms: 5000 }, { ...rule, bytes: null, ageMs: 5000 }],
      [
        { retention_consumed: 'false', retention_age_ms: '' },
        { bytes: null, ageMs: 5000, consumed: false },
      ],
      [{ retention_bytes: '1MiB' }, { bytes: 1024 * KIB, ageMs: 5000, consumed: false }],
    ] as const) {
      assert.deepEqual((await declare(headers)).retention, expected);
    }
    const kept = { retention_bytes: 'none', retention_age_ms: 'none', retention_consumed: 'none' };
    assert.equal((await declare(kept)).retention, undefined);
  });

  it('are kept over a restart, and hold from its first moment', async () => {
    await start();
    await declare({ retention_bytes: BOUND, retention_age_ms: 3_600_000 });
    await produce(FLOOD);
    await until(async () => (await firstOffset()) > 0);
    const first = await firstOffset();
    await broker.restart();
    client = await broker.connect();
    const after = await topicJson();
    assert.deepEqual(after.retention, { bytes: BOUND, ageMs: 3_600_000, consumed: false });
    assert((after.firstOffset ?? 0) >= first && after.messageDepth > 0);
    for (let n = 0; n < FLOOD; n += 8) {
      await produce(8);
      assert(diskBytes(broker.config.mqDir, 't') <= BOUND);
    }
  });

  it('of a server that was given one delete at its start', async () => {
    const data = await TestBroker.start({ blockBytes: 64 * KIB });
    broker = data;
    client = await broker.connect();
    await declare();
    await produce(FLOOD);
    await broker.stop();
    await start({ mqDir: data.config.mqDir, retentionBytes: BOUND });
    const { firstOffset: first = 0, messageDepth } = await topicJson();
    assert(first > 0 && messageDepth * BODY.length < BOUND);
    assert.equal((await groupJson()).lostCount, first);
  });

  for (const [header, value, rule] of [
    ['retention_bytes', '524287', 'must be at least 512KiB'],
    ['retention_bytes', '0', 'must be at least 512KiB'],
    ['retention_bytes', '1MB', 'must be a whole number of bytes, or one followed by KiB'],
    ['retention_bytes', '-1', 'must be a whole number'],
    ['retention_age_ms', '0', 'must be at least 1'],
    ['retention_age_ms', '1d', 'must be a whole number'],
    ['retention_age_ms', '1.5', 'must be a whole number'],
    ['retention_consumed', 'yes', 'must be true or false'],
  ] as const) {
    it(`a ${header} of ${value} is refused with its rule, and changes nothing`, async () => {
      await start();
      await declare();
      const headers = { topic: 't', topic_mask: PAUSE, [header]: value };
      const reply = await client.expect(400, 'declare', headers);
      const text = reply.body.toString();
      assert(text.startsWith(`Bad ${header} "${value}": ${rule}`), text);
      assert.equal((await client.query<{ mask: number }>('t')).mask, 0);
    });
  }
});
