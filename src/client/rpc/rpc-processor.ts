/**
 * Serves the calls of one topic: takes as many at once as it may, hands each to the service that it
 * means, and answers. Goes on by itself on the next link when one is lost. Made by Bus.serve, or on
 * its own. Promises one answer a call while the link lives, whatever the service does.
 */
import { BadRequestError, ClosedError, NotFoundError } from '../../errors.js';
import { CommandName } from '../../protocol/commands.js';
import { Header } from '../../protocol/headers.js';
import { Mask } from '../../protocol/masks.js';
import type { Message } from '../../protocol/message.js';
import { checkGroupName, checkTopicName, latin1Of, nameKey } from '../../protocol/names.js';
import type { Stream } from '../connection.js';
import { ConnectionLostError, errorOf, isStopping } from '../errors.js';
import type { TopicInfo } from '../info.js';
import type { MqClient } from '../mq-client.js';
import { newRequest } from '../requests.js';
import { startTimer } from '../timer.js';
import { RpcError, RpcErrorCode } from './rpc-error.js';
import { RpcRequest } from './rpc-request.js';
import {
  type EncodedReply,
  replyOf,
  type RpcHandler,
  RpcServices,
  type Schemas,
} from './rpc-service.js';

/** How calls are taken. */
export interface ProcessorOptions {
  /** The consume group; absent: the one named like the topic. It does not choose the calls. */
  readonly group?: string;
  /** Calls in the hands of this processor at most. Default 100. */
  readonly concurrency?: number;
  /** Before it serves, makes `start` reject with the signal's reason; later, closes it. */
  readonly signal?: AbortSignal | undefined;
}

const CONCURRENCY = 100;
/** After this long a broker that was stopping, and has not gone, is asked again. */
const REFUSED_AGAIN_MS = 1000;
/** The link ends it. */
const JOIN = { timeoutMs: Infinity } as const;
const LEAVE = { timeoutMs: 5000 } as const;

interface Running {
  readonly message: Message;
  /** Number of the link on which it came. */
  readonly epoch: number;
}

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/**
 * Serves the calls of one topic, until it is closed: `new RpcProcessor(bus.client, 'shop').add('',
 * shop).start()`. The methods below `onUp` are for the library itself.
 */
export class RpcProcessor implements AsyncDisposable, Stream {
  readonly id: string;
  readonly topic: string;
  readonly group: string;
  /** Resolves when it has ended: with null by `close`, else with the error that ended it. */
  readonly ended: Promise<Error | null>;
  readonly #client: MqClient;
  readonly #options: ProcessorOptions;
  readonly #concurrency: number;
  readonly #services: RpcServices;
  #state: 'new' | 'open' | 'ending' | 'ended' = 'new';
  /** On the link that is up calls may be asked for. */
  #joined = false;
  /** Asked for on this link and not here yet. */
  #outstanding = 0;
  /** Calls whose service has not come back, those of lost links included. */
  readonly #running = new Map<RpcRequest, Running>();
  #started: Waiting | null = null;
  #onIdle: (() => void) | null = null;
  #closing: Promise<void> | null = null;
  #stopTimer: (() => void) | null = null;
  #tellEnd: (error: Error | null) => void = () => undefined;

  /** `services`: those that several processors of one topic share. Throws BadRequestError. */
  constructor(
    client: MqClient,
    topic: string,
    options: ProcessorOptions = {},
    services = new RpcServices(),
  ) {
    this.#services = services;
    const { concurrency = CONCURRENCY, group = topic } = options;
    if (!(Number.isSafeInteger(concurrency) && concurrency >= 1)) {
      throw new BadRequestError(`Bad concurrency "${concurrency}": must be a whole number from 1`);
    }
    this.#client = client;
    this.topic = checkTopicName(topic);
    this.group = checkGroupName(group);
    this.id = client.connection.ids.next();
    this.#options = options;
    this.#concurrency = concurrency;
    this.ended = new Promise((resolve) => {
      this.#tellEnd = resolve;
    });
  }

  /**
   * What serves the calls of `module`: an object, whose functions are the methods, own and
   * inherited ones, but those of every object and names that begin with _ or #; or a function that
   * gets each call as it is. A function for '' gets also the calls of modules that nothing serves.
   * May be called while it serves. Throws BadRequestError.
   */
  add(module: string, handler: RpcHandler): this;
  add<Service extends object>(module: string, service: Service, schemas?: Schemas<Service>): this;
  add(module: string, service: object, schemas: object = {}): this {
    this.#services.add(module, service, schemas);
    return this;
  }

