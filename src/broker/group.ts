/**
 * A consume group: one independent position in a topic, a filter, and the consumers that share its
 * messages. Made by Topic; fed by the commands; delivers once a turn. What it stores may lag behind
 * what its consumers are done with, never lead: a message is settled once it was acknowledged, or,
 * without explicit acks, once the kernel has it.
 */
import { NotFoundError, type ZbusError } from '../errors.js';
import { hasMask, Mask } from '../protocol/masks.js';
import { latin1Of, nameKey } from '../protocol/names.js';
import type { OffsetRange } from '../protocol/offsets.js';
import type { Cursor } from '../queue/queue.js';
import { Phase, type TurnTask } from '../turn.js';
import type { Exchange } from './exchange.js';
import { GroupConsumers } from './group-consumers.js';
import type { GroupContext } from './group-context.js';
import { GroupCursor } from './group-cursor.js';
import type { GroupPositions } from './group-positions.js';
import { GroupReader } from './group-reader.js';
import type { Lease, LeaseOwner } from './lease.js';
import { Redelivery } from './redelivery.js';
import type { Session } from './session.js';
import type { GroupDefinition } from './topic-definition.js';
import { type ConsumeOptions, Waiter } from './waiting-line.js';
import { WakeTimer } from './wake-timer.js';

/** What could not be settled is told to the consumer in `refused`. */
export type AckDone = (error: ZbusError | null, refused: readonly number[]) => void;

const RETRY_MIN_MS = 1000;
const RETRY_MAX_MS = 60_000;

export class ConsumeGroup implements TurnTask, LeaseOwner {
  scheduled = false;
  readonly definition: GroupDefinition;
  /** Deliveries of messages that were handed out before, since the broker started. */
  redeliveredCount = 0;
  readonly #context: GroupContext;
  readonly #cursor: GroupCursor;
  readonly #positions: GroupPositions;
  readonly #reader: GroupReader;
  readonly #redelivery: Redelivery;
  readonly #consumers: GroupConsumers;
  /** Acks of this turn, answered once they are stored. */
  #acks: ((error: ZbusError | null) => void)[] = [];
  readonly #settle: TurnTask;
  readonly #nameHeader: string;
  #explicit: boolean;
  readonly #timer: WakeTimer;
  /** After a failed read nothing is read before this time. */
  #retryAtMs = 0;
  #retryDelayMs = RETRY_MIN_MS;
  #closed = false;

