/**
 * What each token may do on a real broker: roles by commands, lists that show nothing else,
 * refusals that tell nothing, and tokens that are taken away.
 */
import assert from 'node:assert/strict';
import { operations, ruleOf } from '../../../src/auth/operations.js';
import { CommandName } from '../../../src/protocol/commands.js';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';
import type { Client, Headers } from '../../support/client.js';
import type { Reply } from '../../support/reply-parser.js';
import { ManualClock } from '../../support/manual-clock.js';
import { replaceTokens, secretOf, token, tokenFile, type TestToken } from '../../support/tokens.js';

const ALL = token('all', ['*']);
const UNKNOWN = secretOf('nobody');

interface Secured {
  readonly broker: TestBroker;
  readonly file: string;
  readonly clock: ManualClock;
  /** With the topics t and u, each with the group g besides its own. */
  readonly owner: Client;
}

async function start(tokens: readonly TestToken[] = []): Promise<Secured> {
  const file = tokenFile([ALL, ...tokens]);
  const clock = new ManualClock();
  const broker = await TestBroker.start({ tokenFile: file }, clock);
  const owner = await broker.connect();
  for (const topic of ['t', 'u']) {
    await owner.expect(200, 'declare', { topic, consume_group: topic, token: ALL.secret });
    await owner.expect(200, 'declare', { topic, consume_group: 'g', token: ALL.secret });
  }
  return { broker, file, clock, owner };
}

/** The reply to a command that a consume or an unconsume would leave open. */
function ask(client: Client, cmd: string, headers: Headers): Promise<Reply> {
  return client.request(cmd, { timeout: 0, ...headers });
}

const silent = new Set<string>([CommandName.unconsume, CommandName.heartbeat]);

