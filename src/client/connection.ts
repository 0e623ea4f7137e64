/**
 * One logical connection to a broker, over as many links as it takes: sends requests, matches
 * answers by id, and decides what a lost link means for each. Used by MqClient and Consumer; knows
 * no command but `ping`. Promises that every call ends, that nothing is kept alive once it is
 * closed, and that what waits for a link is bounded.
 */
import { BadRequestError, ClosedError } from '../errors.js';
import { CommandName } from '../protocol/commands.js';
import { Header } from '../protocol/headers.js';
import type { Message } from '../protocol/message.js';
import { Call, type CallOptions } from './call.js';
import { CallTable } from './call-table.js';
import { CallWindow } from './call-window.js';
import { Emitter } from './emitter.js';
import { BufferFullError, ConnectionLostError, errorOf, isNotBegun, isStopping } from './errors.js';
import { IdSource } from './id-source.js';
import { LinkKeeper, type LinkOwner } from './link-keeper.js';
import type { ConnectionOptions } from './options.js';
import { newRequest, type Request } from './requests.js';
import { startTimer } from './timer.js';
import type { Link, Transport } from './transport.js';

/** What the application may listen to. */
export interface ConnectionEvents {
  /** A broker answers; what waited is on its way. */
  connected: { readonly address: string };
  /** The connection is lost, and will be made anew. */
  disconnected: { readonly error: Error };
  /** No broker was reached; it is tried again after `delayMs`. */
  retrying: { readonly error: Error; readonly delayMs: number };
  /** For good: by `close`, or because it cannot come back (`error`). */
  closed: { readonly error: Error | null };
}

/**
 * `connecting` also when a connection was lost and is made anew; `closing` while `close` waits;
 * `closed` for good.
 */
export type ConnectionState = 'connecting' | 'connected' | 'closing' | 'closed';

/** Deliveries under one id; lives until it is removed. */
export interface Stream {
  readonly id: string;
  /** There is a link: ask for messages. */
  onUp(): void;
  onReply(reply: Message): void;
  onDown(): void;
  /** Asks for no more; resolves once what came is done with. */
  drain(): Promise<void>;
  /** There will be no link any more. */
  onClosed(error: Error): void;
}

/** After this long a request is sent again that a broker which is stopping has refused. */
const REFUSED_AGAIN_MS = 1000;

export class Connection implements LinkOwner {
  readonly options: ConnectionOptions;
  readonly events = new Emitter<ConnectionEvents>();
  readonly ids = new IdSource();
  /** Number of the link that is, or was last, up. */
  epoch = 0;
  readonly #keeper: LinkKeeper;
  readonly #calls: CallTable;
  readonly #window = new CallWindow();
  readonly #streams = new Map<string, Stream>();
  #link: Link | null = null;
  #state: ConnectionState = 'connecting';
  /** Calls that wait until the link takes more; some may have ended meanwhile. */
  #unsent: Call[] = [];
  #stopRefusedTimer: (() => void) | null = null;
  /** Why the broker is about to close the link, as it said. */
  #refusal: Message | null = null;
  #opened: { resolve: () => void; reject: (error: Error) => void } | null = null;
  #onDrained: (() => void) | null = null;
  #closing: Promise<void> | null = null;

  constructor(transports: readonly Transport[], options: ConnectionOptions) {
    if (transports.length === 0) throw new BadRequestError('No address: name at least one broker');
    this.options = options;
    this.#calls = new CallTable(options.clock, () => this.#onDrained?.());
    this.#keeper = new LinkKeeper(transports, options, this);
  }

  get state(): ConnectionState {
    return this.#state;
  }

  get connected(): boolean {
    return this.#link !== null;
  }

