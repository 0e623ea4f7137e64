/** Each limit at, one under and one over; and that one which is reached is counted and logged. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import type { ServerLimits } from '../../../src/server/limits.js';
import { LimitReports } from '../../../src/limit-reports.js';
import { ManualClock } from '../../support/manual-clock.js';
import { Peer, request, startServer, stopAll, type TestServer, until } from './harness.js';

interface Reported extends TestServer {
  readonly reports: LimitReports;
}

async function start(limits: Partial<ServerLimits>): Promise<Reported> {
  const clock = new ManualClock();
  const silent = { debug: () => undefined, warn: () => undefined };
  const reports = new LimitReports(clock, silent);
  const server = await startServer({ limits, reports, clock });
  return { ...server, reports, clock };
}

/** The counts once all that was sent has been dealt with. */
async function counts(server: Reported, peer: Peer): Promise<Readonly<Record<string, number>>> {
  peer.socket.end();
  await until(() => peer.ended);
  return server.reports.counts;
}

describe('a limit that stops reading', () => {
  afterEach(stopAll);

  const BODY = 'x'.repeat(1000);
  for (const [limit, limits, url, body] of [
    ['inFlightMax', { inFlightMax: 4 }, '/hold', ''],
    ['inFlightBytesMax', { inFlightBytesMax: 4 * BODY.length }, '/hold', BODY],
  ] as const) {
    for (const [count, reached] of [
      [3, false],
      [4, false],
      [5, true],
    ] as const) {
      it(`${limit} ${reached ? 'is reached by' : 'lets pass'} ${count} of 4`, async () => {
        const server = await start(limits);
        const peer = await Peer.connect(server.port);
        for (let i = 0; i < count; i++) peer.write(request(url, { id: `${i}` }, body));
        await until(() => server.broker.held.length === count);
        const before = server.broker.handled;
        peer.write(request('/echo', { id: 'e' }, 'e'));
        await until(() => peer.socket.writableLength === 0);
        for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
        assert.equal(server.broker.handled - before, reached ? 0 : 1);
        assert.deepEqual(server.reports.counts, reached ? { [limit]: 1 } : {});
        for (const exchange of server.broker.held) exchange.answer(200, '', '');
        await peer.replies(count + 1);
      });
    }
  }

  it('waitingMax refuses the one over', async () => {
    const server = await start({ waitingMax: 4 });
    const peer = await Peer.connect(server.port);
    for (let i = 0; i < 5; i++) peer.write(request('/wait', { id: `${i}` }));
    const { status, headers } = await peer.reply();
    assert.deepEqual([status, headers.get('id')], [429, '4']);
    assert.equal(server.broker.waiting.length, 4);
  });

  it('unsentBytesMax is counted for a peer that does not read', async () => {
    const server = await start({ unsentBytesMax: 64 * 1024 });
    const peer = await Peer.connect(server.port);
    peer.socket.pause();
    peer.write(request('/big/20000000', { id: '1' }));
    await until(() => server.reports.counts.unsentBytesMax === 1);
  });
});

describe('a limit that refuses', () => {
  afterEach(stopAll);

  const LIMITS = { headerBytesMax: 400, headersMax: 8, bodyBytesMax: 1000 };
  const many = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`h${i}`, '']));
  for (const [limit, bytes] of [
    ['headerBytesMax', request('/echo', { pad: 'x'.repeat(400) })],
    ['headerBytesMax', `GET /${'x'.repeat(400)}`],
    ['headersMax', request('/echo', many)],
    ['bodyBytesMax', request('/echo', {}, 'x'.repeat(1001))],
    ['bodyBytesMax', 'POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3e9\r\n'],
    ['allowedHosts', 'GET / HTTP/1.1\r\nhost: evil.example\r\n\r\n'],
    ['allowedOrigins', request('/echo', { origin: 'https://evil.example' })],
  ] as const) {
    it(`${limit} is counted: ${JSON.stringify(bytes.slice(0, 40))}`, async () => {
      const server = await start(LIMITS);
      const peer = await Peer.connect(server.port);
      peer.write(bytes);
      assert((await peer.reply()).status >= 400);
      assert.deepEqual(await counts(server, peer), { [limit]: 1 });
    });
  }

  it('connectionsMax is counted for each', async () => {
    const server = await start({ connectionsMax: 1 });
    const first = await Peer.connect(server.port);
    for (let i = 0; i < 2; i++) {
      const { status, headers } = await (await Peer.connect(server.port)).reply();
      assert.deepEqual([status, headers.get('retry-after')], [503, '1']);
    }
    assert.deepEqual(await counts(server, first), { connectionsMax: 2 });
  });

  const MESSAGE = Buffer.from('GET /plain HTTP/1.1\r\nid: 1\r\n\r\n');
  for (const [fragments, code] of [
    [7, 0],
    [8, 0],
    [9, 1008],
  ] as const) {
    it(`fragmentsMax of 8 is ${code === 0 ? 'no' : 'the'} end of ${fragments}`, async () => {
      const server = await start({ fragmentsMax: 8 });
      const socket = new WebSocket(`ws://127.0.0.1:${server.port}/`);
      await once(socket, 'open');
      const end = Promise.race([once(socket, 'message'), once(socket, 'close')]);
      for (let i = 0; i < fragments; i++) {
        const last = i === fragments - 1;
        socket.send(last ? MESSAGE.subarray(i) : MESSAGE.subarray(i, i + 1), { fin: last });
      }
      const [what] = (await end) as [unknown];
      if (code === 0) assert(Buffer.isBuffer(what));
      else assert.equal(what, code);
      assert.deepEqual(server.reports.counts, code === 0 ? {} : { fragmentsMax: 1 });
      socket.terminate();
    });
  }
});

describe('reports of limits', () => {
  it('are counted all, and logged at once and then once a minute', () => {
    const clock = new ManualClock();
    const lines: object[] = [];
    const log = { debug: () => undefined, warn: (fields: object) => lines.push(fields) };
    const reports = new LimitReports(clock, log);
    for (let i = 0; i < 1000; i++) reports.reached('bodyBytesMax', { peer: `p${i}` });
    reports.reached('headersMax', { peer: 'q' });
    assert.deepEqual(lines.splice(0), [
      { limit: 'bodyBytesMax', count: 1, peer: 'p0' },
      { limit: 'headersMax', count: 1, peer: 'q' },
    ]);
    clock.advance(60_000);
    assert.deepEqual(lines.splice(0), [{ limit: 'bodyBytesMax', count: 999, peer: 'p999' }]);
    reports.reached('bodyBytesMax', { peer: 'a' });
    reports.reached('headersMax', { peer: 'b' });
    assert.deepEqual(lines.splice(0), [{ limit: 'headersMax', count: 1, peer: 'b' }]);
    reports.close();
    assert.deepEqual(lines.splice(0), [{ limit: 'bodyBytesMax', count: 1, peer: 'a' }]);
    assert.deepEqual(reports.counts, { bodyBytesMax: 1001, headersMax: 2 });
  });

  it('of what is ordinary are no warnings', () => {
    const warnings: object[] = [];
    const log = { debug: () => undefined, warn: (fields: object) => warnings.push(fields) };
    const reports = new LimitReports(new ManualClock(), log);
    for (const limit of ['idleTimeout', 'lingerTimeoutMs', 'inFlightMax', 'unsentBytesMax']) {
      reports.reached(limit, {});
    }
    assert.deepEqual([warnings, reports.counts.idleTimeout], [[], 1]);
  });
});
