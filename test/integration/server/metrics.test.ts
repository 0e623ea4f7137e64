/** /metrics counts what happens, in the format of Prometheus; /health and /ready tell state. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Mask } from '../../../src/protocol/masks.js';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';
import type { Client } from '../../support/client.js';
import { numbered, produceAll } from '../../support/consumer.js';
import { GroupClient, MaskBit } from '../../support/group-client.js';
import { ManualClock } from '../../support/manual-clock.js';
import { secretOf, token, tokenFile } from '../../support/tokens.js';

/** Of the text format: its samples by name and labels, and what is wrong with it. */
class Exposition {
  readonly samples = new Map<string, number>();
  readonly types = new Map<string, string>();
  readonly problems: string[] = [];

  constructor(text: string) {
    const helped = new Set<string>();
    if (!text.endsWith('\n')) this.problems.push('the last line does not end');
    for (const line of text.trimEnd().split('\n')) {
      const [, kind = '', name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? [];
      if (kind === 'HELP') helped.add(name);
      else if (kind === 'TYPE') this.types.set(name, rest);
      else if (line !== '') this.#sample(line);
    }
    for (const [name, type] of this.types) {
      if (!helped.has(name)) this.problems.push(`${name} has no HELP`);
      const own = name.startsWith('zbus_');
      if (own && (type === 'counter') !== name.endsWith('_total')) {
        this.problems.push(`${name} is a ${type}`);
      }
    }
  }

  #sample(line: string): void {
    const match = /^([a-zA-Z_:][\w:]*)(\{(?:\w+="(?:[^"\\]|\\.)*",?)+\})? (\S+)$/.exec(line);
    const [, name = '', labels = '', value = ''] = match ?? [];
    if (match === null) this.problems.push(`no sample: ${line}`);
    if (this.samples.has(name + labels)) this.problems.push(`twice: ${line}`);
    if (value !== 'Nan' && Number.isNaN(Number(value))) this.problems.push(`no number: ${line}`);
    const family = name.replace(/_(bucket|sum|count)$/, '');
    if (!this.types.has(name) && !this.types.has(family)) this.problems.push(`no TYPE: ${line}`);
    this.samples.set(name + labels, Number(value));
  }
}

let broker: TestBroker;
let clock: ManualClock;
let client: Client;

async function scrape(): Promise<Exposition> {
  const { status, headers, body } = await client.get('/metrics');
  assert.equal(status, 200, body.toString());
  assert.match(headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
  return new Exposition(body.toString());
}

describe('a broker that is watched', () => {
  beforeEach(async () => {
    clock = new ManualClock();
    broker = await TestBroker.start({}, clock);
    client = await broker.connect();
  });
  afterEach(cleanUp);

  describe('/metrics', () => {
    it('is well-formed, whatever a topic is called', async () => {
      await client.expect(200, 'declare', { topic: 'a.b-c:d@e/f+%C3%BC' });
      const { problems } = await scrape();
      assert.deepEqual(problems, []);
    });

    it('counts messages through their lives', async () => {
      await client.expect(200, 'declare', { topic: 't' });
      const group = new GroupClient(await broker.connect(), 't', 'g');
      await group.declare({ group_mask: MaskBit.ackRequired, group_max_attempts: 2 });
      await produceAll(client, 't', numbered(3));
      for (let i = 0; i < 2; i++)
        await group.expect(200, 'ack', { offset: (await group.take()).offset });
      for (let i = 0; i < 2; i++)
        await group.expect(200, 'nack', { offset: (await group.take()).offset });
      let { samples } = await scrape();
      while (samples.get('zbus_dead_messages_total') === 0) ({ samples } = await scrape());
      clock.advance(1000);
      ({ samples } = await scrape());
      const expected: Readonly<Record<string, number>> = {
        zbus_produced_messages_total: 4,
        zbus_delivered_messages_total: 4,
        zbus_acknowledged_messages_total: 2,
        zbus_redelivered_messages_total: 1,
        zbus_dead_messages_total: 1,
        zbus_topics: 2,
        zbus_connections: 2,
        zbus_backlog_messages: 4,
        'zbus_topic_produced_messages_total{topic="t"}': 3,
        'zbus_topic_produced_messages_total{topic="t.dead"}': 1,
        'zbus_topic_backlog_messages{topic="t"}': 3,
      };
      for (const [name, value] of Object.entries(expected)) {
        assert.equal(samples.get(name), value, name);
      }
      await client.expect(200, 'empty', { topic: 't' });
      assert.equal((await scrape()).samples.get('zbus_deleted_messages_total'), 3);
      await client.expect(200, 'remove', { topic: 't' });
      const { samples: after } = await scrape();
      assert.equal(after.get('zbus_produced_messages_total'), 4, 'a removed topic still counts');
    });

    it('counts calls by how they ended', async () => {
      await client.expect(200, 'declare', { topic: 'calc', topic_mask: Mask.rpc });
      await client.expect(503, 'rpc', { topic: 'calc' });
      const { samples } = await scrape();
      assert.equal(samples.get('zbus_rpc_calls_total{outcome="unserved"}'), 1);
      assert.equal(samples.get('zbus_rpc_calls_total{outcome="answered"}'), 0);
    });

    it('has series for a hundred topics at most', async () => {
      for (let i = 0; i < 105; i++) await client.expect(200, 'declare', { topic: `t${i}` });
      clock.advance(1000);
      const { samples } = await scrape();
      const names = [...samples.keys()].filter((name) => name.startsWith('zbus_topic_read_only'));
      assert.equal(names.length, 100);
      assert.equal(samples.get('zbus_topics'), 105);
    });

    it('is described in docs/metrics.md, metric by metric', async () => {
      const text = readFileSync(new URL('../../../docs/metrics.md', import.meta.url), 'utf8');
      const own = [...(await scrape()).types.keys()].filter((name) => name.startsWith('zbus_'));
      const described = [...text.matchAll(/^\| `(zbus_\w+)/gm)].map(([, name]) => name);
      assert.deepEqual(described.sort(), own.sort());
    });

    it('needs a token that allows server; health and ready need none', async () => {
      const tokens = [token('watcher', ['server']), token('producer', ['produce'])];
      broker = await TestBroker.start({ tokenFile: tokenFile(tokens) });
      client = await broker.connect();
      const status = async (url: string, name?: string): Promise<number> =>
        (await client.get(url, name === undefined ? {} : { token: secretOf(name) })).status;
      assert.equal(await status('/metrics'), 401);
      assert.equal(await status('/metrics', 'producer'), 403);
      assert.equal(await status('/metrics', 'watcher'), 200);
      assert.equal(await status('/health'), 200);
      assert.equal(await status('/ready'), 200);
    });
  });

  describe('/health and /ready', () => {
    it('say while a broker drains that it lives, and takes no more', async () => {
      broker = await TestBroker.start({ drainTimeoutMs: 60_000 }, clock);
      client = await broker.connect();
      await client.expect(200, 'declare', { topic: 't' });
      const group = new GroupClient(await broker.connect(), 't', 'g');
      await group.declare();
      await produceAll(client, 't', numbered(1));
      const { offset } = await group.take();
      const stopped = broker.stop();
      assert.equal((await group.client.request('ready')).status, 503);
      assert.equal((await group.client.request('health')).status, 200);
      await group.expect(200, 'ack', { offset });
      await stopped;
    });
  });
});
