/**
 * A consumer of a group as an async iterable: asks for messages as the application takes them, and
 * goes on by itself on the next link when one is lost. Made by Bus.consume, or on its own.
 */
import { ClosedError, ConflictError } from '../errors.js';
import { CommandName } from '../protocol/commands.js';
import { Header } from '../protocol/headers.js';
import type { Message } from '../protocol/message.js';
import { latin1Of, nameKey } from '../protocol/names.js';
import { offsetList } from '../protocol/offsets.js';
import { Acknowledger, type AcknowledgerOwner } from './acknowledger.js';
import type { Connection, Stream } from './connection.js';
import { checkConsume, type ConsumeOptions } from './consume-options.js';
import { ConnectionLostError, errorOf } from './errors.js';
import { type AskGroup, type GroupAcks, joinGroup } from './group-acks.js';
import { Inbox } from './inbox.js';
import type { GroupInfo } from './info.js';
import { newRequest, nothing, readJson, type Request } from './requests.js';
import { ReceivedMessage, type Receiver } from './stored-message.js';

const PREFETCH_WITH_ACKS = 100;
/** After this long a broker that was stopping, and has not gone, is asked again. */
const REFUSED_AGAIN_MS = 1000;
/** The link ends them: what was received on it can be settled on it alone. */
const CALL = { timeoutMs: Infinity, onLost: 'fail' } as const;
const LEAVE = { timeoutMs: 5000, onLost: 'fail' } as const;

/**
 * The messages of a group, for `for await`, each a ReceivedMessage. Begins when the first is asked
 * for. `Value` is the type that `message.json()` promises. The methods below `onUp` are for the
 * library itself.
 */
