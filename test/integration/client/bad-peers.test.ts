/** Peers that are silent, dead, or no broker: the client says so, in time, and does not break. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { Bus } from '../../../src/client/bus.js';
import { connect } from '../../../src/client/connect.js';
import { ConnectionLostError, TimeoutError } from '../../../src/client/errors.js';
import { ClosedError } from '../../../src/errors.js';
import { TestBroker } from '../../support/broker.js';
import { cleanUp, onCleanUp } from '../../support/cleanup.js';
import { ManualClock } from '../../support/manual-clock.js';
import { until, watch } from '../../support/wait.js';
import { closeLater, openTo } from './buses.js';
import { CutProxy } from './cut-proxy.js';

/** Answers each ping, and everything else as `answer` says. */
async function peer(answer: (socket: Socket, request: string) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      const request = chunk.toString('latin1');
      const [, id] = /cmd: ping\r\nid: (\S+)/.exec(request) ?? [];
      if (id !== undefined) socket.write(ok(id));
      else answer(socket, request);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onCleanUp(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

function ok(id: string): string {
  return `HTTP/1.1 200 OK\r\nid: ${id}\r\ncontent-length: 2\r\n\r\nOK`;
}

function idOf(request: string): string {
  return /\r\nid: (\S+)/.exec(request)?.[1] ?? '';
}

/** A server that writes `bytes` to whoever connects. */
async function speaker(bytes: string): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.end(bytes);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onCleanUp(() => {
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

describe('a peer that is no broker', () => {
  afterEach(cleanUp);

  const strangers = {
    nothing: ['', /closed the connection/],
    garbage: ['\u0000\u0001\u0002 garbage \r\n\r\n', /Not a status line/],
    'another protocol': ['SSH-2.0-OpenSSH_9.2\r\n', /Not a status line/],
    'a web page': ['HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi', /not that of a broker/],
    'a refusal': ['HTTP/1.1 503 No\r\ncontent-length: 8\r\n\r\nTry late', /Try late/],
    'half a message': ['HTTP/1.1 200 OK\r\ncontent-le', /closed the connection/],
    'two lengths': [
      'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nhi',
      /must not come twice/,
    ],
    'a body without end': ['HTTP/1.1 200 OK\r\ncontent-length: 9999999999\r\n\r\n', /larger/],
  } as const;
  for (const [name, [bytes, reason]] of Object.entries(strangers)) {
    it(`is refused when it says ${name}`, async () => {
      const port = await speaker(bytes);
      await assert.rejects(connect(`127.0.0.1:${port}`), (error: Error) => {
        assert(error instanceof ConnectionLostError);
        assert.match(error.message, reason);
        return true;
      });
    });
  }

  it('is given up when it says nothing', async () => {
    const clock = new ManualClock();
    const server = createServer(() => undefined).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const connecting = connect(`127.0.0.1:${port}`, { clock, connectTimeoutMs: 500 });
    const early = watch(connecting.catch(() => undefined));
    await once(server, 'connection');
    clock.advance(499);
    assert(!early.fulfilled);
    clock.advance(1);
    await assert.rejects(connecting, /did not answer within 500 ms/);
    server.close();
  });
});

describe('a broker that misbehaves', () => {
  afterEach(cleanUp);

  it('sends garbage: the call is sent again on the next connection', async () => {
    let times = 0;
    const port = await peer((socket, request) => {
      socket.write(++times === 1 ? 'garbage\r\n\r\n' : ok(idOf(request)));
    });
    const bus = await openTo(port);
    const errors: Error[] = [];
    bus.on('disconnected', ({ error }) => errors.push(error));
    assert.equal((await bus.produce('T', 'x')).attempts, 2);
    assert.match(errors[0]?.message ?? '', /Not a status line/);
  });

  it('answers what nobody asked: it is overlooked', async () => {
    const port = await peer((socket, request) => {
      socket.write(ok('unknown') + ok(idOf(request)));
    });
    const bus = await openTo(port);
    assert.equal((await bus.produce('T', 'x')).attempts, 1);
  });

  it('answers JSON that is none: the call fails', async () => {
    const port = await peer((socket, request) => socket.write(ok(idOf(request))));
    const bus = await openTo(port);
    await assert.rejects(bus.query('T'), SyntaxError);
  });

  it('refuses while it stops: the call waits for its successor', async () => {
    const clock = new ManualClock();
    let times = 0;
    const port = await peer((socket, request) => {
      const status = ++times === 1 ? '503 Service Unavailable' : '200 OK';
      socket.write(`HTTP/1.1 ${status}\r\nid: ${idOf(request)}\r\ncontent-length: 0\r\n\r\n`);
    });
    const bus = await openTo(port, { clock });
    const producing = bus.produce('T', 'x');
    await until(() => times === 1);
    const again = setInterval(() => clock.advance(100), 5);
    assert.equal((await producing).attempts, 2);
    clearInterval(again);
  });
});

describe('time', () => {
  let broker: TestBroker;
  let proxy: CutProxy;
  let clock: ManualClock;
  let bus: Bus;

  beforeEach(async () => {
    broker = await TestBroker.start({ ackLevel: 'page' });
    proxy = await CutProxy.open(broker.port);
    clock = new ManualClock();
    bus = await connect(`127.0.0.1:${proxy.port}`, {
      clock,
      timeoutMs: 1000,
      heartbeatMs: 10_000,
      reconnect: { minMs: 100, maxMs: 400 },
      random: () => 0,
    });
    closeLater(bus);
    await bus.declare('T');
  });
  afterEach(cleanUp);

  it('ends a call that is not answered, with what is known of it', async () => {
    proxy.silent = true;
    const slow = bus.produce('T', 'x');
    const quick = bus.produce('T', 'y', { timeoutMs: 10 });
    const patient = watch(bus.produce('T', 'z', { timeoutMs: Infinity }).catch(() => undefined));
    const over = watch(slow.catch(() => undefined));
    clock.advance(10);
    await assert.rejects(quick, (error: Error) => {
      assert(error instanceof TimeoutError);
      assert.match(error.message, /within 10 ms, sent 1 times: it may have been carried out/);
      return true;
    });
    clock.advance(989);
    await Promise.resolve();
    assert(!over.fulfilled);
    clock.advance(1);
    await assert.rejects(slow, TimeoutError);
    clock.advance(1e6);
    assert(!patient.fulfilled);
  });

  it('ends a call that finds no connection', async () => {
    proxy.targetPort = null;
    proxy.cut();
    await until(() => bus.state === 'connecting');
    const waiting = assert.rejects(bus.produce('T', 'x', { timeoutMs: 50 }), /nothing was sent/);
    clock.advance(50);
    await waiting;
  });

  it('finds a peer that is silent, and connects anew', async () => {
    const errors: Error[] = [];
    bus.on('disconnected', ({ error }) => errors.push(error));
    proxy.silent = true;
    clock.advance(10_000);
    clock.advance(9999);
    assert.equal(bus.state, 'connected');
    clock.advance(10_001);
    await until(() => bus.state === 'connecting');
    assert.match(errors[0]?.message ?? '', /was silent for 20000 ms/);
    proxy.silent = false;
    const connected = new Promise((resolve) => bus.on('connected', resolve));
    clock.advance(400);
    await connected;
    await bus.produce('T', 'x');
  });

  it('between attempts to connect doubles up to a bound, and begins anew', async () => {
    const delays: number[] = [];
    bus.on('retrying', ({ delayMs }) => delays.push(delayMs));
    proxy.targetPort = null;
    proxy.cut();
    for (let n = 1; n <= 5; n++) {
      await until(() => delays.length === n);
      clock.advance(delays[n - 1] ?? 0);
    }
    assert.deepEqual(delays, [50, 100, 200, 200, 200]);
    proxy.targetPort = broker.port;
    await until(() => {
      if (bus.state !== 'connected') clock.advance(100);
      return bus.state === 'connected';
    });
    const { length } = delays;
    proxy.cut();
    await until(() => delays.length === length + 1);
    assert.equal(delays.at(-1), 50);
  });

  it('does not pass while a connection is closed that answers', async () => {
    await bus.produce('T', 'x');
    await bus.close();
    assert.equal(bus.state, 'closed');
  });

  it('does not go on for a client that is closed', async () => {
    proxy.targetPort = null;
    proxy.cut();
    await until(() => bus.state === 'connecting');
    await bus.close({ timeoutMs: 0 });
    const { accepted } = proxy;
    clock.advance(1e6);
    assert.equal(proxy.accepted, accepted);
    await assert.rejects(bus.client.ping(), ClosedError);
  });
});
