/**
 * A consume group: one independent position in a topic, a filter, and the consumers that share its
 * messages. Made by Topic; fed by the consume command; delivers once a turn. Its position is stored
 * after its messages have been handed to the kernel, so it may lag, never lead.
 */
import { Buffer } from 'node:buffer';
import { BadRequestError, ForbiddenError, NotFoundError } from '../errors.js';
import { hasMask, Mask } from '../protocol/masks.js';
import { latin1Of } from '../protocol/names.js';
import type { Cursor, Queue, QueueReader, RecordBatch } from '../queue/queue.js';
import { Phase, type Turn, type TurnTask } from '../turn.js';
import { BATCH_BYTES, type BatchBudget, type BatchHolder } from './batch-budget.js';
import type { Delivery, Exchange } from './exchange.js';
import { GroupPositions } from './group-positions.js';
import type { Session } from './session.js';
import type { GroupDefinition } from './topic-definition.js';
import { Waiter, WaitingLine } from './waiting-line.js';

const NO_DETAIL = Buffer.alloc(0);

/** What a group needs of its topic and broker. */
export interface GroupContext {
  readonly queue: Queue;
  readonly turn: Turn;
  readonly budget: BatchBudget;
  /** True while the topic carries the pause mask. */
  readonly paused: () => boolean;
  /** A consumer came or went; `last` when it was the last one. */
  readonly consumersChanged: (group: ConsumeGroup, last: boolean) => void;
  /** A read or a store failed; the group goes on when it can. */
  readonly failed: (group: ConsumeGroup, error: Error) => void;
}

export class ConsumeGroup implements TurnTask, BatchHolder {
  scheduled = false;
  readonly definition: GroupDefinition;
  readonly #context: GroupContext;
  readonly #cursor: Cursor;
  readonly #positions: GroupPositions;
  readonly #line: WaitingLine;
  readonly #consumers = new Map<Session, () => void>();
  readonly #settle: TurnTask;
  readonly #nameHeader: string;
  #storedFloor: number;
  #reader: QueueReader;
  #batch: RecordBatch | null = null;
  #batchIndex = 0;
  /** The record at positions.firstReturned, once it was read again. */
  #returnedBatch: RecordBatch | null = null;
  #reading = false;
  #readingAgain = false;
  #closed = false;

