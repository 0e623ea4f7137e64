/**
 * A hundred peers each that never end a head, a body, and a WebSocket message in fragments, all at
 * once and all still sending: each is ended by its timeout, and a producer beside them notices
 * nothing. SLOW_SENDERS sets how many of each.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type Socket, connect } from 'node:net';
import { WebSocket } from 'ws';
import { TestBroker } from '../support/broker.js';
import { cleanUp, onCleanUp } from '../support/cleanup.js';
import type { Client } from '../support/client.js';
import { ManualClock } from '../support/manual-clock.js';
import { turn, until } from '../support/wait.js';

const COUNT = Number(process.env.SLOW_SENDERS ?? 100);
const HEADER_MS = 10_000;
const BODY_MS = 30_000;

/** A peer that trickles; what it was sent is in `answer`. */
class SlowSender {
  answer = '';
  ended = false;
  readonly #trickle: () => void;

  private constructor(trickle: () => void) {
    this.#trickle = trickle;
  }

  static async overTcp(port: number, beginning: string): Promise<SlowSender> {
    const socket: Socket = connect({ port, host: '127.0.0.1' });
    const sender = new SlowSender(() => socket.write('x'));
    onCleanUp(() => {
      socket.destroy();
    });
    socket.on('data', (chunk) => (sender.answer += chunk.toString('latin1')));
    socket.on('end', () => (sender.ended = true));
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    socket.write(beginning);
    return sender;
  }

  static async overWebSocket(port: number): Promise<SlowSender> {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
    const sender = new SlowSender(() => {
      socket.send('x', { fin: false });
    });
    onCleanUp(() => {
      socket.terminate();
    });
    socket.on('message', (data: Buffer) => (sender.answer += data.toString('latin1')));
    socket.on('close', () => (sender.ended = true));
    await once(socket, 'open');
    socket.send('GET / HTTP/1.1\r\n', { fin: false });
    return sender;
  }

  trickle(): void {
    if (!this.ended) this.#trickle();
  }
}

describe('peers that never end what they send', () => {
  afterEach(cleanUp);

  it('are ended by their timeouts, and cost the others nothing', async function () {
    this.timeout(60_000);
    const clock = new ManualClock();
    const broker = await TestBroker.start({}, clock);
    const client = await broker.connect();
    await client.expect(200, 'declare', { topic: 't' });
    const { port } = broker;
    const many = <T>(make: () => Promise<T>): Promise<T[]> =>
      Promise.all(Array.from({ length: COUNT }, make));
    const heads = await many(() => SlowSender.overTcp(port, 'GET / HTTP/1.1\r\nx: '));
    const bodies = await many(() =>
      SlowSender.overTcp(port, 'POST /produce/t HTTP/1.1\r\ncontent-length: 1000000\r\n\r\n'),
    );
    const fragments = await many(() => SlowSender.overWebSocket(port));
    await client.fence();

    const produced = await moveOn(clock, client, [...heads, ...bodies, ...fragments], HEADER_MS);
    assert(
      [...heads, ...bodies, ...fragments].every(({ ended }) => !ended),
      'ended too early',
    );
    const after = await moveOn(clock, client, [...bodies, ...fragments], 3000);
    await until(() => heads.every(({ ended }) => ended));
    assert(heads.every(({ answer }) => /^HTTP\/1\.1 408 .*\bhead\b/s.test(answer)));
    assert(bodies.every(({ ended }) => !ended) && fragments.every(({ ended }) => !ended));
    const last = await moveOn(clock, client, [...bodies, ...fragments], BODY_MS - HEADER_MS);
    await until(() => [...bodies, ...fragments].every(({ ended }) => ended));
    const body = /^HTTP\/1\.1 408 .*\bbody\b/s;
    assert([...bodies, ...fragments].every(({ answer }) => body.test(answer)));

    const { messageDepth } = await client.query('t');
    assert.equal(messageDepth, produced + after + last);
    const { body: json } = await client.expect(200, 'server');
    const { limits } = JSON.parse(json.toString()) as { limits: unknown };
    assert.deepEqual(limits, { headerTimeoutMs: COUNT, bodyTimeoutMs: 2 * COUNT });
  });

  /** Lets time pass second by second, everyone trickling on, and returns the messages produced. */
  async function moveOn(
    clock: ManualClock,
    client: Client,
    senders: readonly SlowSender[],
    ms: number,
  ): Promise<number> {
    for (let passed = 0; passed < ms; passed += 1000) {
      for (const sender of senders) sender.trickle();
      await client.expect(200, 'produce', { topic: 't', ack_level: 'page' }, 'unaffected');
      clock.advance(1000);
      await turn();
    }
    return Math.ceil(ms / 1000);
  }
});
