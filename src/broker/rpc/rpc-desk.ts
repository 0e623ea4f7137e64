/**
 * The calls of one topic with the rpc mask: they queue here, in memory, until a service asks for
 * the next, and are held to their deadlines. Owned by Topic; the waiting lines of its consume
 * groups hand them out. Promises that each call has one answer, and none is handed out behind its
 * deadline or when its caller is gone.
 */
import {
  CallsFullError,
  CallTimeoutError,
  NoServiceError,
  NotFoundError,
  ServiceFailedError,
  ZbusError,
} from '../../errors.js';
import { latin1Of } from '../../protocol/names.js';
import type { Exchange } from '../exchange.js';
import type { TrafficCounts } from '../traffic-counts.js';
import type { Waiter, WaitingLine } from '../waiting-line.js';
import { CallQueue } from './call-queue.js';
import { callKey, type CallOptions, CallState, RpcCall } from './rpc-call.js';
import type { Answer, RpcCalls } from './rpc-calls.js';
import { noFigures, type RpcFigures } from './rpc-figures.js';

/** How a call ended. */
type Outcome = 'timedOutCount' | 'unservedCount' | 'failedCount';

/**
 * Services that may be given one call: a request that ends every service which runs it must not go
 * round for all of them.
 */
const ATTEMPTS_MAX = 3;

export class RpcDesk {
  readonly figures: RpcFigures = noFigures();
  inHandCount = 0;
  /** Of the requests that are kept. */
  bytes = 0;
  readonly #topicName: string;
  readonly #calls: RpcCalls;
  readonly #traffic: TrafficCounts;
  /** Has the waiting lines ask for calls at the end of the turn. */
  readonly #wake: () => void;
  readonly #queue = new CallQueue();
  #serviceCount = 0;

  constructor(topicName: string, calls: RpcCalls, traffic: TrafficCounts, wake: () => void) {
    this.#topicName = topicName;
    this.#calls = calls;
    this.#traffic = traffic;
    this.#wake = wake;
  }

  get queuedCount(): number {
    return this.#queue.length;
  }

  /**
   * Takes a call; `head` and `body` are what the service will get. Throws ConflictError,
   * NoServiceError, CallsFullError, ClosedError.
   */
  call(exchange: Exchange, head: string, body: string | Buffer, options: CallOptions): void {
    const { session } = exchange;
    const key = callKey(session.id, exchange.id);
    this.#calls.checkNew(key, exchange.id);
    if (session.ended) {
      exchange.silence();
      return;
    }
    this.#checkRoom(head.length + body.length);
    if (this.#serviceCount === 0 && options.waitMs === 0) {
      this.count('unservedCount');
      this.#traffic.rpcEnded();
      throw this.#noService(0);
    }
    const nowMs = this.#calls.clock.nowMs();
    const caller = this.#calls.peer(session);
    const call = new RpcCall(key, exchange, caller, this, head, body, options, nowMs);
    this.bytes += call.bytes;
    caller.queued.add(call);
    this.#queue.push(call);
    this.#calls.add(call, nowMs);
    this.#traffic.touched();
    this.#wake();
  }

  /** Hands the next call to the first waiter of the line; false when there is none. */
  handOut(line: WaitingLine, waiter: Waiter, groupLine: string, nowMs: number): boolean {
    const call = this.#next(nowMs);
    if (call === null) return false;
    const { exchange } = waiter;
    line.served();
    this.#queue.remove(call);
    call.caller.queued.delete(call);
    const holder = this.#calls.peer(exchange.session);
    holder.held.add(call);
    holder.servedLast = this;
    call.holder = holder;
    call.state = CallState.inHand;
    call.sent = false;
    this.inHandCount++;
    this.#traffic.touched();
    const retry = call.attempts === 0 ? '' : `retry: ${call.attempts}\r\n`;
    call.handTo(exchange, groupLine + retry, waiter.credits > 0);
    return true;
  }

  /** The service has it: from here on its end may mean that the call was run. */
  delivered(call: RpcCall): void {
    if (call.state !== CallState.inHand) return;
    call.sent = true;
    call.attempts++;
    if (!mayRetry(call)) this.#forgetRequest(call);
    if (call.holder?.session.ended === true) this.serviceGone(call);
  }

  /** The service never had it. */
  undelivered(call: RpcCall): void {
    if (call.state === CallState.inHand && !call.sent) this.#queueAgain(call);
  }

  serviceGone(call: RpcCall): void {
    if (call.state !== CallState.inHand) return;
    if (!mayRetry(call)) {
      this.#fail(call, 'failedCount', this.#serviceFailed());
      return;
    }
    this.count('retriedCount');
    this.#queueAgain(call);
  }

  callerGone(call: RpcCall): void {
    this.#end(call);
    this.count('abandonedCount');
    call.exchange.silence();
  }

  answer(call: RpcCall, answer: Answer | ZbusError): void {
    if (!call.exchange.alive) {
      this.callerGone(call);
    } else if (answer instanceof ZbusError) {
      this.#fail(call, 'failedCount', answer);
    } else {
      this.#end(call);
      this.count('answeredCount');
      call.exchange.answer(answer.status, answer.headerLines, answer.body);
    }
  }