  constructor(context: GroupContext, definition: GroupDefinition, cursor: Cursor) {
    this.#context = context;
    this.definition = definition;
    this.#cursor = new GroupCursor(cursor, this, context.queue.firstOffset, (error) => {
      context.failed(this, error);
    });
    this.#positions = this.#cursor.positions;
    this.#explicit = this.#acksRequired;
    this.#timer = new WakeTimer(context.clock, this.wake);
    this.#nameHeader = `consume_group: ${latin1Of(definition.groupName)}\r\n`;
    this.#settle = {
      scheduled: false,
      endTurn: () => {
        this.#cursor.store();
      },
    };
    this.#reader = this.#newReader();
    this.#redelivery = this.#newRedelivery();
    this.#consumers = this.#newConsumers();
  }

  get name(): string {
    return this.definition.groupName;
  }

  /** Everything below is settled. */
  get position(): number {
    return this.#positions.floor;
  }

  /** Not handed out yet, or to be handed out again; the filter is not looked at. */
  get messageCount(): number {
    const { firstOffset, nextOffset } = this.#context.queue;
    return this.#positions.remaining(firstOffset, nextOffset);
  }

  /** True when consumers must acknowledge, by the mask of the group or of its topic. */
  get explicit(): boolean {
    return this.#explicit;
  }

  /** For those who show it. */
  get positions(): Readonly<GroupPositions> {
    return this.#positions;
  }

  /** On the clock that the times of its messages are of. */
  get nowMs(): number {
    return this.#context.clock.nowMs();
  }

  /** Addresses of the consuming sessions, in the order they came. */
  get consumers(): string[] {
    return this.#consumers.addresses;
  }

  /** Messages that went to the dead-letter topic since the broker started. */
  get deadCount(): number {
    return this.#redelivery.deadCount;
  }

  /** Delivers at the end of the turn if there is something to deliver. */
  readonly wake = (): void => {
    if (!this.#closed) this.#context.turn.schedule(Phase.deliver, this);
  };

  /**
   * Puts the exchange into the waiting line. Throws ForbiddenError when the group is exclusive and
   * another session consumes.
   */
  consume(exchange: Exchange, { credits, timeoutMs, lastSeen }: ConsumeOptions): void {
    const expired = (): void => exchange.answer(204, '', '');
    const { clock } = this.#context;
    const timeout = timeoutMs === null ? null : { clock, timeoutMs, expired };
    const alone = this.consumers.length === 0;
    this.#consumers.push(new Waiter(exchange, credits, timeout));
    if (lastSeen !== undefined && alone) this.#resumeBehind(lastSeen);
    this.wake();
  }

  /** Grants more messages to a request that still waits; false when there is none with this id. */
  grant(session: Session, id: string, credits: number): boolean {
    const waiter = this.#consumers.line.find(session, id);
    waiter?.grant(credits);
    return waiter !== undefined;
  }

  /**
   * The session leaves the waiting line and is no consumer any more; its waiting requests get no
   * reply. What it holds it may still acknowledge.
   */
  unconsume(session: Session): void {
    this.#consumers.leave(session);
  }

  /** Answers the waiting consumers. */
  refuseWaiting(error: ZbusError): void {
    this.#consumers.refuseWaiting(error);
  }

  /** Settles what the session holds; `done` is called once that is stored. */
  ack(session: Session, ranges: readonly OffsetRange[], done: AckDone): void {
    const { chosen, refused } = this.#positions.select(session, ranges);
    for (const lease of chosen) this.#positions.settle(lease);
    this.#context.traffic.acked(chosen.length);
    this.#acks.push((error) => done(error, refused));
    this.wake();
  }

  /** Takes back what the session holds, to be handed out again after `delayMs`. */
  nack(session: Session, ranges: readonly OffsetRange[], delayMs: number): readonly number[] {
    const { chosen, refused } = this.#positions.select(session, ranges);
    const dueMs = this.nowMs + delayMs;
    for (const lease of chosen) this.#redelivery.takeBack(lease, 'nack', dueMs);
    return refused;
  }

  /** Begins the ack timeout of what the session holds anew. */
  renew(session: Session, ranges: readonly OffsetRange[]): readonly number[] {
    const { chosen, refused } = this.#positions.select(session, ranges);
    const { nowMs } = this;
    for (const lease of chosen) this.#positions.renew(lease, nowMs);
    return refused;
  }

  /** Takes back what is overdue, delivers what is there, stores and answers the acks. */
  endTurn(): void {
    if (this.#closed) return;
    const { nowMs } = this;
    this.#redelivery.takeBackOverdue(this.#consumers.gone, nowMs);
    this.#consumers.gone.clear();
    const { line } = this.#consumers;
    if (!this.#paused && nowMs >= this.#retryAtMs) {
      for (let waiter = line.peek(); waiter !== undefined; waiter = line.peek()) {
        if (!this.#deliver(waiter, nowMs)) break;
      }
    }
    // Those that died are buried though nobody waits for a message.
    this.#redelivery.due(nowMs);
    this.#answerAcks();
    this.#armTimer(nowMs);
  }

  /** Moves the group; takes effect at once, also on what was read ahead and handed out. */
  moveTo(offset: number): void {
    this.#positions.moveTo(offset);
    this.#context.traffic.touched();
    this.#readOn();
  }

  /** What lies below `firstOffset` was deleted from the log. */
  trimmed(firstOffset: number): void {
    const { next } = this.#positions;
    this.#positions.trimmed(firstOffset);
    if (this.#positions.next !== next) this.#reader.restart();
    this.#changed();
    this.wake();
  }

  /** Applies a changed mask, of the group or its topic, or other changes of the definition. */
  redefined(filterChanged: boolean): void {
    if (filterChanged) this.#reader.refilter(this.definition.filter);
    const explicit = this.#acksRequired;
    if (this.#explicit && !explicit) this.#positions.settleSent();
    this.#explicit = explicit;
    if (hasMask(this.definition.mask, Mask.exclusive)) this.#consumers.evictAllButFirst();
    this.#changed();
    this.wake();
  }

  /**
   * Ends the group: waiting consumers are told that it is gone, or (broker stopping) left to the
   * connection.
   */
  close(reason: 'removed' | 'stopping'): void {
    if (this.#closed) return;
    this.#answerAcks();
    this.#closed = true;
    this.#timer.stop();
    this.#redelivery.close();
    this.#consumers.close(reason === 'stopping' ? null : groupNotFound(this.name));
    this.#reader.close();
    if (reason === 'stopping') this.#cursor.store();
  }

  /** For Lease: the kernel has the bytes. */
  delivered(lease: Lease): void {
    lease.sent = true;
    this.#context.traffic.delivered();
    if (lease.explicit || !this.#positions.isCurrent(lease)) return;
    this.#positions.settle(lease);
    this.#changed();
    // It took a place in the window if the group asks for acks since.
    if (this.#explicit) this.wake();
  }

  /** For Lease: the connection broke with the bytes unsent, so that it was no attempt. */
  undelivered(lease: Lease): void {
    if (!this.#positions.isCurrent(lease) || lease.holder === null) return;
    lease.attempts--;
    this.#positions.giveBack(lease, 0);
    this.#changed();
    this.wake();
  }

  get #paused(): boolean {
    return hasMask(this.definition.mask | this.#context.topicMask(), Mask.pause);
  }

  get #acksRequired(): boolean {
    return hasMask(this.definition.mask | this.#context.topicMask(), Mask.ackRequired);
  }

  #newReader(): GroupReader {
    const { queue, budget } = this.#context;
    const context = {
      queue,
      budget,
      positions: this.#positions,
      groupKey: latin1Of(nameKey(this.name)),
      ready: this.wake,
      skipped: this.#changed,
      failed: (error: Error) => {
        this.#readFailed(error);
      },
    };
    return new GroupReader(context, this.definition.filter);
  }

  #newRedelivery(): Redelivery {
    const { clock, traffic } = this.#context;
    return new Redelivery({
      clock,
      traffic,
      definition: this.definition,
      positions: this.#positions,
      bury: (lease) => this.#context.bury(this, lease),
      changed: () => {
        this.#changed();
        this.wake();
      },
      failed: (error) => {
        this.#context.failed(this, error);
      },
    });
  }

  #newConsumers(): GroupConsumers {
    return new GroupConsumers({
      groupName: this.name,
      exclusive: () => hasMask(this.definition.mask, Mask.exclusive),
      changed: (last) => {
        this.#context.consumersChanged(this, last);
      },
      wake: this.wake,
    });
  }

  /** What was sent behind `lastSeen` may never have been seen: it is handed out again. */
  #resumeBehind(lastSeen: number): void {
    const offset = Math.max(lastSeen + 1, this.#context.queue.firstOffset);
    if (offset >= this.#positions.next) return;
    this.#positions.rewindTo(offset);
    this.#readOn();
  }

  /** The group was moved. */
  #readOn(): void {
    this.#reader.restart();
    this.#cursor.store();
    this.wake();
  }

  /** Hands one message or call to the waiter; false when none is at hand now. */
  #deliver(waiter: Waiter, nowMs: number): boolean {
    const { desk } = this.#context;
    if (desk !== null) return desk.handOut(this.#consumers.line, waiter, this.#nameHeader, nowMs);
    const [positions, reader] = [this.#positions, this.#reader];
    const due = this.#redelivery.due(nowMs);
    const full = this.#explicit && positions.unsettledCount >= this.definition.ackWindow;
    if (due === undefined && full) return false;
    const batch = due === undefined ? reader.peek() : reader.readAgain(due, this.#deleted);
    if (batch === null) return false;
    this.#retryDelayMs = RETRY_MIN_MS;
    const { session } = waiter.exchange;
    const index = due === undefined ? reader.index++ : 0;
    const lease =
      due === undefined
        ? positions.handOut(batch.offset(index), session, this.#explicit, nowMs)
        : positions.handOutAgain(due, session, this.#explicit, nowMs);
    this.#consumers.line.served();
    let headerLines =
      `offset: ${lease.offset}\r\ntimestamp: ${batch.timestampMs(index)}\r\n` + this.#nameHeader;
    if (lease.attempts > 1) {
      headerLines += `retry: ${lease.attempts - 1}\r\n`;
      this.redeliveredCount++;
      this.#context.traffic.redelivered();
    }
    const [start, end] = [batch.wireStart(index), batch.wireEnd(index)];
    waiter.exchange.deliver(headerLines, batch.bytes, start, end, lease, waiter.credits > 0);
    this.#changed();
    return true;
  }

  /** The message to be handed out again is no longer in the log. */
  readonly #deleted = (lease: Lease): void => {
    this.#positions.drop(lease);
    this.#changed();
    this.wake();
  };

  #readFailed(error: Error): void {
    this.#context.failed(this, error);
    const { nowMs } = this;
    this.#retryAtMs = nowMs + this.#retryDelayMs;
    this.#retryDelayMs = Math.min(2 * this.#retryDelayMs, RETRY_MAX_MS);
    this.#armTimer(nowMs);
  }

  #answerAcks(): void {
    if (this.#acks.length === 0) return;
    const acks = this.#acks;
    this.#acks = [];
    const error = this.#cursor.store();
    for (const done of acks) done(error);
  }

  /** Wakes the group when the next timeout ends or the next message is due again. */
  #armTimer(nowMs: number): void {
    const { firstHeldAtMs, firstDueMs } = this.#positions;
    let atMs = firstHeldAtMs + this.definition.ackTimeoutMs;
    if (firstDueMs > nowMs) atMs = Math.min(atMs, firstDueMs);
    if (this.#retryAtMs > nowMs) atMs = Math.min(atMs, this.#retryAtMs);
    this.#timer.arm(atMs, nowMs);
  }

  /** Stores the position once what this turn sends has left. */
  readonly #changed = (): void => {
    if (this.#closed) return;
    this.#context.traffic.touched();
    this.#context.turn.schedule(Phase.settle, this.#settle);
  };
}

export function groupNotFound(name: string): NotFoundError {
  return new NotFoundError(`ConsumeGroup(${name}) not found`);
}