describe('a broker with tokens', function () {
  this.timeout(60_000);
  afterEach(cleanUp);

  describe('lets each role do its commands and no other', () => {
    for (const operation of operations) {
      it(`the role ${operation}`, async () => {
        const role = token('role', [operation]);
        const { broker } = await start([role]);
        for (const cmd of Object.values(CommandName)) {
          const client = await broker.connect();
          const id = 'asked';
          client.send({ cmd, id, topic: 'none', offset: 0, token: role.secret });
          client.send({ cmd: 'ping', id: 'fence' });
          await client.reply('fence');
          const reply = client.unclaimed.find(({ headers }) => headers.get('id') === id);
          const needed = ruleOf(cmd)?.operation;
          const refused = reply?.status === 403;
          assert.equal(
            refused,
            needed !== null && needed !== operation,
            `${cmd}: ${reply?.status}`,
          );
          if (needed === null && !silent.has(cmd)) assert(reply, cmd);
          if (refused) assert.match(reply.body.toString(), new RegExp(`role: ${needed}$`), cmd);
          assert.notEqual(reply?.status, 401, cmd);
        }
      });
    }
  });

  it('refuses every command without a token or with a wrong one, but the open ones', async () => {
    const { broker } = await start();
    for (const cmd of [...Object.values(CommandName), 'nonsense']) {
      for (const sent of [{}, { token: UNKNOWN }, { authorization: `Bearer ${UNKNOWN}` }]) {
        const client = await broker.connect();
        client.send({ cmd, id: 'asked', topic: 't', ...sent });
        client.send({ cmd: 'ping', id: 'fence' });
        await client.reply('fence');
        const reply = client.unclaimed.find(({ headers }) => headers.get('id') === 'asked');
        // The page answers 401 too: with the form to log in.
        const open = ruleOf(cmd)?.operation === null && cmd !== CommandName.home;
        assert.equal(reply?.status === 401, !open, `${cmd} ${reply?.status}`);
        if (open) continue;
        assert.equal(reply?.headers.get('www-authenticate'), 'Bearer realm="zbus"');
      }
    }
  });

  it('says whether a token is missing or not known, and quotes none', async () => {
    const { owner } = await start();
    const missing = await owner.expect(401, 'query', { topic: 't' });
    assert.match(missing.body.toString(), /^A token is needed: .*Bearer$/);
    const unknown = await owner.expect(401, 'query', { topic: 't', token: UNKNOWN });
    assert.equal(unknown.body.toString(), 'The token is not known');
  });

  it('does nothing of what it refuses, and does not answer where no reply was wanted', async () => {
    const { owner } = await start([token('reader', ['consume'])]);
    const sent = { topic: 't', ack: 'false' };
    owner.send({ cmd: 'produce', id: 'p1', ...sent }, 'x');
    owner.send({ cmd: 'produce', id: 'p2', ...sent, token: secretOf('reader') }, 'x');
    owner.send({ cmd: 'remove', id: 'p3', ...sent, token: UNKNOWN }, 'x');
    const reply = await owner.expect(200, 'query', { topic: 't', token: ALL.secret });
    assert.equal((JSON.parse(reply.body.toString()) as { messageDepth: number }).messageDepth, 0);
    assert.deepEqual(owner.unclaimed, []);
  });

  describe('keeps a token to its topics and groups', () => {
    const limited = token('limited', ['*'], { topics: ['t', 'x.#'], groups: ['g', 't'] });
    const own = { token: limited.secret };
    const allowed: readonly [cmd: string, headers: Headers][] = [
      ['produce', { topic: 't' }],
      ['produce', { topic: 'T' }],
      ['consume', { topic: 't' }],
      ['consume', { topic: 't', consume_group: 'G' }],
      ['query', { topic: 't' }],
      ['query', { topic: 't', consume_group: 'g' }],
      ['query', {}],
      ['server', {}],
      ['declare', { topic: 'x.new' }],
      ['declare', { topic: 't', consume_group: 'g', group_dead_topic: 'x.dead' }],
      ['declare', { topic: 't', consume_group: 'g', group_start_copy: 't' }],
      ['redrive', { topic: 't', consume_group: 'g' }],
      ['empty', { topic: 't', consume_group: 'g' }],
      ['remove', { topic: 't', consume_group: 'g' }],
    ];
    const refused: readonly [cmd: string, headers: Headers, what: string][] = [
      ['produce', { topic: 'u' }, 'produce on topic u'],
      ['produce', { topic: 'none' }, 'produce on topic none'],
      ['consume', { topic: 'u' }, 'consume on topic u'],
      ['consume', { topic: 't', consume_group: 'h' }, 'consume on group h'],
      ['consume', { topic: 'x.y' }, 'consume on group x.y'],
      ['consume', { topic: 'x.y', offset: 0 }, 'consume on group x.y'],
      ['ack', { topic: 't', consume_group: 'h', offset: 0 }, 'consume on group h'],
      ['query', { topic: 'u' }, 'query on topic u'],
      ['query', { topic: 't', consume_group: 'h' }, 'query on group h'],
      ['declare', { topic: 'u' }, 'declare on topic u'],
      ['declare', { topic: 't', consume_group: 'h' }, 'declare on group h'],
      ['declare', { topic: 't', consume_group: 'g', group_dead_topic: 'u' }, 'declare on topic u'],
      ['declare', { topic: 't', consume_group: 'g', group_start_copy: 'h' }, 'declare on group h'],
      [
        'declare',
        { topic: 't', group_name_auto: 'true' },
        'declare on a group with a name made by the broker',
      ],
      ['redrive', { topic: 'x.y' }, 'declare on group x.y'],
      ['empty', { topic: 't' }, 'empty on all groups of topic t'],
      ['remove', { topic: 't' }, 'remove on all groups of topic t'],
      ['remove', { topic: 'u', consume_group: 'g' }, 'remove on topic u'],
      ['rpc', { topic: 'u' }, 'rpc on topic u'],
    ];

    for (const [cmd, headers] of allowed) {
      it(`allows ${cmd} ${JSON.stringify(headers)}`, async () => {
        const { owner } = await start([limited]);
        await owner.expect(200, 'produce', { topic: 't', token: ALL.secret }, 'x');
        const { status, body } = await ask(owner, cmd, { ...headers, ...own });
        assert.equal(status, 200, body.toString());
      });
    }

    it('refuses the rest, and says what', async () => {
      const { owner } = await start([limited]);
      for (const [cmd, headers, what] of refused) {
        const reply = await ask(owner, cmd, { ...headers, ...own });
        assert.equal(reply.body.toString(), `Not allowed to token limited: ${what}`);
        assert.equal(reply.status, 403);
      }
    });

    it('answers alike whether a forbidden topic or group is there or not', async () => {
      const { owner } = await start([limited]);
      for (const cmd of ['produce', 'consume', 'query', 'declare', 'remove', 'empty', 'redrive']) {
        const there = await ask(owner, cmd, { topic: 'u', consume_group: 'g', ...own });
        const none = await ask(owner, cmd, { topic: 'v', consume_group: 'g', ...own });
        assert.equal(there.status, 403);
        assert.equal(there.body.toString().replaceAll('topic u', 'topic v'), none.body.toString());
        assert.deepEqual([...there.headers.keys()], [...none.headers.keys()]);
      }
    });

    it('shows no other topic, group or consumer in any list or count', async () => {
      const { owner, broker } = await start([limited]);
      await owner.expect(200, 'declare', {
        topic: 't',
        consume_group: 'hidden',
        token: ALL.secret,
      });
      const consumer = await broker.connect();
      consumer.send({ cmd: 'consume', topic: 't', consume_group: 'hidden', token: ALL.secret });
      await consumer.fence();
      interface TopicJson {
        consumerCount: number;
        consumeGroupList: { groupName: string }[];
      }
      const query = await owner.expect(200, 'query', { topic: 't', ...own });
      const topic = JSON.parse(query.body.toString()) as TopicJson;
      assert.equal(topic.consumerCount, 0);
      assert.deepEqual(topic.consumeGroupList.map(({ groupName }) => groupName).sort(), ['g', 't']);
      const declare = await owner.expect(200, 'declare', { topic: 't', ...own });
      assert.doesNotMatch(declare.body.toString(), /hidden/);
      for (const cmd of ['query', 'server']) {
        const reply = await owner.expect(200, cmd, own);
        const { topicTable } = JSON.parse(reply.body.toString()) as { topicTable: object };
        assert.deepEqual(Object.keys(topicTable), ['t']);
        assert.doesNotMatch(reply.body.toString(), /hidden|"u"/);
      }
      const all = await owner.expect(200, 'server', { token: ALL.secret });
      assert.match(all.body.toString(), /hidden/);
    });
  });

  describe('when a token is taken away', () => {
    const reader = token('reader', ['consume', 'query'], { topics: ['t'] });
    const own = { topic: 't', token: reader.secret };

    async function waiting(client: Client): Promise<void> {
      client.send({ cmd: 'consume', id: 'c', prefetch: 9, ...own });
      await client.fence();
    }

    for (const [what, tokens] of [
      ['revoked', [ALL]],
      ['narrowed', [ALL, { ...reader, topics: ['other'] }]],
      ['given another secret', [ALL, { ...reader, secret: secretOf('again') }]],
    ] as const) {
      it(`ends the connections that used it (${what}), and no message reaches them`, async () => {
        const { broker, file, clock, owner } = await start([reader]);
        const client = await broker.connect();
        await waiting(client);
        replaceTokens(file, tokens);
        clock.advance(1000);
        await client.closed();
        await owner.expect(200, 'produce', { topic: 't', token: ALL.secret }, 'x');
        assert.deepEqual(client.unclaimed, []);
        const again = await broker.connect();
        const reply = await again.request('consume', { timeout: 0, ...own });
        assert([401, 403].includes(reply.status), `${reply.status}`);
        await owner.expect(200, 'consume', { topic: 't', token: ALL.secret });
      });
    }

    it('leaves the others alone', async () => {
      const { broker, file, clock, owner } = await start([reader, token('gone', ['*'])]);
      const client = await broker.connect();
      await waiting(client);
      replaceTokens(file, [ALL, reader]);
      clock.advance(1000);
      await owner.expect(200, 'produce', { topic: 't', token: ALL.secret }, 'x');
      assert.equal((await client.reply('c')).body.toString(), 'x');
    });

    it('gives what its consumer held to the next', async () => {
      const { broker, file, clock, owner } = await start([reader]);
      const all = { topic: 't', consume_group: 't', token: ALL.secret };
      await owner.expect(200, 'declare', { ...all, group_mask: 64 });
      await owner.expect(200, 'produce', { topic: 't', token: ALL.secret }, 'held');
      const client = await broker.connect();
      await client.expect(200, 'consume', own);
      replaceTokens(file, [ALL]);
      clock.advance(1000);
      const message = await owner.expect(200, 'consume', all);
      assert.equal(message.body.toString(), 'held');
      assert.equal(message.headers.get('retry'), '1');
    });
  });
});
