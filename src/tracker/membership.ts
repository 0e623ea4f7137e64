/**
 * This broker as a server of one tracker: connects, tells of itself, and goes on doing so for ever.
 * One message is under way at a time, so that a slow tracker gets the newest state and no pile.
 * Owned by Publisher.
 */
import type { Buffer } from 'node:buffer';
import type { Connection } from '../client/connection.js';
import { ConnectionLostError, TimeoutError } from '../client/errors.js';
import { newRequest, nothing } from '../client/requests.js';
import { ClosedError, ZbusError } from '../errors.js';
import type { Log } from '../log.js';
import { CommandName } from '../protocol/commands.js';
import { Header } from '../protocol/headers.js';
import { type ServerAddress, serverAddressText } from '../protocol/server-address.js';
import { connectToPeer, type PeerOptions } from './peer-connection.js';
import { RepeatFilter } from './repeat-filter.js';

const ANSWER_TIMEOUT_MS = 10_000;
/** A broker that stops does not wait longer for its trackers. */
const LEAVE_TIMEOUT_MS = 500;

export interface MembershipOptions {
  readonly peers: PeerOptions;
  readonly log: Log;
  readonly token: string | null;
  /** The body of a track_pub as of now. */
  readonly body: (live: boolean) => Buffer;
}

export class Membership {
  readonly #tracker: string;
  readonly #options: MembershipOptions;
  readonly #connection: Connection;
  readonly #failures: RepeatFilter;
  #state: 'out' | 'in' | 'refused' = 'out';
  #sending = false;
  /** There is news since what is being sent. */
  #due = false;

  constructor(address: ServerAddress, options: MembershipOptions) {
    this.#tracker = serverAddressText(address);
    this.#options = options;
    this.#failures = new RepeatFilter(options.peers.clock);
    this.#connection = connectToPeer(address, options.peers);
    this.#connection.events.on('connected', () => {
      // What was refused would be refused again, and again, as fast as connections can be made.
      if (this.#state !== 'refused') this.publish();
    });
    this.#connection.events.on('disconnected', ({ error }) => {
      if (this.#state === 'in') options.log.warn({ tracker: this.#tracker }, 'tracker lost');
      if (this.#state !== 'refused') this.#state = 'out';
      this.#failed(error);
    });
    this.#connection.events.on('retrying', ({ error }) => {
      this.#failed(error);
    });
  }

  /** There is news, or it is time for a sign of life. */
  publish(): void {
    if (!this.#connection.connected) return;
    if (this.#sending) this.#due = true;
    else void this.#publish();
  }

  /** There is news. */
  changed(): void {
    if (this.#state !== 'refused') this.publish();
  }

  /** Says goodbye where it can. */
  async close(): Promise<void> {
    this.#due = false;
    if (this.#state === 'in' && this.#connection.connected) {
      await this.#send(false, LEAVE_TIMEOUT_MS).catch(nothing);
    }
    await this.#connection.close(0);
  }

  async #publish(): Promise<void> {
    this.#sending = true;
    this.#due = false;
    try {
      await this.#send(true, ANSWER_TIMEOUT_MS);
      if (this.#state !== 'in')
        this.#options.log.info({ tracker: this.#tracker }, 'joined tracker');
      this.#state = 'in';
      this.#failures.reset();
    } catch (error) {
      this.#notTaken(error as Error);
    } finally {
      this.#sending = false;
    }
    if (this.#takeDue()) this.changed();
  }

  #takeDue(): boolean {
    const due = this.#due;
    this.#due = false;
    return due;
  }

  #send(live: boolean, timeoutMs: number): Promise<void> {
    const { token, body } = this.#options;
    const headers = new Map<string, string>();
    if (token !== null) headers.set(Header.token, token);
    const id = this.#connection.ids.next();
    const request = newRequest(CommandName.trackPub, id, headers, body(live));
    return this.#connection.call(request, { timeoutMs, onLost: 'fail' }, nothing);
  }

  #notTaken(error: Error): void {
    if (error instanceof ClosedError) return;
    const refusal = refusalIn(error);
    if (refusal !== null) this.#state = 'refused';
    else if (error instanceof TimeoutError) this.#state = 'out';
    this.#failed(refusal ?? error);
  }

  #failed(error: Error): void {
    if (this.#state === 'in' || !this.#failures.passes(error.message)) return;
    this.#options.log.warn({ tracker: this.#tracker, reason: error.message }, 'tracker not joined');
  }
}

/** The tracker's own word that it does not take us; null when it could not be asked. */
function refusalIn(error: Error): ZbusError | null {
  if (error instanceof ConnectionLostError) {
    const { cause } = error;
    return cause instanceof ZbusError && !isPassing(cause) ? cause : null;
  }
  return error instanceof ZbusError && !isPassing(error) ? error : null;
}

function isPassing(error: ZbusError): boolean {
  return (
    error instanceof ClosedError ||
    error instanceof TimeoutError ||
    error instanceof ConnectionLostError
  );
}