  constructor(context: GroupContext, definition: GroupDefinition, cursor: Cursor) {
    this.#context = context;
    this.definition = definition;
    this.#cursor = cursor;
    this.#storedFloor = cursor.offset;
    this.#positions = new GroupPositions(Math.max(cursor.offset, context.queue.firstOffset));
    this.#line = new WaitingLine(() => {
      this.wake();
    });
    this.#nameHeader = `consume_group: ${latin1Of(definition.groupName)}\r\n`;
    this.#reader = this.#openReader();
    this.#settle = {
      scheduled: false,
      endTurn: () => {
        this.#storeFloor();
      },
    };
  }

  get name(): string {
    return this.definition.groupName;
  }

  /** Next offset to hand out; what came back undelivered counts as not read. */
  get position(): number {
    return this.#positions.floor;
  }

  get messageCount(): number {
    const { firstOffset, nextOffset } = this.#context.queue;
    return this.#positions.remaining(firstOffset, nextOffset);
  }

  /** Addresses of the consuming sessions, in the order they came. */
  get consumers(): string[] {
    return [...this.#consumers.keys()].map((session) => session.remoteAddress);
  }

  /** Delivers at the end of the turn if there is something to deliver. */
  wake(): void {
    if (!this.#closed) this.#context.turn.schedule(Phase.deliver, this);
  }

  /**
   * Puts the exchange into the waiting line. Answers 204 after `timeoutMs`, when given. Throws
   * ForbiddenError when the group is exclusive and another session consumes.
   */
  consume(exchange: Exchange, timeoutMs: number | null): void {
    this.#join(exchange.session);
    const waiter = new Waiter(exchange);
    this.#line.push(waiter);
    if (timeoutMs !== null) {
      waiter.expire(timeoutMs, () => {
        exchange.answer(204, '', '');
      });
    }
    this.wake();
  }

  /**
   * The session leaves the waiting line and is no consumer any more; its waiting requests get no
   * reply.
   */
  unconsume(session: Session): void {
    for (const waiter of this.#line.remove(session)) waiter.exchange.silence();
    const leave = this.#consumers.get(session);
    if (leave === undefined) return;
    session.offEnd(leave);
    this.#consumers.delete(session);
    this.#context.consumersChanged(this, this.#consumers.size === 0);
  }

  /** Delivers to the waiting consumers what is there. */
  endTurn(): void {
    while (!this.#closed && !this.#paused) {
      const waiter = this.#line.peek();
      if (waiter === undefined || !this.#deliver(waiter)) break;
    }
  }

  /** Moves the group; takes effect at once, also on what was read ahead. */
  moveTo(offset: number): void {
    this.#positions.moveTo(offset);
    this.#forgetBatches();
    this.#reader.seek(offset);
    this.#storeFloor();
    this.wake();
  }

  /** Applies a changed filter or mask of the definition. */
  redefined(filterChanged: boolean): void {
    if (filterChanged) {
      this.#reader.close();
      this.#forgetBatches();
      this.#reader = this.#openReader();
      this.#reading = false;
    }
    this.wake();
  }

  dropBatch(): void {
    if (this.#batch === null) return;
    this.#batch = null;
    this.#reader.seek(this.#positions.next);
  }

  /**
   * Ends the group: waiting consumers are told that it is gone, or (broker stopping) left to the
   * connection.
   */
  close(reason: 'removed' | 'stopping'): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const { exchange } of this.#line.remove(null)) {
      if (reason === 'stopping') exchange.silence();
      else exchange.answer(404, '', latin1Of(groupNotFound(this.name).message));
    }
    for (const [session, leave] of this.#consumers) session.offEnd(leave);
    this.#consumers.clear();
    this.#forgetBatches();
    this.#reader.close();
    if (reason === 'stopping') this.#storeFloor();
  }

  get #paused(): boolean {
    return hasMask(this.definition.mask, Mask.pause) || this.#context.paused();
  }

  #join(session: Session): void {
    if (this.#consumers.has(session)) return;
    if (hasMask(this.definition.mask, Mask.exclusive) && this.#consumers.size > 0) {
      throw new ForbiddenError(`ConsumeGroup(${this.name}) exclusive, forbidden`);
    }
    const leave = (): void => {
      this.unconsume(session);
    };
    this.#consumers.set(session, leave);
    this.#context.consumersChanged(this, false);
    session.onEnd(leave);
  }

  /** Hands one message to the waiter; false when none is at hand now. */
  #deliver(waiter: Waiter): boolean {
    const returned = this.#positions.firstReturned;
    const batch = returned === undefined ? this.#firstNew() : this.#readAgain(returned);
    if (batch === null) return false;
    const index = batch === this.#batch ? this.#batchIndex++ : 0;
    const offset = batch.offset(index);
    this.#line.shift();
    this.#positions.handOut(offset);
    const headerLines =
      `offset: ${offset}\r\ntimestamp: ${batch.timestampMs(index)}\r\n` + this.#nameHeader;
    waiter.exchange.deliver(
      headerLines,
      batch.bytes,
      batch.wireStart(index),
      batch.wireEnd(index),
      new GroupDelivery(this, offset, this.#positions.generation),
    );
    this.#context.turn.schedule(Phase.settle, this.#settle);
    return true;
  }

  /** The message at `offset`, which came back undelivered; null while it is read. */
  #readAgain(offset: number): RecordBatch | null {
    if (this.#returnedBatch?.offset(0) === offset) return this.#returnedBatch;
    if (this.#readingAgain) return null;
    this.#readingAgain = true;
    this.#context.queue.readOne(offset, (error, batch) => {
      this.#readingAgain = false;
      if (error !== null) {
        this.#context.failed(this, error);
        return;
      }
      if (batch.count === 0) this.#positions.dropReturned(offset);
      else this.#returnedBatch = batch;
      this.wake();
    });
    return null;
  }

  #firstNew(): RecordBatch | null {
    if (this.#batch === null || this.#batchIndex === this.#batch.count) this.#read();
    return this.#batch;
  }

  /** Reads on behind the batch; #batch is null afterwards when nothing is at hand. */
  #read(): void {
    if (this.#batch !== null) {
      this.#skipTo(this.#batch.nextOffset);
      this.#batch = null;
      this.#context.budget.released(this);
    }
    if (this.#reading || this.#positions.next >= this.#context.queue.readableEnd) return;
    const { generation } = this.#positions;
    const reader = this.#reader;
    let returned = false;
    this.#reading = true;
    reader.read(BATCH_BYTES, (error, batch) => {
      if (this.#closed || reader !== this.#reader) return;
      this.#reading = false;
      if (error !== null) {
        this.#context.failed(this, error);
        return;
      }
      if (generation === this.#positions.generation) this.#landed(batch);
      if (returned || this.#batch === null) this.wake();
    });
    returned = true;
  }

  #landed(batch: RecordBatch): void {
    if (batch.count === 0) {
      this.#skipTo(batch.nextOffset);
      return;
    }
    this.#batch = batch;
    this.#batchIndex = 0;
    this.#context.budget.took(this);
  }

  /** Everything before `offset` was handed out, or is not for this group. */
  #skipTo(offset: number): void {
    if (offset <= this.#positions.next) return;
    this.#positions.next = offset;
    this.#context.turn.schedule(Phase.settle, this.#settle);
  }

  #openReader(): QueueReader {
    const { filter } = this.definition;
    return this.#context.queue.openReader(
      this.#positions.next,
      filter === '' ? null : filter,
      null,
    );
  }

  #forgetBatches(): void {
    this.#batch = null;
    this.#returnedBatch = null;
    this.#context.budget.released(this);
  }

  #storeFloor(): void {
    const { floor } = this.#positions;
    if (floor === this.#storedFloor) return;
    try {
      this.#cursor.store(floor, NO_DETAIL);
      this.#storedFloor = floor;
    } catch (error) {
      this.#context.failed(this, error as Error);
    }
  }

  /** For GroupDelivery. */
  settled(offset: number, generation: number, sent: boolean): void {
    if (sent) this.#positions.delivered(offset, generation);
    else this.#positions.undelivered(offset, generation);
    if (this.#closed) return;
    this.#context.turn.schedule(Phase.settle, this.#settle);
    if (!sent) this.wake();
  }
}

class GroupDelivery implements Delivery {
  readonly #group: ConsumeGroup;
  readonly #offset: number;
  readonly #generation: number;

  constructor(group: ConsumeGroup, offset: number, generation: number) {
    this.#group = group;
    this.#offset = offset;
    this.#generation = generation;
  }

  delivered(): void {
    this.#group.settled(this.#offset, this.#generation, true);
  }

  undelivered(): void {
    this.#group.settled(this.#offset, this.#generation, false);
  }
}

export function groupNotFound(name: string): NotFoundError {
  return new NotFoundError(`ConsumeGroup(${name}) not found`);
}

/** Throws BadRequestError unless the offset may be a group's position in the queue. */
export function checkPosition(offset: number, queue: Queue): void {
  if (offset <= queue.nextOffset) return;
  throw new BadRequestError(
    `Bad group_start_offset ${offset}: must be from ${queue.firstOffset} to ${queue.nextOffset}`,
  );
}