  /** A call is due: false when it has ended now, true when its deadline is still to come. */
  goesOn(call: RpcCall, nowMs: number): boolean {
    if (nowMs >= call.deadlineMs) {
      this.#fail(call, 'timedOutCount', this.#timedOut(call));
      return false;
    }
    if (call.state === CallState.inHand || this.#serviceCount > 0) return true;
    this.#failUnserved(call);
    return false;
  }

  /** The topic has so many services now. */
  servicesChanged(count: number): void {
    this.#serviceCount = count;
    if (count > 0) return;
    const nowMs = this.#calls.clock.nowMs();
    for (const call of this.#queue.toArray()) {
      if (call.state === CallState.queued && call.waitEndMs <= nowMs) this.#failUnserved(call);
    }
  }

  /** Ends the calls that no service has. */
  empty(): void {
    const error = new NoServiceError(`Topic(${this.#topicName}) was emptied`);
    for (const call of this.#queue.toArray()) {
      if (call.state === CallState.queued) this.abort(call, error);
    }
  }

  /** The topic is removed. */
  close(): void {
    const gone = new NotFoundError(`Topic(${this.#topicName}) not found`);
    const failed = new ServiceFailedError(
      `Topic(${this.#topicName}) was removed while a service had the call`,
    );
    for (const call of this.#calls.of(this)) {
      this.abort(call, call.state === CallState.queued ? gone : failed);
    }
  }

  abort(call: RpcCall, error: ZbusError): void {
    const outcome = call.state === CallState.queued ? 'unservedCount' : 'failedCount';
    this.#fail(call, outcome, error);
  }

  /** Counts in the topic, and in all of the broker. */
  count(figure: keyof RpcFigures): void {
    this.figures[figure]++;
    this.#calls.figures[figure]++;
  }

  #checkRoom(bytes: number): void {
    const { callsMax, bytesMax } = this.#calls.options;
    const many = this.#queue.length + this.inHandCount >= callsMax;
    if (!many && this.bytes + bytes <= bytesMax) return;
    this.count('refusedCount');
    const limit = many ? `rpcCallsMax is ${callsMax}` : `rpcBytesMax is ${bytesMax}`;
    throw new CallsFullError(`Topic(${this.#topicName}) has too many unanswered calls: ${limit}`);
  }

  /** The first call that is to be handed out, left in the queue. */
  #next(nowMs: number): RpcCall | null {
    for (let call = this.#queue.first; call !== null; call = this.#queue.first) {
      if (call.deadlineMs <= nowMs) this.#fail(call, 'timedOutCount', this.#timedOut(call));
      else if (call.exchange.alive) return call;
      else this.callerGone(call);
    }
    return null;
  }

  /** Puts a call in hand before all that are queued. */
  #queueAgain(call: RpcCall): void {
    if (call.caller.session.ended) {
      this.callerGone(call);
      return;
    }
    this.#leaveHand(call);
    call.state = CallState.queued;
    call.caller.queued.add(call);
    this.#queue.pushFront(call);
    if (this.#serviceCount > 0) this.#wake();
    else if (call.waitEndMs <= this.#calls.clock.nowMs()) this.#failUnserved(call);
  }

  #failUnserved(call: RpcCall): void {
    if (call.attempts > 0) this.#fail(call, 'failedCount', this.#serviceFailed());
    else this.#fail(call, 'unservedCount', this.#noService(call.options.waitMs));
  }

  #fail(call: RpcCall, outcome: Outcome, error: ZbusError): void {
    this.#end(call);
    this.count(outcome);
    call.exchange.answer(error.status, error.replyHeaderLines, latin1Of(error.message));
  }

  #end(call: RpcCall): void {
    if (call.state === CallState.queued) {
      this.#queue.remove(call);
      call.caller.queued.delete(call);
    } else {
      this.#leaveHand(call);
    }
    call.state = CallState.ended;
    this.#traffic.rpcEnded();
    this.#forgetRequest(call);
    this.#calls.remove(call);
  }

  #leaveHand(call: RpcCall): void {
    this.inHandCount--;
    call.holder?.held.delete(call);
    call.holder = null;
  }

  #forgetRequest(call: RpcCall): void {
    this.bytes -= call.bytes;
    call.forgetRequest();
  }

  #noService(waitMs: number): NoServiceError {
    const waited = waitMs === 0 ? '' : `, and none came within ${waitMs} ms`;
    return new NoServiceError(`Topic(${this.#topicName}) has no service${waited}`);
  }

  #serviceFailed(): ServiceFailedError {
    return new ServiceFailedError(`Topic(${this.#topicName}): the service has gone with the call`);
  }

  #timedOut({ state, options }: RpcCall): CallTimeoutError {
    const taken = state === CallState.inHand ? '' : ': no service took the call';
    return new CallTimeoutError(
      `Topic(${this.#topicName}): no answer within ${options.timeoutMs} ms${taken}`,
    );
  }
}

function mayRetry({ options, attempts, caller }: RpcCall): boolean {
  return options.idempotent && attempts < ATTEMPTS_MAX && !caller.session.ended;
}