export class Consumer<Value = unknown>
  implements
    AsyncIterableIterator<ReceivedMessage<Value>>,
    AsyncDisposable,
    Stream,
    Receiver,
    AcknowledgerOwner<ReceivedMessage<Value>>
{
  readonly id: string;
  readonly topic: string;
  readonly group: string;
  readonly #connection: Connection;
  readonly #server: string | null;
  readonly #options: ConsumeOptions;
  readonly #inbox = new Inbox<ReceivedMessage<Value>>();
  readonly #acknowledger: Acknowledger<ReceivedMessage<Value>>;
  #state: 'new' | 'open' | 'ending' | 'ended' = 'new';
  /** On the link that is up messages may be asked for. */
  #joined = false;
  /** Of the link that is, or was last, up. */
  #acks: GroupAcks = 'none';
  #prefetch = 1;
  /** Asked for on this link and not here yet. */
  #outstanding = 0;
  /** Came while the consumer was leaving. */
  #late: ReceivedMessage<Value>[] = [];
  #closing: Promise<void> | null = null;
  #stopTimer: (() => void) | null = null;

  /** `server`: its key, where this is one of several. Throws BadRequestError. */
  constructor(
    connection: Connection,
    topic: string,
    options: ConsumeOptions = {},
    server: string | null = null,
  ) {
    ({ topic: this.topic, group: this.group } = checkConsume(topic, options));
    this.#connection = connection;
    this.#server = server;
    this.id = connection.ids.next();
    this.#options = options;
    this.#acknowledger = new Acknowledger(this);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /**
   * The next message; whoever asks is done with the one before. Rejects with the error that ended
   * the consumer, such as NotFoundError when the topic was removed or ForbiddenError when the group
   * is exclusive and in use.
   */
  next(): Promise<IteratorResult<ReceivedMessage<Value>, undefined>> {
    if (this.#state === 'new') this.#open();
    const next = this.#inbox.next();
    this.#replenish();
    return next;
  }

  /** Called by `break` and the like. */
  async return(): Promise<IteratorResult<ReceivedMessage<Value>, undefined>> {
    this.#inbox.release();
    await this.close();
    const left = this.#inbox.clear();
    // A group that acknowledged them by itself refuses that.
    if (this.#acks === 'unknown') await this.#giveBackAll(left).catch(nothing);
    return { done: true, value: undefined };
  }

  /**
   * Asks for no more and leaves the group. What was fetched ahead goes back to it at once; where
   * the group acknowledges by itself it cannot, and the iteration hands it out before it ends, as
   * it does where that is not known.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /**
   * Resolves once the application has settled what it was handed, or asks for the next message. At
   * once where nothing is to be settled.
   */
  idle(): Promise<void> {
    return this.#acks === 'none' ? Promise.resolve() : this.#inbox.idle();
  }

  // ---- for RoutedConsumer ----------------------------------------------------------------------

  /** True when the group takes messages back, as those do that ask for acknowledgements. */
  get takesBack(): boolean {
    return this.#acks === 'required';
  }

  /** True for a message that comes again, because its connection is gone. */
  isStale(message: ReceivedMessage<Value>): boolean {
    return this.takesBack && this.refusalOf(message) !== null;
  }

  // ---- for Connection --------------------------------------------------------------------------

  onUp(): void {
    if (this.#state === 'open') void this.#join();
  }

  onReply(reply: Message): void {
    if (reply.status === 200) {
      this.#outstanding--;
      this.#received(this.#messageOf(reply));
    } else if (reply.status === 503) {
      this.#retryJoin();
    } else {
      this.#fail(errorOf(reply));
    }
  }

  onDown(): void {
    this.#joined = false;
    this.#outstanding = 0;
    this.#stopTimer?.();
    // They come again; what a group that acknowledges by itself is done with does not.
    if (this.#acks === 'required') this.#inbox.clear();
  }

  async drain(): Promise<void> {
    await this.close();
    await this.idle();
  }

  onClosed(error: Error): void {
    if (this.#state === 'ending') this.#finish(null);
    else this.#fail(error);
  }

  // ---- for ReceivedMessage ---------------------------------------------------------------------

  acknowledge(message: ReceivedMessage<Value>): Promise<void> {
    if (this.#acks === 'none') {
      this.#inbox.settle(message);
      return Promise.resolve();
    }
    const acknowledged = this.#acknowledger.acknowledge(message);
    // Whoever does not look at the outcome gets the message again: nothing is lost by it.
    acknowledged.catch(nothing);
    return acknowledged;
  }

  giveBack(message: ReceivedMessage<Value>, delayMs: number): Promise<void> {
    return this.#settle(message, CommandName.nack, delayMs);
  }

  renew(message: ReceivedMessage<Value>): Promise<void> {
    return this.#settle(message, CommandName.renew);
  }

  // ---- for Acknowledger ------------------------------------------------------------------------

  refusalOf(message: ReceivedMessage<Value>): Error | null {
    if (this.#connection.connected && message.epoch === this.#connection.epoch) return null;
    return new ConnectionLostError(
      'The connection on which the message came is gone: the message comes again',
    );
  }

  sendAck(offsets: string): Promise<void> {
    const { message, headers } = this.#request(CommandName.ack, this.#connection.ids.next());
    headers.set(Header.offsets, offsets);
    return this.#connection.call(message, CALL, nothing);
  }

  onSettled(message: ReceivedMessage<Value>): void {
    this.#inbox.settle(message);
  }

  // ---- joining ---------------------------------------------------------------------------------

  #open(): void {
    this.#state = 'open';
    const { signal } = this.#options;
    if (signal?.aborted === true) {
      this.#fail(signal.reason);
      return;
    }
    signal?.addEventListener('abort', this.#onAbort, { once: true });
    this.#connection.addStream(this);
  }

  async #join(): Promise<void> {
    const { epoch } = this.#connection;
    const isCurrent = (): boolean => this.#state === 'open' && epoch === this.#connection.epoch;
    try {
      const acks = await joinGroup(this.#askGroup, this.#options);
      if (!isCurrent()) return;
      this.#acks = acks;
      this.#prefetch = this.#options.prefetch ?? (acks === 'required' ? PREFETCH_WITH_ACKS : 1);
      this.#joined = this.#connection.connected;
      this.#replenish();
    } catch (error) {
      if (!isCurrent()) return;
      if (error instanceof ClosedError) this.#retryJoin();
      // It joins again on the next link.
      else if (!(error instanceof ConnectionLostError)) this.#fail(error);
    }
  }

  readonly #askGroup: AskGroup = async (cmd, declared) => {
    const { message, headers } = this.#request(cmd, this.#connection.ids.next());
    for (const [name, value] of declared) headers.set(name, value);
    return (await this.#connection.call(message, CALL, readJson)) as GroupInfo;
  };

  #retryJoin(): void {
    this.#joined = false;
    this.#outstanding = 0;
    this.#stopTimer?.();
    this.#stopTimer = this.#connection.options.clock.after(REFUSED_AGAIN_MS, () => {
      this.onUp();
    });
  }

  /** Asks for as many as were finished, once that is half of what may be under way. */
  #replenish(): void {
    if (!this.#joined) return;
    const waiting = this.#outstanding + this.#inbox.length;
    const room = this.#prefetch - waiting - this.#inbox.inHandCount;
    if (room > 0 && (2 * room >= this.#prefetch || waiting === 0)) this.#ask(room);
  }

  #ask(count: number): void {
    this.#outstanding += count;
    const { message, headers } = this.#request(CommandName.consume, this.id);
    headers.set(Header.prefetch, String(count));
    this.#connection.post(message);
    this.#connection.flush();
  }

  #request(cmd: string, id: string): { message: Request; headers: Map<string, string> } {
    const headers = new Map([
      [Header.topic, latin1Of(this.topic)],
      [Header.consumeGroup, latin1Of(this.group)],
    ]);
    return { message: newRequest(cmd, id, headers), headers };
  }

  // ---- messages --------------------------------------------------------------------------------

  #messageOf(reply: Message): ReceivedMessage<Value> {
    return new ReceivedMessage<Value>(reply, this, this.#connection.epoch, this.#server);
  }

  #received(message: ReceivedMessage<Value>): void {
    if (this.#state === 'ending' && this.#acks === 'required') this.#late.push(message);
    else this.#inbox.push(message);
  }

  #settle(message: ReceivedMessage<Value>, cmd: string, delayMs = 0): Promise<void> {
    const settled = this.#sendSettle(message, cmd, delayMs);
    settled.catch(nothing);
    return settled;
  }

  async #sendSettle(message: ReceivedMessage<Value>, cmd: string, delayMs: number): Promise<void> {
    if (this.#acks === 'none') {
      throw new ConflictError(
        `ConsumeGroup(${this.group}) acknowledges by itself: consume with mask: Mask.ackRequired`,
      );
    }
    const refusal = this.refusalOf(message);
    if (refusal !== null) throw refusal;
    const request = this.#request(cmd, this.#connection.ids.next());
    request.headers.set(Header.offset, String(message.offset));
    if (delayMs > 0) request.headers.set(Header.delay, String(delayMs));
    try {
      await this.#connection.call(request.message, CALL, nothing);
    } finally {
      if (cmd !== CommandName.renew) this.#inbox.settle(message);
    }
  }

  // ---- ending ----------------------------------------------------------------------------------

  readonly #onAbort = (): void => {
    const error = this.#options.signal?.reason as Error;
    this.#inbox.clear();
    this.#inbox.end({ error });
    void this.close();
  };

  async #close(): Promise<void> {
    if (this.#state === 'open') {
      this.#state = 'ending';
      if (this.#acks === 'required') {
        this.#late = this.#inbox.clear();
        this.#inbox.end(null);
      }
      if (this.#joined) await this.#leave();
    }
    this.#finish(null);
  }

  /** Returns once nothing comes any more and what came too late was given back. */
  async #leave(): Promise<void> {
    this.#joined = false;
    this.#acknowledger.flush();
    const { message } = this.#request(CommandName.unconsume, this.#connection.ids.next());
    this.#connection.post(message);
    // It took all of this connection's consumers out of the group's line.
    for (const stream of this.#connection.streams) {
      if (stream instanceof Consumer && stream !== this && stream.#isOf(this)) stream.#rejoin();
    }
    try {
      // Requests take effect in order, so all that was delivered comes before this answer.
      await this.#connection.call(this.#connection.newPing(), LEAVE, nothing);
      await this.#giveBackAll(this.#late);
    } catch {
      // Without the link they go back by themselves.
    }
  }

  async #giveBackAll(messages: readonly ReceivedMessage<Value>[]): Promise<void> {
    const held = messages.filter((message) => this.refusalOf(message) === null);
    if (held.length === 0) return;
    const { message, headers } = this.#request(CommandName.nack, this.#connection.ids.next());
    headers.set(Header.offsets, offsetList(held.map(({ offset }) => offset)));
    await this.#connection.call(message, LEAVE, nothing);
  }

  #isOf({ topic, group }: Pick<Consumer, 'topic' | 'group'>): boolean {
    return nameKey(topic) === nameKey(this.topic) && nameKey(group) === nameKey(this.group);
  }

  #rejoin(): void {
    const count = this.#outstanding;
    if (!this.#joined || count === 0) return;
    this.#outstanding = 0;
    this.#ask(count);
  }

  #fail(error: unknown): void {
    this.#finish({ error: error as Error });
  }

  #finish(failure: { readonly error: Error } | null): void {
    this.#state = 'ended';
    this.#joined = false;
    this.#stopTimer?.();
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    this.#connection.removeStream(this);
    this.#inbox.end(failure);
  }
}
