/**
 * All calls of a broker that are not answered yet: found by caller and id when a service answers,
 * ended at their deadlines, and when a session of either side ends. Made by Broker; used by the
 * desks of the topics. One timer covers all deadlines.
 */
import type { Clock } from '../../clock.js';
import { ClosedError, ConflictError, StoppingError, type ZbusError } from '../../errors.js';
import type { Session } from '../session.js';
import { WakeTimer } from '../wake-timer.js';
import { Deadlines } from './deadlines.js';
import { callKey, type RpcCall } from './rpc-call.js';
import { noFigures, type RpcFigures } from './rpc-figures.js';
import type { RpcDesk } from './rpc-desk.js';
import { RpcPeer } from './rpc-peer.js';

export interface RpcOptions {
  /** Of calls that name no timeout. */
  readonly timeoutMs: number;
  /** Unanswered calls of a topic at most. */
  readonly callsMax: number;
  /** Bytes of their requests at most. */
  readonly bytesMax: number;
}

/** What a service answered. */
export interface Answer {
  readonly status: number;
  readonly headerLines: string;
  /** A string is latin1; a Buffer belongs to whom it is answered to. */
  readonly body: string | Buffer;
}

export class RpcCalls {
  readonly clock: Clock;
  readonly options: RpcOptions;
  /** Answers by sessions that were never given a call, which no topic counts. */
  strayCount = 0;
  /** Of all topics since the start. */
  readonly figures: RpcFigures = noFigures();
  readonly #calls = new Map<string, RpcCall>();
  readonly #peers = new Map<Session, RpcPeer>();
  readonly #deadlines = new Deadlines<RpcCall>();
  readonly #timer: WakeTimer;
  #closed = false;

  constructor(clock: Clock, options: RpcOptions) {
    this.clock = clock;
    this.options = options;
    this.#timer = new WakeTimer(clock, () => {
      this.#endOverdue();
    });
  }

  /** Calls that are not answered yet. */
  get size(): number {
    return this.#calls.size;
  }

  /** Deadlines kept; as many as calls. */
  get deadlineCount(): number {
    return this.#deadlines.size;
  }

  /** Sessions that called or served, and have not ended. */
  get peerCount(): number {
    return this.#peers.size;
  }

  /** The session must not have ended. */
  peer(session: Session): RpcPeer {
    const known = this.#peers.get(session);
    if (known !== undefined) return known;
    const peer = new RpcPeer(session);
    this.#peers.set(session, peer);
    session.onEnd(() => {
      this.#ended(peer);
    });
    return peer;
  }

  /** Throws ConflictError when the caller waits for the answer to this id, StoppingError. */
  checkNew(key: string, id: string): void {
    if (this.#closed) throw new StoppingError();
    if (!this.#calls.has(key)) return;
    throw new ConflictError(`The call with id ${id} is not answered yet`);
  }

  add(call: RpcCall, nowMs: number): void {
    this.#calls.set(call.key, call);
    this.#deadlines.add(call);
    this.#timer.arm(call.dueMs, nowMs);
  }

  remove(call: RpcCall): void {
    this.#calls.delete(call.key);
    this.#deadlines.remove(call);
  }

  /** Calls of one topic. */
  *of(desk: RpcDesk): IterableIterator<RpcCall> {
    for (const call of this.#calls.values()) if (call.desk === desk) yield call;
  }

  /**
   * `session` answers the call that `callerId` made under `id`. Only a call that is in its hands is
   * answered: no session can answer what it was not given. Anything else is dropped and counted.
   */
  answer(session: Session, callerId: string, id: string, answer: Answer | ZbusError): void {
    const call = this.#calls.get(callKey(callerId, id));
    if (call?.holder?.session === session) {
      call.desk.answer(call, answer);
      return;
    }
    const desk = this.#peers.get(session)?.servedLast ?? null;
    if (desk === null) this.strayCount++;
    else desk.count('lateCount');
  }

  /** Answers every call 503, and every later one; to what no service has that it did not run. */
  close(): void {
    this.#closed = true;
    for (const call of this.#calls.values()) {
      const isRunning = call.holder !== null;
      const error = isRunning ? new ClosedError('The broker is stopping') : new StoppingError();
      call.desk.abort(call, error);
    }
    this.#timer.stop();
  }

  #ended(peer: RpcPeer): void {
    this.#peers.delete(peer.session);
    for (const call of peer.queued) call.desk.callerGone(call);
    // The first goes to the front of the queue last. What has not left yet comes back by itself.
    const held = [...peer.held].reverse();
    for (const call of held) if (call.sent) call.desk.serviceGone(call);
  }

  #endOverdue(): void {
    const nowMs = this.clock.nowMs();
    for (let call = this.#deadlines.first; call !== undefined; call = this.#deadlines.first) {
      if (call.dueMs > nowMs) {
        this.#timer.arm(call.dueMs, nowMs);
        return;
      }
      this.#deadlines.remove(call);
      call.dueMs = call.deadlineMs;
      if (call.desk.goesOn(call, nowMs)) this.#deadlines.add(call);
    }
  }
}
