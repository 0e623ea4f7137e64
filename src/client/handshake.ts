/**
 * From nothing to a link that is up: connects, asks `ping`, and waits for its answer, so that no
 * request goes to a peer that is no broker, or refuses the connection. Made by Connection for each
 * attempt; stands between link and connection from then on.
 */
import type { Clock } from '../clock.js';
import { ClosedError } from '../errors.js';
import { Header } from '../protocol/headers.js';
import type { Message } from '../protocol/message.js';
import { ConnectionLostError, errorOf, TimeoutError } from './errors.js';
import { startTimer } from './timer.js';
import type { Link, LinkEvents, Transport } from './transport.js';

export interface HandshakeOwner extends LinkEvents {
  /** The broker has answered; from here on the other events come. */
  onUp(link: Link): void;
  /** Nothing came of it; no event follows. */
  onFailed(error: Error): void;
}

export interface HandshakeOptions {
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** The question that the peer must answer with 200. */
  readonly ping: Message;
}

export class Handshake implements LinkEvents {
  readonly #transport: Transport;
  readonly #owner: HandshakeOwner;
  readonly #pingId: string | undefined;
  readonly #aborter = new AbortController();
  readonly #stopTimer: () => void;
  #link: Link | null = null;
  #state: 'asking' | 'up' | 'over' = 'asking';

  constructor(transport: Transport, options: HandshakeOptions, owner: HandshakeOwner) {
    this.#transport = transport;
    this.#owner = owner;
    const { clock, timeoutMs, ping } = options;
    this.#pingId = ping.headers.get(Header.id);
    this.#stopTimer = startTimer(clock, timeoutMs, () => {
      this.#fail(new TimeoutError(`${transport.address} did not answer within ${timeoutMs} ms`));
    });
    transport.connect(this, this.#aborter.signal).then(
      (link) => {
        this.#connected(link, ping);
      },
      (error: unknown) => {
        this.#fail(error);
      },
    );
  }

  /** Gives up; no event follows. */
  cancel(): void {
    if (this.#state === 'asking') this.#end(new ClosedError('The client is closed'));
  }

  onMessage(reply: Message): void {
    if (this.#state === 'up') {
      this.#owner.onMessage(reply);
    } else if (this.#state === 'asking') {
      this.#answered(reply);
    }
  }

  onDrain(): void {
    if (this.#state === 'up') this.#owner.onDrain();
  }

  onClose(cause: Error | null): void {
    if (this.#state === 'up') {
      this.#state = 'over';
      this.#owner.onClose(cause);
    } else {
      this.#fail(cause ?? new Error('it closed the connection without an answer'));
    }
  }

  #connected(link: Link, ping: Message): void {
    this.#link = link;
    if (this.#state === 'over') link.destroy();
    else link.send(ping);
  }

  #answered(reply: Message): void {
    const { status, headers } = reply;
    if (status === 200 && headers.get(Header.id) === this.#pingId && this.#link !== null) {
      this.#state = 'up';
      this.#stopTimer();
      this.#owner.onUp(this.#link);
    } else {
      this.#fail(status >= 400 ? errorOf(reply) : new Error('its answer is not that of a broker'));
    }
  }

  #fail(error: unknown): void {
    if (this.#state !== 'asking') return;
    this.#end(error);
    this.#owner.onFailed(this.#failure(error));
  }

  #end(reason: unknown): void {
    this.#state = 'over';
    this.#stopTimer();
    this.#aborter.abort(reason);
    this.#link?.destroy();
  }

  #failure(cause: unknown): Error {
    if (cause instanceof ClosedError && this.#link === null) return cause;
    const { address } = this.#transport;
    const reason = cause instanceof Error ? cause.message : String(cause);
    return new ConnectionLostError(
      `Cannot connect to ${address}: ${reason}; is a broker running there? (npx zbus)`,
      { cause },
    );
  }
}
