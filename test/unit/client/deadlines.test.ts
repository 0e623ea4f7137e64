/**
 * When a call of a service ends that gets no answer: a second behind its time where the broker may
 * still say what became of it, and not a millisecond later where no broker has it.
 */
import assert from 'node:assert/strict';
import { type Bus, connectOver } from '../../../src/client/bus.js';
import { TimeoutError } from '../../../src/client/errors.js';
import type { RpcOptions } from '../../../src/client/rpc/rpc-invoker.js';
import { cleanUp, onCleanUp } from '../../support/cleanup.js';
import { type FakeLink, FakeTransport } from '../../support/fake-link.js';
import { ManualClock } from '../../support/manual-clock.js';
import { turn } from '../../support/wait.js';

interface Service {
  run(): unknown;
}

/** How a call ended so far, and when. */
interface Ended {
  error: unknown;
  atMs: number;
}

describe('a call without an answer', () => {
  let clock: ManualClock;
  let transport: FakeTransport;
  let bus: Bus;

  beforeEach(async () => {
    clock = new ManualClock();
    transport = new FakeTransport();
    bus = await connectOver([transport], { clock });
    onCleanUp(() => bus.close({ timeoutMs: 0 }));
  });
  afterEach(cleanUp);

  function link(): FakeLink {
    const last = transport.links.at(-1);
    assert(last !== undefined);
    return last;
  }

  function lose(): void {
    transport.reachable = false;
    link().destroy();
  }

  async function call(options: RpcOptions): Promise<Ended> {
    const ended: Ended = { error: null, atMs: NaN };
    bus
      .rpc<Service>('T', options)
      .run()
      .catch((error: unknown) => {
        ended.error = error;
        ended.atMs = clock.nowMs();
      });
    await turn();
    return ended;
  }

  async function pass(ms: number): Promise<void> {
    clock.advance(ms);
    await turn();
  }

  function assertEnded({ error, atMs }: Ended, expectedMs: number, text: RegExp): void {
    assert(error instanceof TimeoutError);
    assert.match(error.message, text);
    assert.equal(atMs, expectedMs);
  }

  it('ends at its time when there was no link to send it on', async () => {
    lose();
    const ended = await call({ timeoutMs: 100 });
    await pass(99);
    assert.equal(ended.error, null);
    await pass(1);
    assertEnded(ended, 100, /within 100 ms: nothing was sent/);
  });

  it('ends at its time when the link did not take it', async () => {
    link().congested = true;
    const ended = await call({ timeoutMs: 100 });
    await pass(100);
    assertEnded(ended, 100, /nothing was sent/);
    assert.deepEqual(link().sent, []);
  });

  it('ends a second later when it was sent', async () => {
    const ended = await call({ timeoutMs: 100 });
    await pass(1099);
    assert.equal(ended.error, null);
    await pass(1);
    assertEnded(ended, 1100, /No answer within 100 ms, sent 1 times/);
  });

  it('ends at its time when the link was lost before, whenever another call ended', async () => {
    const other = await call({ timeoutMs: 50 });
    const ended = await call({ timeoutMs: 2000, idempotent: true });
    await pass(1050);
    assertEnded(other, 1050, /No answer/);
    lose();
    await pass(949);
    assert.equal(ended.error, null);
    await pass(1);
    assertEnded(ended, 2000, /sent 1 times/);
  });

  it('ends with the link when that is lost in the second behind its time', async () => {
    const ended = await call({ timeoutMs: 100, idempotent: true });
    await pass(600);
    assert.equal(ended.error, null);
    lose();
    await turn();
    assertEnded(ended, 600, /sent 1 times/);
  });
});
