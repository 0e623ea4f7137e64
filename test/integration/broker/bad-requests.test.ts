/**
 * Requests that break a rule: 400 with the rule in the text, and nothing has changed; 404 for what
 * is not there.
 */
import assert from 'node:assert/strict';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';
import { type Client, type Headers, utf8 } from '../../support/client.js';

interface BadRequest {
  readonly what: string;
  readonly headers: Headers;
  /** What the text must say. */
  readonly says: RegExp;
}

const TOPIC_RULE = /Bad topic.*letters and digits of any script/;
const GROUP_RULE = /Bad consume_group.*letters and digits of any script/;
const declareGroup = { cmd: 'declare', topic: 't', consume_group: 'new' };
const ON_GROUPS = ['consume', 'unconsume', 'ack', 'nack', 'renew', 'redrive', 'remove', 'empty'];
const COMMANDS = ['produce', 'declare', ...ON_GROUPS];
const TOO_BIG = '9'.repeat(17);

const badNames: BadRequest[] = [
  ['a space', 'a b'],
  ['a wildcard', 'a*'],
  ['a filter sign', 'a#b'],
  ['a semicolon', 'a;b'],
  ['a comma', 'a,b'],
  ['a backslash', 'a\\b'],
  ['a dot alone', '.'],
  ['two dots', '..'],
  ['an encoded line break', 'a%0D%0Ab'],
  ['an encoded NUL', 'a%00'],
  ['128 bytes', 'a'.repeat(128)],
  ['128 bytes of UTF-8', utf8('ä'.repeat(64))],
].flatMap(([what, name]) => [
  {
    what: `topic with ${String(what)}`,
    headers: { cmd: 'declare', topic: name ?? '' },
    says: TOPIC_RULE,
  },
  {
    what: `group with ${String(what)}`,
    headers: { ...declareGroup, consume_group: name ?? '' },
    says: GROUP_RULE,
  },
]);

