/** A consumer whose broker is stopping waits for the next one, whatever it had asked. */
import assert from 'node:assert/strict';
import { connectOver } from '../../../src/client/bus.js';
import { CommandName } from '../../../src/protocol/commands.js';
import { Header } from '../../../src/protocol/headers.js';
import { cleanUp, onCleanUp } from '../../support/cleanup.js';
import { type FakeLink, FakeTransport } from '../../support/fake-link.js';
import { ManualClock } from '../../support/manual-clock.js';
import { turn } from '../../support/wait.js';

describe('a consumer that joins its group while the broker stops', () => {
  afterEach(cleanUp);

  /** Answers the last request, which is `cmd`. */
  async function answer(link: FakeLink, cmd: string, status: number, text: string): Promise<void> {
    const request = link.sent.at(-1);
    assert(request !== undefined);
    assert.equal(request.headers.get(Header.cmd), cmd);
    const headers = new Map([[Header.id, request.headers.get(Header.id) ?? '']]);
    link.events.onMessage({ ...request, status, headers, body: Buffer.from(text) });
    await turn();
  }

  it('asks again until it goes or takes it', async () => {
    const clock = new ManualClock();
    const transport = new FakeTransport();
    const bus = await connectOver([transport], { clock });
    onCleanUp(() => bus.close({ timeoutMs: 0 }));
    const next = bus.consume('T').next();
    const [link] = transport.links;
    assert(link !== undefined);
    for (const count of [1, 2, 3]) {
      assert.equal(link.sent.length, count);
      await answer(link, CommandName.declare, 503, 'The broker is stopping');
      clock.advance(999);
      assert.equal(link.sent.length, count);
      clock.advance(1);
    }
    await answer(link, CommandName.declare, 200, '{}');
    await answer(link, CommandName.consume, 200, 'one');
    assert.equal((await next).value?.text(), 'one');
  });
});