  /**
   * Makes the topic when it is missing, and resolves once the broker hands calls to this processor.
   * Rejects with BadRequestError when the topic carries no RPC, with ForbiddenError when the group
   * is exclusive and in use.
   */
  start(): Promise<void> {
    if (this.#state !== 'new') {
      return Promise.reject(new BadRequestError('A processor starts once: make another'));
    }
    this.#state = 'open';
    return new Promise((resolve, reject) => {
      this.#started = { resolve, reject };
      const { signal } = this.#options;
      if (signal?.aborted === true) {
        this.#finish(signal.reason as Error);
        return;
      }
      signal?.addEventListener('abort', this.#onAbort, { once: true });
      this.#client.connection.addStream(this);
    });
  }

  /** Calls that are in the hands of its services. */
  get inHandCount(): number {
    return this.#running.size;
  }

  /**
   * Asks for no more, and answers what is in hand; what has no answer after `timeoutMs` (default:
   * without end) is answered with an error. Twice is once.
   */
  close(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(options.timeoutMs ?? Infinity);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  // ---- for Connection --------------------------------------------------------------------------

  onUp(): void {
    if (this.#state === 'open') void this.#join();
  }

  onReply(reply: Message): void {
    if (reply.status === 200) {
      this.#outstanding--;
      void this.#serve(reply);
    } else if (isStopping(reply)) {
      this.#leaveLink();
      this.#stopTimer = this.#client.connection.options.clock.after(REFUSED_AGAIN_MS, () => {
        this.onUp();
      });
    } else {
      this.#finish(errorOf(reply));
    }
  }

  onDown(): void {
    this.#leaveLink();
    const lost = new ConnectionLostError('The connection on which the call came is gone');
    for (const request of this.#running.keys()) request.end(lost);
  }

  drain(): Promise<void> {
    return this.close();
  }

  onClosed(error: Error): void {
    this.#giveUp();
    this.#finish(this.#state === 'ending' ? null : error);
  }

  // ---- joining ---------------------------------------------------------------------------------

  async #join(): Promise<void> {
    const { connection } = this.#client;
    const { epoch } = connection;
    const isCurrent = (): boolean =>
      this.#state === 'open' && epoch === connection.epoch && connection.connected;
    try {
      await this.#declare();
      if (!isCurrent()) return;
      this.#joined = true;
      this.#replenish();
      // Answered when the broker has read what was sent before it.
      await this.#client.ping(JOIN);
      if (!isCurrent()) return;
      this.#started?.resolve();
      this.#started = null;
    } catch (error) {
      // It joins again on the next link.
      if (!(error instanceof ConnectionLostError)) this.#finish(error as Error);
    }
  }

  /** A topic that is there keeps its mask, which may have bits that are none of our business. */
  async #declare(): Promise<void> {
    const { topic, group } = this;
    const info = await this.#find();
    if (info === null) {
      await this.#client.declare(topic, { topicMask: Mask.rpc, group, ...JOIN });
      return;
    }
    if ((info.mask & Mask.rpc) === 0) {
      throw new BadRequestError(`Topic(${topic}) carries no RPC: remove it, or serve another one`);
    }
    const key = nameKey(group);
    if (info.consumeGroupList.some(({ groupName }) => nameKey(groupName) === key)) return;
    await this.#client.declare(topic, { group, ...JOIN });
  }