const badRequests: BadRequest[] = [
  ...badNames,
  {
    what: 'topic that is no UTF-8',
    headers: { cmd: 'declare', topic: 'a\xff' },
    says: /must be UTF-8/,
  },
  {
    what: 'topic with a broken escape',
    headers: { cmd: 'declare', topic: 'a%4' },
    says: /percent-encoding/,
  },
  ...COMMANDS.map((cmd) => ({
    what: `${cmd} without a topic`,
    headers: { cmd },
    says: /^Missing topic$/,
  })),
  {
    what: 'unknown command',
    headers: { cmd: 'toString' },
    says: /^Bad format: command\(toString\) not support$/,
  },
  {
    what: 'tag of 256 bytes',
    headers: { cmd: 'produce', topic: 't', tag: 'x'.repeat(256) },
    says: /Bad tag.*at most 255 bytes/,
  },
  {
    what: 'tag with an encoded line break',
    headers: { cmd: 'produce', topic: 't', tag: 'a%0D%0Ax-evil:%201' },
    says: /Bad tag.*control characters/,
  },
  {
    what: 'id of 128 bytes',
    headers: { cmd: 'produce', topic: 't', id: 'i'.repeat(128) },
    says: /Bad id.*127 bytes/,
  },
  {
    what: 'id with a space',
    headers: { cmd: 'produce', topic: 't', id: 'a b' },
    says: /Bad id.*without spaces/,
  },
  {
    what: 'ack level that is none of ours',
    headers: { cmd: 'produce', topic: 't', ack_level: 'memory' },
    says: /Bad ack_level "memory": must be disk, page or none/,
  },
  {
    what: 'ack level of a topic that is none of ours',
    headers: { cmd: 'declare', topic: 'new', ack_level: 'DISK' },
    says: /Bad ack_level/,
  },
  ...['-1', '1.5', '1e3', '0x1', 'a', '', TOO_BIG, '9007199254740992'].flatMap((number) => [
    {
      what: `consume at offset "${number}"`,
      headers: { cmd: 'consume', topic: 't', offset: number },
      says: /Bad offset.*whole number from 0/,
    },
    {
      what: `consume with timeout "${number}"`,
      headers: { cmd: 'consume', topic: 't', timeout: number },
      says: /Bad timeout.*whole number from 0/,
    },
    {
      what: `group that starts at offset "${number}"`,
      headers: { ...declareGroup, group_start_offset: number },
      says: /Bad group_start_offset.*whole number/,
    },
    {
      what: `group that starts at time "${number}"`,
      headers: { ...declareGroup, group_start_time: number },
      says: /Bad group_start_time.*whole number/,
    },
  ]),
  {
    what: 'group that starts behind the end',
    headers: { ...declareGroup, group_start_offset: 3 },
    says: /Bad group_start_offset 3: must be from 0 to 2/,
  },
  {
    what: 'group of a new topic that starts in the middle',
    headers: { ...declareGroup, topic: 'new', group_start_offset: 1 },
    says: /Bad group_start_offset 1: the topic is new/,
  },
  ...['-1', 'a', '128', '99999999999', ''].flatMap((mask) => [
    {
      what: `topic mask "${mask}"`,
      headers: { cmd: 'declare', topic: 'new', topic_mask: mask },
      says: /Bad topic_mask.*sum of memory 1/,
    },
    {
      what: `group mask "${mask}"`,
      headers: { ...declareGroup, group_mask: mask },
      says: /Bad group_mask.*sum of memory 1/,
    },
  ]),
  ...['0', '65536', '-1', 'a', ''].map((window) => ({
    what: `ack window "${window}"`,
    headers: { ...declareGroup, group_ack_window: window },
    says: /Bad group_ack_window "/,
  })),
  ...['0', '2147483648', '1.5'].map((timeout) => ({
    what: `ack timeout "${timeout}"`,
    headers: { ...declareGroup, group_ack_timeout: timeout },
    says: /Bad group_ack_timeout "/,
  })),
  ...['1000001', '-1', 'x'].map((attempts) => ({
    what: `max attempts "${attempts}"`,
    headers: { ...declareGroup, group_max_attempts: attempts },
    says: /Bad group_max_attempts "/,
  })),
  ...['t', 'T', '%54', 'a b', 'a*', 'x'.repeat(128)].map((deadTopic) => ({
    what: `dead topic "${deadTopic.slice(0, 10)}"`,
    headers: { ...declareGroup, group_dead_topic: deadTopic },
    says: /Bad group_dead_topic "/,
  })),
  {
    what: 'max attempts where the topic with .dead is too long a name',
    headers: {
      cmd: 'declare',
      topic: 'x'.repeat(123),
      consume_group: 'new',
      group_max_attempts: 1,
    },
    says: /Bad group_dead_topic "x+\.dead": not a topic's name/,
  },
  ...['ack', 'nack', 'renew'].flatMap((cmd) => [
    ...['', '-', '1-', '-1', '2-1', '1,', ',1', '1;2', 'a', '1.5', TOO_BIG, `1-${TOO_BIG}`].map(
      (list) => ({
        what: `${cmd} of offsets "${list}"`,
        headers: { cmd, topic: 't', offsets: list },
        says: /Bad offsets ".*offsets and ranges between commas/,
      }),
    ),
    {
      what: `${cmd} without an offset`,
      headers: { cmd, topic: 't' },
      says: /^Missing offset$/,
    },
    {
      what: `${cmd} of an offset that is none`,
      headers: { cmd, topic: 't', offset: 'a' },
      says: /Bad offset "a": must be offsets/,
    },
  ]),
  ...['-1', 'x', ''].map((delay) => ({
    what: `nack with the delay "${delay}"`,
    headers: { cmd: 'nack', topic: 't', offset: 0, delay },
    says: /Bad delay "/,
  })),
  ...['-1', 'x', ''].map((limit) => ({
    what: `redrive with the limit "${limit}"`,
    headers: { cmd: 'redrive', topic: 't', limit },
    says: /Bad limit "/,
  })),
  ...['0', '-1', 'x', ''].map((prefetch) => ({
    what: `consume with prefetch "${prefetch}"`,
    headers: { cmd: 'consume', topic: 't', prefetch },
    says: /Bad prefetch "/,
  })),
  {
    what: 'memory mask for a topic that is on disk',
    headers: { cmd: 'declare', topic: 't', topic_mask: 1 },
    says: /memory \(1\) cannot change/,
  },
  ...[';', 'a;', 'a;;b', '#.a', 'a.#.b', 'a%0Ab', 'x'.repeat(1025)].map((filter) => ({
    what: `filter "${filter.slice(0, 10)}"`,
    headers: { ...declareGroup, group_filter: filter },
    says: /Bad group_filter: must be alternatives/,
  })),
];

