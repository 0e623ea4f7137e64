/** What a producer is told, and what of its message reaches the consumer. */
import assert from 'node:assert/strict';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';
import { type Client, utf8 } from '../../support/client.js';
import type { Reply } from '../../support/reply-parser.js';

describe('produce', () => {
  let broker: TestBroker;
  let client: Client;
  beforeEach(async () => {
    broker = await TestBroker.start();
    client = await broker.connect();
    await client.expect(200, 'declare', { topic: 't' });
  });
  afterEach(cleanUp);

  const consume = () => client.expect(200, 'consume', { topic: 't' });
  const levelOf = (reply: Reply) => reply.headers.get('ack_level');

  it('answers the time, the offset and the level that was reached', async () => {
    const before = Date.now();
    for (const offset of ['0', '1', '2']) {
      const reply = await client.expect(200, 'produce', { topic: 't' }, 'x');
      const time = Number(reply.body.toString());
      assert(time >= before && time <= Date.now(), `time ${time}`);
      assert.deepEqual([reply.headers.get('offset'), levelOf(reply)], [offset, 'disk']);
    }
  });

  it('reaches the level of the message, else of the topic, else of the server', async () => {
    await client.expect(200, 'declare', { topic: 'paged', ack_level: 'page' });
    const inTopic = (headers: object) =>
      client.expect(200, 'produce', { topic: 'paged', ...headers }, 'x');
    assert.equal(levelOf(await client.expect(200, 'produce', { topic: 't' }, 'x')), 'disk');
    assert.equal(levelOf(await inTopic({})), 'page');
    assert.equal(levelOf(await inTopic({ ack_level: 'disk' })), 'disk');
    assert.equal(levelOf(await inTopic({ ack_level: 'none' })), 'none');
  });

  it('reaches memory in a memory topic, whatever was asked', async () => {
    await client.expect(200, 'declare', { topic: 'm', topic_mask: 1 });
    for (const level of ['disk', 'page', 'none']) {
      const reply = await client.expect(200, 'produce', { topic: 'm', ack_level: level }, 'x');
      assert.equal(levelOf(reply), 'memory');
    }
  });

  for (const ack of ['false', '0']) {
    it(`with ack: ${ack} answers nothing, and stores`, async () => {
      client.send({ cmd: 'produce', topic: 't', ack, id: 'quiet' }, 'silent');
      const { body } = await consume();
      assert.equal(body.toString(), 'silent');
      await client.expect(200, 'produce', { topic: 't' }, 'behind it');
      assert.deepEqual(client.unclaimed, []);
    });

    it(`with ack: ${ack} answers no error either`, async () => {
      const wrong = [
        { cmd: 'produce', topic: 'nope' },
        { cmd: 'produce' },
        { cmd: 'produce', topic: 't', ack_level: 'best' },
        { cmd: 'declare', topic: '*' },
        { cmd: 'consume', topic: 'nope' },
        { cmd: 'remove', topic: 'nope' },
        { cmd: 'nosuch' },
      ];
      for (const headers of wrong) client.send({ ...headers, ack, id: 'quiet' });
      await client.expect(200, 'produce', { topic: 't' }, 'behind them');
      assert.deepEqual(client.unclaimed, []);
    });
  }

  it('with ack: true answers', async () => {
    await client.expect(200, 'produce', { topic: 't', ack: 'true' }, 'x');
    await client.expect(200, 'produce', { topic: 't', ack: '1' }, 'x');
  });

  it('passes own headers on unchanged, UTF-8 included, and the content type', async () => {
    const own = {
      'content-type': 'text/plain; charset=utf-8',
      'x-mine': 'a: b, "c"; %41',
      'x-utf8': utf8('grüße 你好'),
      encoding: 'utf8',
    };
    await client.expect(200, 'produce', { topic: 't', ...own }, 'x');
    const { headers } = await consume();
    for (const [name, value] of Object.entries(own)) assert.equal(headers.get(name), value, name);
  });

  it('tells the consumer where the message comes from', async () => {
    await client.expect(200, 'produce', { topic: 'T', tag: 'a.b', id: 'mine' }, 'x');
    const other = await broker.connect();
    await other.get('/produce/t?body=y');
    const first = (await consume()).headers;
    const second = (await consume()).headers;
    const common = { topic: 't', consume_group: 't', host: `127.0.0.1:${broker.port}` };
    const origin = {
      origin_id: 'mine',
      origin_url: '/',
      origin_method: 'GET',
      tag: 'a.b',
      offset: '0',
    };
    assertHeaders(first, { ...common, ...origin });
    assertHeaders(second, { ...common, origin_url: '/produce/t?body=y', offset: '1' });
    assert(!second.has('tag'));
    assert(first.get('sender') !== undefined && first.get('sender') !== second.get('sender'));
  });

  it('never delivers token, cmd, ack or a sender that the producer made up', async () => {
    const hidden = {
      token: 'secret',
      ack: 'true',
      sender: 'forged',
      recver: 'x',
      ack_level: 'page',
    };
    await client.expect(200, 'produce', { topic: 't', ...hidden }, 'x');
    await client.get('/produce/t?token=secret&body=y');
    for (let n = 0; n < 2; n++) {
      const { headers } = await consume();
      assert.doesNotMatch([...headers.values()].join(), /secret/);
      for (const name of ['token', 'cmd', 'ack'])
        assert(!headers.has(name), `${name} was passed on`);
      assert.notEqual(headers.get('sender'), 'forged');
    }
  });

  it('never delivers headers that speak of the connection or the framing', async () => {
    const head = 'POST /produce/t HTTP/1.1\r\nhost: localhost\r\nconnection: Keep-Alive\r\n';
    client.write(`${head}transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`);
    assert.equal((await client.next()).status, 200);
    const { headers, body } = await consume();
    assert.equal(body.toString(), 'abc');
    assert.equal(headers.get('content-length'), '3');
    assert(!headers.has('transfer-encoding'));
    assert.equal(headers.get('connection'), 'Keep-Alive');
  });

  it('lets no header in through an encoded line break in the URL', async () => {
    for (const value of ['a%0D%0Ax-evil:%201', 'a%0Ax-evil:1', 'a%0Dx-evil:1', 'a%00b']) {
      const reply = await client.get(`/produce/t?x-mine=${value}&body=y`);
      if (reply.status === 400) continue;
      assert.equal(reply.status, 200);
      const { headers } = await consume();
      assert(!headers.has('x-evil'), value);
      assert.doesNotMatch(headers.get('x-mine') ?? '', /[\r\n\0]/);
    }
    for (const name of ['x-mine%0D%0Ax-evil', 'a%20b', 'x%3A%20y']) {
      const reply = await client.get(`/produce/t?${name}=1&body=y`);
      if (reply.status === 400) continue;
      assert.equal(reply.status, 200);
      assert(!(await consume()).headers.has('x-evil'), name);
    }
  });

  it('lets no header in through a name or an id that is sent back', async () => {
    for (const url of [
      '/produce/a%0D%0Ax-evil:%201',
      '/consume/t/a%0D%0Ax-evil:%201',
      '/a%0D%0Ab/c',
    ]) {
      const reply = await client.get(url);
      assert(reply.status === 400 || reply.status === 404, `${url} ${reply.status}`);
      assert(!reply.headers.has('x-evil'));
    }
    const reply = await client.get('/produce/t?id=a%0D%0Ax-evil:%201&body=y');
    assert(!reply.headers.has('x-evil'));
  });

  it('behind a declare on the same connection finds the topic', async () => {
    client.send({ cmd: 'declare', topic: 'fresh', id: 'd' });
    client.send({ cmd: 'produce', topic: 'fresh', id: 'p' }, 'x');
    client.send({ cmd: 'consume', topic: 'fresh', id: 'c' });
    const [declared, produced, consumed] = await Promise.all(
      ['d', 'p', 'c'].map((id) => client.reply(id)),
    );
    assert.deepEqual([declared?.status, produced?.status, consumed?.status], [200, 200, 200]);
    assert.equal(consumed?.body.toString(), 'x');
  });

  it('behind a remove on the same connection does not', async () => {
    client.send({ cmd: 'remove', topic: 't', id: 'r' });
    client.send({ cmd: 'produce', topic: 't', id: 'p' }, 'x');
    assert.equal((await client.reply('r')).status, 200);
    assert.equal((await client.reply('p')).status, 404);
  });

  it('keeps the order of one producer, large and small, at mixed levels', async () => {
    const levels = ['disk', 'page', 'none'];
    const count = 600;
    for (let n = 0; n < count; n++) {
      const body = `${n}:`.padEnd(n % 50 === 0 ? 200_000 : 10);
      client.send(
        { cmd: 'produce', topic: 't', ack_level: levels[n % 3] ?? '', id: `p${n}` },
        body,
      );
    }
    const consumer = await broker.connect();
    for (let n = 0; n < count; n++) {
      const { body } = await consumer.expect(200, 'consume', { topic: 't' });
      assert.equal(parseInt(body.toString('latin1', 0, 10), 10), n);
    }
  });

  it('finds topic and group in any case, and names them as first declared', async () => {
    await client.expect(200, 'declare', { topic: 'MyTopic', consume_group: 'MyGroup' });
    await client.expect(200, 'produce', { topic: 'MYTOPIC' }, 'x');
    const reply = await client.expect(200, 'consume', {
      topic: 'mytopic',
      consume_group: 'MYGROUP',
    });
    assertHeaders(reply.headers, { topic: 'MyTopic', consume_group: 'MyGroup' });
  });

  it('takes a url-encoded topic name', async () => {
    await client.expect(200, 'declare', { topic: utf8('grün') });
    await client.expect(200, 'produce', { topic: 'gr%C3%BCn' }, 'x');
    const reply = await client.get('/consume/GR%C3%9CN');
    assert.equal(reply.body.toString(), 'x');
    assert.equal(reply.headers.get('topic'), utf8('grün'));
  });
});

function assertHeaders(
  actual: ReadonlyMap<string, string>,
  expected: Readonly<Record<string, string>>,
): void {
  const wanted = Object.fromEntries(Object.keys(expected).map((name) => [name, actual.get(name)]));
  assert.deepEqual(wanted, expected);
}
