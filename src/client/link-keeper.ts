/**
 * Keeps a link up: connects to the first address that answers, and again, with growing pauses,
 * whenever the link is lost. Owned by Connection, which is told what happens. Holds no timer and no
 * socket once it is stopped.
 */
import type { Message } from '../protocol/message.js';
import { ClosedError } from '../errors.js';
import { Backoff } from './backoff.js';
import { ConnectionLostError } from './errors.js';
import { Handshake } from './handshake.js';
import { watchLink } from './heartbeat.js';
import type { ConnectionOptions } from './options.js';
import type { Link, Transport } from './transport.js';

export interface LinkOwner {
  /** A request `ping` under an id of its own. */
  newPing(): Message;
  onUp(link: Link, address: string): void;
  onMessage(reply: Message): void;
  onDrain(): void;
  /** The link that was up is gone, and will be made anew unless the keeper is stopped. */
  onDown(cause: Error | null): void;
  /** No address answered; they are tried again after `delayMs`. */
  onRetry(error: Error, delayMs: number): void;
  /** No address answered, and none will be tried any more. */
  onGivenUp(error: Error): void;
}

/** How long the peer may take to close its side. */
const END_TIMEOUT_MS = 1000;

export class LinkKeeper {
  readonly #transports: readonly Transport[];
  readonly #options: ConnectionOptions;
  readonly #owner: LinkOwner;
  readonly #backoff: Backoff;
  /** Of the transport that is tried next. */
  #index = 0;
  /** Attempts since there was a link, or since the last pause. */
  #failed = 0;
  #wasUp = false;
  #handshake: Handshake | null = null;
  #link: Link | null = null;
  #stopHeartbeat: (() => void) | null = null;
  #stopTimer: (() => void) | null = null;
  #deadCause: Error | null = null;
  #stopped = false;
  #onEnded: (() => void) | null = null;

  constructor(transports: readonly Transport[], options: ConnectionOptions, owner: LinkOwner) {
    this.#transports = transports;
    this.#options = options;
    this.#owner = owner;
    const { backoffMinMs, backoffMaxMs, random } = options;
    this.#backoff = new Backoff({ minMs: backoffMinMs, maxMs: backoffMaxMs, random });
  }

  /** Begins to connect; the owner is told of the outcome. */
  start(): void {
    const transport = this.#transports[this.#index % this.#transports.length];
    if (transport === undefined || this.#stopped) return;
    const { clock, connectTimeoutMs } = this.#options;
    const ping = this.#owner.newPing();
    this.#handshake = new Handshake(
      transport,
      { clock, timeoutMs: connectTimeoutMs, ping },
      {
        onUp: (link) => {
          this.#up(link, transport.address);
        },
        onFailed: (error) => {
          this.#attemptFailed(error);
        },
        onMessage: (reply) => {
          this.#owner.onMessage(reply);
        },
        onDrain: () => {
          this.#owner.onDrain();
        },
        onClose: (cause) => {
          this.#down(cause);
        },
      },
    );
  }

  /** Ends the link, gracefully once what waits was sent; resolves when it is gone. */
  async stop(how: 'gracefully' | 'at once'): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#stopTimer?.();
    this.#stopHeartbeat?.();
    this.#handshake?.cancel();
    const link = this.#link;
    if (link === null) return;
    await new Promise<void>((resolve) => {
      const stopTimer = this.#options.clock.after(END_TIMEOUT_MS, () => {
        link.destroy();
      });
      this.#onEnded = () => {
        stopTimer();
        resolve();
      };
      if (how === 'gracefully') link.end();
      else link.destroy();
    });
  }

  #up(link: Link, address: string): void {
    const { clock, heartbeatMs } = this.#options;
    this.#link = link;
    this.#wasUp = true;
    this.#failed = 0;
    this.#backoff.reset();
    this.#stopHeartbeat = watchLink(link, {
      clock,
      intervalMs: heartbeatMs,
      ask: () => {
        link.send(this.#owner.newPing());
      },
      onDead: () => {
        const silence = `${address} was silent for ${2 * heartbeatMs} ms`;
        this.#deadCause = new ConnectionLostError(silence);
        link.destroy();
      },
    });
    this.#owner.onUp(link, address);
  }

  #down(cause: Error | null): void {
    this.#stopHeartbeat?.();
    this.#link = null;
    const known = this.#deadCause ?? cause;
    this.#deadCause = null;
    this.#owner.onDown(known);
    if (this.#stopped) {
      this.#onEnded?.();
    } else {
      this.#pause(known ?? new ConnectionLostError('The broker closed the connection'));
    }
  }

  #attemptFailed(error: Error): void {
    if (this.#stopped) return;
    this.#failed++;
    this.#index++;
    if (error instanceof ClosedError) {
      this.#giveUp(error);
    } else if (this.#failed < this.#transports.length) {
      this.start();
    } else if (!this.#wasUp && !this.#options.waitForBroker) {
      this.#giveUp(error);
    } else {
      this.#pause(error);
    }
  }

  #pause(error: Error): void {
    this.#failed = 0;
    const delayMs = this.#backoff.nextMs();
    this.#stopTimer = this.#options.clock.after(delayMs, () => {
      this.start();
    });
    this.#owner.onRetry(error, delayMs);
  }

  #giveUp(error: Error): void {
    this.#stopped = true;
    this.#owner.onGivenUp(error);
  }
}