  /** Resolves once a broker has answered. Rejects with ConnectionLostError; it is closed then. */
  open(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#opened = { resolve, reject };
      this.#keeper.start();
    });
  }

  /** Sends a request; `read` makes the result of its answer. Rejects with a ZbusError. */
  call<Result>(
    request: Request,
    options: CallOptions,
    read: (reply: Message, call: Call) => Result,
  ): Promise<Result> {
    const own = this.#identified(request);
    return new Promise<Result>((resolve, reject) => {
      const answer = (reply: Message, call: Call): void => resolve(read(reply, call));
      this.#begin(new Call(own, options, this.options.clock.nowMs(), answer, reject));
    });
  }

  /** Sends a request that has no answer; does nothing without a link. */
  post(request: Request): void {
    this.#link?.send(this.#identified(request));
  }

  /** Sends what waits for the end of the turn now: what comes back takes a while. */
  flush(): void {
    this.#link?.flush();
  }

  get streams(): Iterable<Stream> {
    return this.#streams.values();
  }

  addStream(stream: Stream): void {
    if (this.#ending) {
      stream.onClosed(closedError());
      return;
    }
    this.#streams.set(stream.id, stream);
    if (this.#link !== null) stream.onUp();
  }

  removeStream(stream: Stream): void {
    this.#streams.delete(stream.id);
  }

  /**
   * Takes no new calls, waits up to `timeoutMs` for the answers to those that were begun, and ends
   * the link. Twice is once.
   */
  close(timeoutMs: number): Promise<void> {
    this.#closing ??= this.#state === 'closed' ? Promise.resolve() : this.#close(timeoutMs);
    return this.#closing;
  }

  // ---- for LinkKeeper --------------------------------------------------------------------------

  newPing(): Request {
    return newRequest(CommandName.ping, this.ids.next());
  }

  onUp(link: Link, address: string): void {
    this.#link = link;
    this.epoch++;
    this.#refusal = null;
    this.#unsent = [];
    if (this.#state === 'connecting') this.#state = 'connected';
    this.#opened?.resolve();
    this.#opened = null;
    this.#window.clear();
    for (const call of this.#calls) this.#send(call);
    for (const stream of [...this.#streams.values()]) stream.onUp();
    this.events.emit('connected', { address });
  }

  onMessage(reply: Message): void {
    const id = reply.headers.get(Header.id) ?? '';
    if (this.#window.release(id)) this.#sendHeldBack();
    const call = this.#calls.get(id);
    if (call !== undefined) {
      this.#answered(call, reply);
      return;
    }
    const stream = this.#streams.get(id);
    if (stream !== undefined) stream.onReply(reply);
    else if (id === '' && reply.status >= 400) this.#refusal = reply;
  }

  onDrain(): void {
    const unsent = this.#unsent;
    this.#unsent = [];
    for (const call of unsent) {
      this.#sendIfOpen(call);
    }
  }

  onDown(cause: Error | null): void {
    this.#link = null;
    this.#unsent = [];
    if (this.#state === 'connected') this.#state = 'connecting';
    const reason = this.#refusal === null ? cause : errorOf(this.#refusal);
    const lost = lostError(reason, true);
    // Sent again, what the broker could not read would only end the next connection too.
    const unreadable = this.#refusal !== null && this.#refusal.status < 500 ? reason : null;
    for (const call of [...this.#calls]) {
      if (!call.sent) {
        if (call.options.onLost === 'elsewhere') this.#fail(call, lostError(reason, false));
        continue;
      }
      call.sent = false;
      if (call.options.onLost !== 'resend') this.#fail(call, lost);
      else if (unreadable !== null) this.#fail(call, unreadable);
    }
    this.#calls.expire();
    for (const stream of [...this.#streams.values()]) stream.onDown();
    this.events.emit('disconnected', { error: lost });
  }

  onRetry(error: Error, delayMs: number): void {
    this.events.emit('retrying', { error, delayMs });
  }

  onGivenUp(error: Error): void {
    this.#finish(error);
    this.#opened?.reject(error);
    this.#opened = null;
  }

  get #ending(): boolean {
    return this.#state === 'closing' || this.#state === 'closed';
  }

  // ---- calls -----------------------------------------------------------------------------------

  /** A token counts for its request alone (docs/protocol.md, Tokens). */
  #identified(request: Request): Request {
    const { token } = this.options;
    if (token === null) return request;
    return { ...request, headers: new Map([[Header.token, token], ...request.headers]) };
  }

  #begin(call: Call): void {
    const refusal = this.#refusalOf(call);
    if (refusal !== null) {
      call.fail(refusal);
      return;
    }
    const { signal } = call.options;
    if (signal !== undefined) {
      if (signal.aborted) {
        call.fail(signal.reason);
        return;
      }
      call.listen(() => {
        this.#fail(call, signal.reason);
      });
    }
    this.#calls.add(call);
    if (this.#link !== null) this.#send(call);
  }

  /** Why the call cannot be taken; null when it can. */
  #refusalOf({ id, request }: Call): Error | null {
    if (this.#ending) return closedError();
    if (this.#calls.has(id) || this.#streams.has(id)) {
      return new BadRequestError(`Bad id "${id}": a request with this id is under way`);
    }
    if (this.#link !== null) return null;
    const { offlineCallsMax, offlineBytesMax } = this.options;
    const full =
      this.#calls.size >= offlineCallsMax ||
      this.#calls.bodyBytes + request.body.length > offlineBytesMax;
    if (!full) return null;
    return new BufferFullError(
      `No connection, and ${this.#calls.size} calls wait for one: try later, or raise ` +
        'offline.callsMax or offline.bytesMax',
    );
  }

  #sendHeldBack(): void {
    for (let call = this.#window.next(); call !== undefined; call = this.#window.next()) {
      this.#sendIfOpen(call);
    }
  }

  /** It may have ended while it waited. */
  #sendIfOpen(call: Call): void {
    if (this.#calls.get(call.id) === call && !call.sent) this.#send(call);
    else if (!call.sent) this.#window.release(call.id);
  }

  #send(call: Call): void {
    // Behind what waits already, although the link may take some again by now.
    if (this.#link === null || this.#unsent.length > 0 || this.#link.congested) {
      this.#unsent.push(call);
      return;
    }
    if (call.isRpc && !this.#window.admit(call)) return;
    if (!call.beginAttempt(this.options.clock.nowMs())) {
      this.#window.release(call.id);
      if (this.#calls.remove(call)) call.expire();
      return;
    }
    try {
      this.#link.send(call.request);
    } catch (error) {
      this.#window.release(call.id);
      this.#fail(call, error);
    }
  }

  #answered(call: Call, reply: Message): void {
    const { onLost } = call.options;
    const again = onLost === 'resend' ? isStopping(reply) : call.isRpc && isNotBegun(reply);
    if (again && onLost !== 'elsewhere') {
      // Its successor will take it.
      call.sent = false;
      this.#stopRefusedTimer ??= this.options.clock.after(REFUSED_AGAIN_MS, this.#sendRefused);
      return;
    }
    this.#calls.remove(call);
    call.settle(reply);
  }

  readonly #sendRefused = (): void => {
    this.#stopRefusedTimer = null;
    if (this.#link === null) return;
    this.#unsent = [];
    for (const call of this.#calls) if (!call.sent) this.#send(call);
  };

  #fail(call: Call, error: unknown): void {
    if (this.#calls.remove(call)) call.fail(error);
  }

  // ---- closing ---------------------------------------------------------------------------------

  async #close(timeoutMs: number): Promise<void> {
    this.#state = 'closing';
    if (this.#calls.size > 0 && timeoutMs > 0) {
      await new Promise<void>((resolve) => {
        const stopTimer = startTimer(this.options.clock, timeoutMs, resolve);
        this.#onDrained = () => {
          stopTimer();
          resolve();
        };
      });
    }
    await this.#keeper.stop(timeoutMs > 0 ? 'gracefully' : 'at once');
    this.#finish(null);
    this.#opened?.reject(closedError());
  }

  #finish(error: Error | null): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#onDrained = null;
    this.#stopRefusedTimer?.();
    for (const call of [...this.#calls]) this.#fail(call, error ?? closedError());
    this.#calls.close();
    const streams = [...this.#streams.values()];
    this.#streams.clear();
    for (const stream of streams) stream.onClosed(error ?? closedError());
    this.events.emit('closed', { error });
  }
}

function closedError(): ClosedError {
  return new ClosedError('The client is closed: connect again');
}

function lostError(cause: Error | null, sent: boolean): ConnectionLostError {
  const reason = cause === null ? '' : `: ${cause.message}`;
  const what = sent ? 'whether the request was carried out is not known' : 'nothing was sent';
  return new ConnectionLostError(`Connection lost${reason}; ${what}`, { cause, sent });
}
