/** Requests leave in the order in which they were begun, also behind a link that takes no more. */
import assert from 'node:assert/strict';
import { connectOver } from '../../../src/client/bus.js';
import { cleanUp, onCleanUp } from '../../support/cleanup.js';
import { FakeTransport } from '../../support/fake-link.js';

describe('requests behind a link that is congested', () => {
  afterEach(cleanUp);

  it('are not overtaken by new ones once it takes some again', async () => {
    const transport = new FakeTransport();
    const bus = await connectOver([transport]);
    onCleanUp(() => bus.close({ timeoutMs: 0 }));
    const [link] = transport.links;
    assert(link !== undefined);
    link.congested = true;
    bus.produce('T', 'first').catch(() => undefined);
    // It takes some, and has not said so: it does when it takes much.
    link.congested = false;
    bus.produce('T', 'second').catch(() => undefined);
    link.events.onDrain();
    assert.deepEqual(
      link.sent.map(({ body }) => body.toString()),
      ['first', 'second'],
    );
  });
});
