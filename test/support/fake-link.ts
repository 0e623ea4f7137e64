/**
 * A link of the client whose peer is the test: it answers `ping`, keeps all else that is sent, and
 * is congested, silent or gone when the test says so. For orders and times that no real peer can be
 * made to show at will.
 */
import type { Link, LinkEvents, Transport } from '../../src/client/transport.js';
import { CommandName } from '../../src/protocol/commands.js';
import { Header } from '../../src/protocol/headers.js';
import type { Message } from '../../src/protocol/message.js';

export class FakeLink implements Link {
  congested = false;
  readonly activity = undefined;
  /** Whatever was sent but `ping`. */
  readonly sent: Message[] = [];
  readonly events: LinkEvents;

  constructor(events: LinkEvents) {
    this.events = events;
  }

  send(request: Message): void {
    if (request.headers.get(Header.cmd) !== CommandName.ping) {
      this.sent.push(request);
      return;
    }
    const id = request.headers.get(Header.id) ?? '';
    this.events.onMessage({ ...request, status: 200, headers: new Map([[Header.id, id]]) });
  }

  flush(): void {
    // It keeps nothing back.
  }

  end(): void {
    this.destroy();
  }

  destroy(): void {
    this.events.onClose(null);
  }
}

/** Reaches the peer while it is `reachable`; else an attempt goes on until it is ended. */
export class FakeTransport implements Transport {
  readonly address = 'a fake';
  reachable = true;
  /** In the order in which they were made. */
  readonly links: FakeLink[] = [];

  connect(events: LinkEvents, signal: AbortSignal): Promise<Link> {
    if (this.reachable) {
      const link = new FakeLink(events);
      this.links.push(link);
      return Promise.resolve(link);
    }
    return new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => {
        reject(signal.reason as Error);
      });
    });
  }
}