  async #find(): Promise<TopicInfo | null> {
    try {
      return await this.#client.query(this.topic, JOIN);
    } catch (error) {
      if (error instanceof NotFoundError) return null;
      throw error;
    }
  }

  #replenish(): void {
    if (!this.#joined) return;
    const room = this.#concurrency - this.#outstanding - this.#running.size;
    if (room > 0 && (2 * room >= this.#concurrency || this.#outstanding === 0)) this.#ask(room);
  }

  #ask(count: number): void {
    this.#outstanding += count;
    const headers = this.#names();
    headers.set(Header.prefetch, String(count));
    this.#client.connection.post(newRequest(CommandName.consume, this.id, headers));
  }

  #names(): Map<string, string> {
    return new Map<string, string>([
      [Header.topic, latin1Of(this.topic)],
      [Header.consumeGroup, latin1Of(this.group)],
    ]);
  }

  #leaveLink(): void {
    this.#joined = false;
    this.#outstanding = 0;
    this.#stopTimer?.();
  }

  // ---- calls -----------------------------------------------------------------------------------

  async #serve(message: Message): Promise<void> {
    const { connection } = this.#client;
    const { epoch } = connection;
    const request = new RpcRequest(message, connection.options.clock);
    this.#running.set(request, { message, epoch });
    const reply = await this.#services.run(request);
    // It was given up, and answered, meanwhile.
    if (!this.#running.has(request)) return;
    request.end(null);
    this.#done(request, reply);
    this.#replenish();
  }

  #done(request: RpcRequest, reply: EncodedReply): void {
    const call = this.#running.get(request);
    this.#running.delete(request);
    // The broker has answered what came on a link that is lost.
    if (call?.epoch === this.#client.connection.epoch) this.#answer(call.message, reply);
    if (this.#running.size === 0) this.#onIdle?.();
  }

  #answer({ headers: asked }: Pick<Message, 'headers'>, reply: EncodedReply): void {
    const { connection } = this.#client;
    const { bodyBytesMax } = connection.options;
    const { length } = reply.bytes;
    if (length > bodyBytesMax) {
      const text = `The answer has ${length} bytes: bodyBytesMax is ${bodyBytesMax}`;
      this.#answer(
        { headers: asked },
        replyOf(new RpcError(text, { code: RpcErrorCode.badResult })),
      );
      return;
    }
    const { headers } = reply;
    headers.set(Header.ack, 'false');
    headers.set(Header.originStatus, String(reply.status));
    headers.set(Header.recver, asked.get(Header.sender) ?? '');
    const id = asked.get(Header.originId) ?? '';
    connection.post(newRequest(CommandName.route, id, headers, reply.bytes));
  }

  // ---- ending ----------------------------------------------------------------------------------

  readonly #onAbort = (): void => {
    this.#started?.reject(this.#options.signal?.reason as Error);
    this.#started = null;
    void this.close();
  };

  async #close(timeoutMs: number): Promise<void> {
    if (this.#state === 'open') {
      this.#state = 'ending';
      if (this.#joined) await this.#leave();
    }
    if (this.#running.size > 0) await this.#idle(timeoutMs);
    this.#finish(null);
  }

  /** Returns once nothing comes any more. */
  async #leave(): Promise<void> {
    this.#leaveLink();
    const { connection } = this.#client;
    connection.post(newRequest(CommandName.unconsume, connection.ids.next(), this.#names()));
    // It took all of this connection's consumers out of the group's line.
    for (const stream of connection.streams) {
      if (stream instanceof RpcProcessor && stream !== this && stream.#isOf(this)) stream.#rejoin();
    }
    try {
      // Requests take effect in order, so all that was handed out comes before this answer.
      await this.#client.ping(LEAVE);
    } catch {
      // Without the link nothing comes either.
    }
  }

  async #idle(timeoutMs: number): Promise<void> {
    const { clock } = this.#client.connection.options;
    await new Promise<void>((resolve) => {
      const stopTimer = startTimer(clock, timeoutMs, () => {
        this.#giveUp();
      });
      this.#onIdle = () => {
        stopTimer();
        resolve();
      };
    });
  }

  #giveUp(): void {
    const error = new RpcError('The service was closed before it had answered', {
      code: RpcErrorCode.closing,
      status: 503,
    });
    for (const request of [...this.#running.keys()]) {
      request.end(error);
      this.#done(request, replyOf(error));
    }
  }

  #isOf({ topic, group }: Pick<RpcProcessor, 'topic' | 'group'>): boolean {
    return nameKey(topic) === nameKey(this.topic) && nameKey(group) === nameKey(this.group);
  }

  #rejoin(): void {
    const count = this.#outstanding;
    if (!this.#joined || count === 0) return;
    this.#outstanding = 0;
    this.#ask(count);
  }

  #finish(error: Error | null): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    this.#leaveLink();
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    const { connection } = this.#client;
    connection.removeStream(this);
    this.#started?.reject(error ?? new ClosedError('The processor was closed before it served'));
    this.#started = null;
    this.#tellEnd(error);
  }
}
