/**
 * The sessions that consume from a group, and their requests that wait. Owned by ConsumeGroup;
 * keeps the rule of exclusive groups and says which sessions have gone, so that what they held
 * comes back.
 */
import { ForbiddenError, type ZbusError } from '../errors.js';
import { latin1Of } from '../protocol/names.js';
import type { Session } from './session.js';
import { type Waiter, WaitingLine } from './waiting-line.js';

export interface GroupConsumersContext {
  readonly groupName: string;
  readonly exclusive: () => boolean;
  /** A consumer came or went; `last` when it was the last one. */
  readonly changed: (last: boolean) => void;
  /** A waiter may take messages again, or a session has gone. */
  readonly wake: () => void;
}

export class GroupConsumers {
  readonly line: WaitingLine;
  /** Sessions that have gone and may still hold messages; emptied by the group. */
  readonly gone = new Set<Session>();
  readonly #context: GroupConsumersContext;
  readonly #consuming = new Set<Session>();
  /** Of every session that ever consumed: how to stop listening for its end. */
  readonly #sessions = new Map<Session, () => void>();

  constructor(context: GroupConsumersContext) {
    this.#context = context;
    this.line = new WaitingLine(context.wake);
  }

  /** Addresses, in the order they came. */
  get addresses(): string[] {
    return Array.from(this.#consuming, (session) => session.remoteAddress);
  }

  /** Throws ForbiddenError when the group is exclusive and another session consumes. */
  push(waiter: Waiter): void {
    this.#join(waiter.exchange.session);
    this.line.push(waiter);
  }

  /** The session waits and consumes no more; its waiting requests get no reply. */
  leave(session: Session): void {
    for (const { exchange } of this.line.remove(session)) exchange.silence();
    if (this.#consuming.delete(session)) this.#context.changed(this.#consuming.size === 0);
  }

  /** The group has become exclusive: it belongs to whoever consumed first. */
  evictAllButFirst(): void {
    const { message } = this.#exclusiveError();
    for (const session of [...this.#consuming].slice(1)) {
      for (const { exchange } of this.line.remove(session)) {
        exchange.answer(403, '', latin1Of(message));
      }
      this.leave(session);
    }
  }

  /** Answers those that wait. */
  refuseWaiting(error: ZbusError): void {
    for (const { exchange } of this.line.remove(null)) {
      exchange.answer(error.status, error.replyHeaderLines, latin1Of(error.message));
    }
  }

  /** Forgets all; those that wait are answered, or get no reply when there is no error. */
  close(error: ZbusError | null): void {
    for (const [session, listener] of this.#sessions) session.offEnd(listener);
    this.#sessions.clear();
    this.#consuming.clear();
    if (error !== null) this.refuseWaiting(error);
    for (const { exchange } of this.line.remove(null)) exchange.silence();
  }

  #join(session: Session): void {
    if (this.#consuming.has(session)) return;
    if (this.#consuming.size > 0 && this.#context.exclusive()) throw this.#exclusiveError();
    this.#consuming.add(session);
    this.#context.changed(false);
    if (this.#sessions.has(session)) return;
    const listener = (): void => {
      this.#sessions.delete(session);
      this.gone.add(session);
      this.leave(session);
      this.#context.wake();
    };
    this.#sessions.set(session, listener);
    session.onEnd(listener);
  }

  #exclusiveError(): ForbiddenError {
    return new ForbiddenError(`ConsumeGroup(${this.#context.groupName}) exclusive, forbidden`);
  }
}