const notThere: BadRequest[] = [
  ...[...COMMANDS.filter((cmd) => cmd !== 'declare'), 'query'].map((cmd) => ({
    what: `${cmd}: topic`,
    headers: { cmd, topic: 'Nope', offset: 0 },
    says: /^Topic\(Nope\) not found$/,
  })),
  ...[...ON_GROUPS, 'query'].map((cmd) => ({
    what: `${cmd}: group`,
    headers: { cmd, topic: 't', consume_group: 'Nope', offset: 0 },
    says: /^ConsumeGroup\(Nope\) not found$/,
  })),
  {
    what: 'declare: group to copy',
    headers: { ...declareGroup, group_start_copy: 'Nope' },
    says: /^ConsumeGroup\(Nope\) not found$/,
  },
  {
    what: 'declare: group to copy, in a new topic',
    headers: { ...declareGroup, topic: 'new', group_start_copy: 'Nope' },
    says: /^ConsumeGroup\(Nope\) not found$/,
  },
  {
    what: 'consume: message behind the end',
    headers: { cmd: 'consume', topic: 't', offset: 2 },
    says: /^Message not found: offset=2$/,
  },
  {
    what: 'consume: message, in a group that is not there',
    headers: { cmd: 'consume', topic: 't', offset: 0, consume_group: 'Nope' },
    says: /^ConsumeGroup\(Nope\) not found$/,
  },
];

for (const [status, table] of [
  [400, badRequests],
  [404, notThere],
] as const) {
  describe(`answered ${status}`, () => {
    let client: Client;
    before(async () => {
      const broker = await TestBroker.start();
      client = await broker.connect();
      await client.expect(200, 'declare', { topic: 't' });
      for (const body of ['0', '1']) await client.expect(200, 'produce', { topic: 't' }, body);
    });
    after(cleanUp);

    for (const { what, headers, says } of table) {
      it(what, async () => {
        const reply = await client.expect(status, String(headers.cmd), headers, 'body');
        const text = reply.body.toString();
        assert.match(text, says);
        assert(text.length < 300 && !/[\r\n]| at .*:\d+/.test(text), `not one clean line: ${text}`);
      });
    }

    it('has changed nothing', async () => {
      const reply = await client.expect(200, 'server');
      const { topicTable } = JSON.parse(reply.body.toString()) as { topicTable: object };
      assert.deepEqual(Object.keys(topicTable), ['t']);
      const topic = await client.query<{ messageDepth: number; consumeGroupList: object[] }>('t');
      assert.deepEqual([topic.messageDepth, topic.consumeGroupList.length], [2, 1]);
    });
  });
}

describe('names', () => {
  let broker: TestBroker;
  let client: Client;
  beforeEach(async () => {
    broker = await TestBroker.start();
    client = await broker.connect();
  });
  afterEach(cleanUp);

  it('that a file system could take amiss work, also after a restart', async () => {
    const names = [
      'CON',
      'nul.txt',
      '.hidden',
      'a/b',
      'a:b',
      'a-b',
      'zbus.lock',
      'x.',
      '__proto__',
    ];
    names.push(utf8('日本語'), 'constructor', 'lost+found', 'a'.repeat(127), utf8('ä'.repeat(63)));
    for (const topic of names) {
      await client.expect(200, 'declare', { topic });
      await client.expect(200, 'declare', { topic, consume_group: `${topic.slice(0, 60)}-g` });
      await client.expect(200, 'produce', { topic }, topic);
    }
    await broker.restart();
    client = await broker.connect();
    for (const topic of names) {
      const reply = await client.expect(200, 'consume', { topic });
      assert.equal(reply.body.toString(), topic);
    }
    const { topicTable } = JSON.parse((await client.expect(200, 'server')).body.toString()) as {
      topicTable: Record<string, unknown>;
    };
    const listed = Object.getOwnPropertyNames(topicTable).map(utf8);
    assert.deepEqual(listed.sort(), names.sort());
  });

  it('that differ in case alone are one topic', async () => {
    await client.expect(200, 'declare', { topic: utf8('Straße') });
    await client.expect(200, 'produce', { topic: utf8('STRASSE') }, 'x');
    const reply = await client.expect(200, 'consume', { topic: utf8('straße') });
    assert.equal(reply.headers.get('topic'), utf8('Straße'));
  });
});
