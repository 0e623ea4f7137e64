/** RPC over plain HTTP, as curl and ab do: URLs of both dialects, order, HEAD, keep-alive. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type Socket, connect } from 'node:net';
import { TestBroker } from '../../support/broker.js';
import { cleanUp, onCleanUp } from '../../support/cleanup.js';
import type { Client } from '../../support/client.js';
import { RPC_MASK, RpcService } from '../../support/rpc-service.js';
import { until } from '../../support/wait.js';

let broker: TestBroker;
let caller: Client;
let service: RpcService;

async function start(): Promise<void> {
  broker = await TestBroker.start();
  caller = await broker.connect();
  await caller.expect(200, 'declare', { topic: 'calc', topic_mask: RPC_MASK });
  service = new RpcService(await broker.connect());
}

/** A connection whose bytes are looked at as they are: a reply to HEAD tells of a body it lacks. */
class RawHttp {
  readonly socket: Socket;
  #text = '';

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding('latin1').on('data', (text: string) => {
      this.#text += text;
    });
    onCleanUp(() => {
      socket.destroy();
    });
  }

  static async open(): Promise<RawHttp> {
    const socket = connect({ port: broker.port, host: '127.0.0.1' });
    await once(socket, 'connect');
    return new RawHttp(socket);
  }

  write(text: string): void {
    this.socket.write(text);
  }

  /** Waits until all that came is as `pattern` says. */
  got(pattern: RegExp): Promise<void> {
    return until(() => pattern.test(this.#text));
  }
}

/** The request as the service gets it, which answers it with nothing. */
async function served(url: string, headers = {}, body = ''): Promise<string> {
  const id = await service.wait();
  const reply = caller.get(url, headers, body);
  const request = await service.client.reply(id);
  service.answer(request);
  assert.equal((await reply).status, 200);
  return request.body.toString();
}

describe('an RPC by URL', () => {
  beforeEach(start);
  afterEach(cleanUp);

  for (const [url, method, params, module] of [
    ['/rpc/calc/plus/1/2?module=math', 'plus', ['1', '2'], 'math'],
    ['/rpc/calc/plus/1/2', 'plus', ['1', '2'], ''],
    ['/rpc/CALC/now', 'now', [], ''],
    ['/rpc/calc/now/', 'now', [], ''],
    ['/rpc/calc/echo//x', 'echo', ['', 'x'], ''],
    ['/rpc/calc/echo/a%2Fb/%20/%22%5C/1+1', 'echo', ['a/b', ' ', '"\\', '1+1'], ''],
    ['/rpc/calc/gr%C3%B6%C3%9Fer/%F0%9F%9A%8C?module=m%C3%BC', 'größer', ['🚌'], 'mü'],
    ['/calc/math/plus/1/2', 'plus', ['1', '2'], 'math'],
    ['/Calc/math/now?timeout=5000', 'now', [], 'math'],
    ['/calc//now', 'now', [], ''],
    ['/calc/math/plus/1/2?cmd=rpc', 'plus', ['1', '2'], 'math'],
  ] as const) {
    it(`${url} is a request in JSON`, async () => {
      assert.deepEqual(JSON.parse(await served(url)), { method, params, module });
    });
  }

  it('takes the module from a header, which wins over the URL', async () => {
    const body = await served('/rpc/calc/plus?module=url', { module: 'header' });
    assert.equal((JSON.parse(body) as { module: string }).module, 'header');
  });

  for (const url of ['/rpc/calc', '/rpc/calc/plus/1', '/calc', '/calc/math/plus']) {
    it(`${url} with a body hands over the body as it is`, async () => {
      assert.equal(await served(url, {}, '<own>'), '<own>');
    });
  }

  it('with a body in the URL hands over that', async () => {
    assert.equal(await served('/rpc/calc?body=%7B%7D'), '{}');
  });

  it('that names a module and no method is told so', async () => {
    const { status, body } = await caller.get('/calc/math');
    assert.equal(status, 400);
    assert.match(body.toString(), /^Missing method/);
  });

  it('is one only where the path names an rpc topic, and nothing a command', async () => {
    await caller.expect(200, 'declare', { topic: 'plain' });
    for (const url of ['/plain/math/plus', '/nobody/math/plus', '/%FF%00/x']) {
      const { status, body } = await caller.get(url);
      assert.equal(status, 400);
      assert.match(body.toString('latin1'), /^Bad format: command\(.*\) not support$/s);
    }
    const unknown = await caller.get('/calc/math/plus', { cmd: 'nonsense' });
    assert.equal(unknown.body.toString(), 'Bad format: command(nonsense) not support');
    const queried = await caller.get('/calc?cmd=query');
    assert.match(queried.body.toString(), /"topicName":"calc"/);
    assert.equal((await caller.get('/rpc/plain/plus')).status, 400);
  });

  it('gets the status, content type and body of the service', async () => {
    const id = await service.wait();
    const reply = caller.get('/rpc/calc/page');
    const headers = { origin_status: 404, 'content-type': 'text/html; charset=utf-8' };
    service.answer(await service.client.reply(id), '<p>ö', headers);
    const { status, headers: got, body } = await reply;
    assert.deepEqual([status, got.get('content-type')], [404, 'text/html; charset=utf-8']);
    assert.equal(body.toString(), '<p>ö');
  });

  it('opens in a browser without the rights of the pages of the broker', async () => {
    const id = await service.wait();
    const reply = caller.get('/rpc/calc/page');
    const policy = { 'content-security-policy': "default-src 'self'" };
    const page = { 'content-type': 'text/html', ...policy };
    service.answer(await service.client.reply(id), '<script>alert(1)</script>', page);
    const { headers } = await reply;
    assert.equal(headers.get('content-type'), 'text/html');
    assert.equal(headers.get('content-security-policy'), 'sandbox');
    assert.equal(headers.get('x-content-type-options'), 'nosniff');
  });

  it('gets no body with a status that has none', async () => {
    const id = await service.wait();
    const reply = caller.get('/rpc/calc/delete/1');
    service.answer(await service.client.reply(id), 'nothing', { origin_status: 204 });
    assert.equal((await reply).status, 204);
    await caller.fence();
    assert.deepEqual(caller.unclaimed, []);
  });
});

describe('a plain HTTP connection', () => {
  beforeEach(start);
  afterEach(cleanUp);

  it('gets answers in the order of its calls, whatever that of the service', async () => {
    const count = 20;
    const id = await service.wait({ prefetch: count });
    const urls = Array.from({ length: count }, (_, n) => `/rpc/calc/echo/${n}`);
    caller.write(urls.map((url) => `GET ${url} HTTP/1.1\r\nhost: localhost\r\n\r\n`).join(''));
    const requests = [];
    for (let n = 0; n < count; n++) requests.push(await service.client.reply(id));
    for (const request of requests.reverse()) {
      const { params } = JSON.parse(request.body.toString()) as { params: string[] };
      service.answer(request, params.join());
    }
    for (let n = 0; n < count; n++) {
      assert.equal((await caller.next()).body.toString(), String(n));
    }
  });

  it('gets the length and no body for HEAD, and goes on', async () => {
    const id = await service.wait({ prefetch: 2 });
    const http = await RawHttp.open();
    http.write('HEAD /rpc/calc/now HTTP/1.1\r\nhost: localhost\r\n\r\n');
    service.answer(await service.client.reply(id), 'abc');
    await http.got(/^HTTP\/1\.1 200 OK\r\n[^]*\r\ncontent-length: 3\r\n\r\n$/);
    http.write('GET /rpc/calc/now HTTP/1.1\r\nhost: localhost\r\n\r\n');
    service.answer(await service.client.reply(id), 'def');
    await http.got(/content-length: 3\r\n\r\nHTTP\/1\.1 200 OK[^]*\r\n\r\ndef$/);
  });

  for (const size of [11, 100_000]) {
    it(`hands a HEAD that consumes a request of ${size} bytes no body either`, async () => {
      const http = await RawHttp.open();
      http.write('HEAD /consume/calc HTTP/1.1\r\nhost: localhost\r\n\r\n');
      const reply = caller.request('rpc', { topic: 'calc', wait: 9999 }, 'x'.repeat(size));
      await http.got(new RegExp(`content-length: ${size}\\r\\n\\r\\n`));
      http.write('GET /ping HTTP/1.1\r\nhost: localhost\r\n\r\n');
      await http.got(new RegExp(`content-length: ${size}\\r\\n\\r\\nHTTP/1.1 200[^]*OK$`));
      http.socket.destroy();
      assert.equal((await reply).status, 502);
    });
  }

  for (const [how, head, line] of [
    ['HTTP/1.0', 'GET /rpc/calc/now HTTP/1.0\r\n\r\n', 'close'],
    [
      'connection: close',
      'GET /rpc/calc/now HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n',
      'close',
    ],
    [
      'HTTP/1.0 with keep-alive',
      'GET /rpc/calc/now HTTP/1.0\r\nconnection: Keep-Alive\r\n\r\n',
      'Keep-Alive',
    ],
  ] as const) {
    it(`as ${how} gets its answer and ${line}`, async () => {
      const id = await service.wait();
      caller.write(head);
      service.answer(await service.client.reply(id), 'abc');
      const reply = await caller.next();
      assert.deepEqual([reply.headers.get('connection'), reply.body.toString()], [line, 'abc']);
      if (line === 'close') await caller.closed();
      else await caller.fence();
    });
  }
});
