/** The broker over WebSocket: what holds over TCP holds here, one message a frame. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';
import { frame } from '../../support/client.js';
import { until } from '../../support/wait.js';
import { WebSocketClient } from '../../support/websocket-client.js';

describe('a WebSocket client', () => {
  afterEach(cleanUp);

  /** How the handshake on `path` with these headers ends: 101 or the status of the refusal. */
  async function handshake(port: number, headers: Record<string, string>): Promise<number> {
    const webSocket = new WebSocket(`ws://127.0.0.1:${port}/`, { headers });
    const answer = await Promise.race([
      once(webSocket, 'open').then(() => 101),
      once(webSocket, 'unexpected-response').then(
        ([, response]: { statusCode: number }[]) => response?.statusCode ?? 0,
      ),
    ]);
    webSocket.on('error', () => undefined);
    webSocket.terminate();
    return answer;
  }

  it('declares, produces, consumes and queries', async () => {
    const broker = await TestBroker.start();
    const client = await WebSocketClient.connect(broker.port);
    await client.expect(200, 'declare', { topic: 't' });
    const produced = await client.expect(200, 'produce', { topic: 't', tag: 'a' }, 'hello');
    assert.equal(produced.headers.get('offset'), '0');
    const consumed = await client.expect(200, 'consume', { topic: 't', id: 'mine' });
    assert.deepEqual(
      [consumed.body.toString(), consumed.headers.get('id'), consumed.headers.get('tag')],
      ['hello', 'mine', 'a'],
    );
    await client.expect(404, 'consume', { topic: 'nope' });
  });

  it('is handed what TCP clients produce, and the other way round', async () => {
    const broker = await TestBroker.start();
    const [web, tcp] = [await WebSocketClient.connect(broker.port), await broker.connect()];
    await tcp.expect(200, 'declare', { topic: 't' });
    const waiting = web.request('consume', { topic: 't' });
    await tcp.expect(200, 'produce', { topic: 't' }, 'from tcp');
    assert.equal((await waiting).body.toString(), 'from tcp');
    await web.expect(200, 'produce', { topic: 't' }, 'from the web');
    const reply = await tcp.expect(200, 'consume', { topic: 't' });
    assert.equal(reply.body.toString(), 'from the web');
  });

  it('may send text frames, fragments and URLs', async () => {
    const broker = await TestBroker.start();
    const client = await WebSocketClient.connect(broker.port);
    client.webSocket.send('GET /declare/t HTTP/1.1\r\n\r\n', { binary: false });
    assert.equal((await client.reply(null)).status, 200);
    const bytes = frame({ cmd: 'produce', topic: 't', id: 'p' }, 'in three parts');
    client.webSocket.send(bytes.subarray(0, 10), { fin: false });
    client.webSocket.send(bytes.subarray(10, 60), { fin: false });
    client.webSocket.send(bytes.subarray(60));
    assert.equal((await client.reply('p')).status, 200);
  });

  it('carries bodies of every size', async () => {
    const broker = await TestBroker.start();
    const client = await WebSocketClient.connect(broker.port);
    await client.expect(200, 'declare', { topic: 't' });
    for (const size of [0, 1, 125, 126, 65_535, 65_536, 8191, 8193, 1_000_000, 16 * 1024 * 1024]) {
      const body = Buffer.alloc(size, `${size} `);
      await client.expect(200, 'produce', { topic: 't', ack_level: 'page' }, body);
      const reply = await client.expect(200, 'consume', { topic: 't' });
      assert(reply.body.equals(body), `${size} bytes`);
    }
  });

  it('is pushed many messages for one request', async () => {
    const broker = await TestBroker.start();
    const client = await WebSocketClient.connect(broker.port);
    await client.expect(200, 'declare', { topic: 't' });
    client.webSocket.send(frame({ cmd: 'consume', topic: 't', id: 'c', prefetch: 100 }));
    for (let n = 0; n < 100; n++) {
      await client.expect(200, 'produce', { topic: 't', ack_level: 'none' }, `${n}`);
    }
    for (let n = 0; n < 100; n++) {
      assert.equal((await client.reply('c')).body.toString(), `${n}`);
    }
  });

  it('that breaks leaves what it had not acknowledged to the next', async () => {
    const broker = await TestBroker.start();
    const [web, next] = [await WebSocketClient.connect(broker.port), await broker.connect()];
    await next.expect(200, 'declare', { topic: 't', topic_mask: 64 });
    await next.expect(200, 'produce', { topic: 't' }, 'work');
    await web.expect(200, 'consume', { topic: 't' });
    web.webSocket.terminate();
    const reply = await next.expect(200, 'consume', { topic: 't' });
    assert.deepEqual([reply.body.toString(), reply.headers.get('retry')], ['work', '1']);
  });

  it('that does not read stops its own deliveries only, and loses nothing', async () => {
    const broker = await TestBroker.start({ unsentBytesMax: 64 * 1024 });
    const [web, tcp] = [await WebSocketClient.connect(broker.port), await broker.connect()];
    await tcp.expect(200, 'declare', { topic: 't' });
    web.webSocket.pause();
    web.webSocket.send(frame({ cmd: 'consume', topic: 't', id: 'c', prefetch: 1000 }));
    await until(async () => (await tcp.query<{ consumerCount: number }>('t')).consumerCount === 1);
    const body = Buffer.alloc(64 * 1024, 'x');
    for (let n = 0; n < 200; n++) {
      await tcp.expect(200, 'produce', { topic: 't', ack_level: 'page', tag: `${n}` }, body);
    }
    const { messageCount } = await tcp.query<{ messageCount: number }>('t', 't');
    assert(messageCount > 50, `only ${messageCount} were kept back`);
    web.webSocket.resume();
    for (let n = 0; n < 200; n++) {
      assert.equal((await web.reply('c')).headers.get('tag'), `${n}`);
    }
  });

  it('with a frame that is not one whole message is told so and closed', async () => {
    const broker = await TestBroker.start();
    const whole = frame({ cmd: 'ping', id: '1' });
    for (const bytes of [whole.subarray(0, 10), Buffer.concat([whole, whole]), Buffer.alloc(0)]) {
      const client = await WebSocketClient.connect(broker.port);
      const closed = once(client.webSocket, 'close');
      client.webSocket.send(bytes);
      for (let reply = await client.reply(null); reply.status !== 400;) {
        reply = await client.reply(null);
      }
      await closed;
    }
  });

  it('is told that the broker goes away when it stops', async () => {
    const broker = await TestBroker.start();
    const client = await WebSocketClient.connect(broker.port);
    const closed = once(client.webSocket, 'close');
    await broker.stop();
    assert.deepEqual((await closed)[0], 1001);
  });

  it('is answered a ping with its payload', async () => {
    const broker = await TestBroker.start();
    const { webSocket } = await WebSocketClient.connect(broker.port);
    const pong = once(webSocket, 'pong');
    webSocket.ping('here');
    assert.equal(String((await pong)[0]), 'here');
  });

  it('of another site is refused, one of the broker is not', async () => {
    const { port } = await TestBroker.start();
    assert.equal(await handshake(port, {}), 101);
    assert.equal(await handshake(port, { origin: `http://127.0.0.1:${port}` }), 101);
    assert.equal(await handshake(port, { origin: 'http://evil.example' }), 403);
    assert.equal(await handshake(port, { host: 'evil.example' }), 421);
  });

  it('may be refused and leave the broker as it was', async () => {
    const broker = await TestBroker.start();
    const upgrade =
      'GET / HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: Upgrade\r\n';
    for (const rest of [
      '',
      'sec-websocket-version: 13\r\nsec-websocket-key: short\r\n',
      `sec-websocket-version: 7\r\nsec-websocket-key: ${KEY}\r\n`,
    ]) {
      const tcp = await broker.connect();
      tcp.write(`${upgrade}${rest}\r\n`);
      assert.equal((await tcp.next()).status, 400);
      await tcp.closed();
    }
    const busy = await broker.connect();
    await busy.expect(200, 'declare', { topic: 't' });
    busy.send({ cmd: 'consume', topic: 't', id: 'c' });
    busy.write(`${upgrade}sec-websocket-version: 13\r\nsec-websocket-key: ${KEY}\r\n\r\n`);
    assert.equal((await busy.next()).status, 400);
    await (await broker.connect()).expect(200, 'ping');
  });
});

const KEY = Buffer.alloc(16).toString('base64');
