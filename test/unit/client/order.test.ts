/** Requests leave in the order in which they were begun, also behind a link that takes no more. */
import assert from 'node:assert/strict';
import { connectOver } from '../../../src/client/bus.js';
import type { Link, LinkEvents } from '../../../src/client/transport.js';
import { CommandName } from '../../../src/protocol/commands.js';
import { Header } from '../../../src/protocol/headers.js';
import type { Message } from '../../../src/protocol/message.js';
import { cleanUp, onCleanUp } from '../../support/cleanup.js';

/** Answers `ping`, keeps the bodies of all else, and is congested when the test says so. */
class FakeLink implements Link {
  congested = false;
  readonly activity = undefined;
  readonly sent: string[] = [];
  readonly events: LinkEvents;

  constructor(events: LinkEvents) {
    this.events = events;
  }

  send(request: Message): void {
    if (request.headers.get(Header.cmd) === CommandName.ping) {
      const id = request.headers.get(Header.id) ?? '';
      this.events.onMessage({ ...request, status: 200, headers: new Map([[Header.id, id]]) });
    } else {
      this.sent.push(request.body.toString());
    }
  }

  flush(): void {
    assert.fail('not asked to');
  }

  end(): void {
    this.destroy();
  }

  destroy(): void {
    this.events.onClose(null);
  }
}

describe('requests behind a link that is congested', () => {
  afterEach(cleanUp);

  it('are not overtaken by new ones once it takes some again', async () => {
    const links: FakeLink[] = [];
    const transport = {
      address: 'a fake',
      connect: (events: LinkEvents) => {
        links.push(new FakeLink(events));
        return Promise.resolve(links.at(-1) ?? new FakeLink(events));
      },
    };
    const bus = await connectOver([transport]);
    onCleanUp(() => bus.close({ timeoutMs: 0 }));
    const [link] = links;
    assert(link !== undefined);
    link.congested = true;
    bus.produce('T', 'first').catch(() => undefined);
    // It takes some, and has not said so: it does when it takes much.
    link.congested = false;
    bus.produce('T', 'second').catch(() => undefined);
    link.events.onDrain();
    assert.deepEqual(link.sent, ['first', 'second']);
  });
});
