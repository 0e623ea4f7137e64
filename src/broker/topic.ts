/**
 * A topic: its queue, its definition and its consume groups. Made by TopicTable; asked by the
 * commands. Every change of the definition is on disk before the promise of the method that made it
 * resolves.
 */
import { BadRequestError, LimitError, NotFoundError, StorageFullError } from '../errors.js';
import { hasMask, Mask } from '../protocol/masks.js';
import { latin1Of, nameKey } from '../protocol/names.js';
import type { AckLevel, AppendDone, AppendRecord, Queue, RecordBatch } from '../queue/queue.js';
import type { Clock } from '../clock.js';
import type { Turn } from '../turn.js';
import type { BatchBudget } from './batch-budget.js';
import { ConsumeGroup, groupNotFound } from './group.js';
import type { Lease } from './lease.js';
import { type RetainedTopic, Retention, type RetentionOptions } from './retention.js';
import type { RpcCalls } from './rpc/rpc-calls.js';
import { RpcDesk } from './rpc/rpc-desk.js';
import type { Session } from './session.js';
import { TrafficCounts } from './traffic-counts.js';
import {
  type GroupDefinition,
  type TopicDefinition,
  newGroupDefinition,
} from './topic-definition.js';

/** What a topic needs of its broker. */
export interface TopicContext {
  readonly turn: Turn;
  readonly clock: Clock;
  readonly budget: BatchBudget;
  readonly calls: RpcCalls;
  /** Of all topics. */
  readonly traffic: TrafficCounts;
  readonly groupsPerTopicMax: number;
  /** Stores a copy of a message in the dead-letter topic of its group. */
  readonly bury: (topic: Topic, group: ConsumeGroup, lease: Lease) => Promise<void>;
  readonly retention: RetentionOptions;
  readonly saveDefinition: (definition: TopicDefinition) => Promise<void>;
  /** Runs the change when no other change of the topic is under way. */
  readonly exclusively: <T>(name: string, change: () => Promise<T>) => Promise<T>;
  /** Something that lists of topics show has changed. */
  readonly changed: () => void;
  readonly failed: (where: string, error: Error) => void;
}

export class Topic {
  readonly definition: TopicDefinition;
  readonly queue: Queue;
  readonly retention: Retention;
  readonly traffic: TrafficCounts;
  /** Keeps the calls of a topic with the rpc mask, whose queue stays empty; null for others. */
  readonly desk: RpcDesk | null;
  /** The name as header bytes. */
  readonly nameLatin1: string;
  readonly #context: TopicContext;
  readonly #groups = new Map<string, ConsumeGroup>();
  readonly #pausedSessions = new Set<Session>();
  /** Up to here deleted messages have been counted. */
  #deletedEnd: number;
  /** Appends to a full memory topic that is making room: they keep their order. */
  #waitingForRoom: (() => void)[] | null = null;

  constructor(definition: TopicDefinition, queue: Queue, context: TopicContext) {
    this.definition = definition;
    this.queue = queue;
    this.nameLatin1 = latin1Of(definition.topicName);
    this.#context = context;
    this.traffic = new TrafficCounts(context.traffic);
    this.#deletedEnd = queue.firstOffset;
    this.retention = new Retention(
      this.#retained(),
      definition.retention,
      context.retention,
      context.clock,
    );
    const wake = (): void => {
      for (const group of this.#groups.values()) group.wake();
    };
    const isRpc = hasMask(definition.mask, Mask.rpc);
    const { calls } = context;
    this.desk = isRpc ? new RpcDesk(definition.topicName, calls, this.traffic, wake) : null;
    queue.onReadable = wake;
    queue.onCaughtUp = () => {
      for (const session of this.#pausedSessions) session.resumeReading();
      this.#pausedSessions.clear();
    };
  }

  get name(): string {
    return this.definition.topicName;
  }

  get inMemory(): boolean {
    return hasMask(this.definition.mask, Mask.memory);
  }

  get groups(): IterableIterator<ConsumeGroup> {
    return this.#groups.values();
  }

  /** Sessions consuming from any group. */
  get consumerCount(): number {
    let count = 0;
    for (const group of this.#groups.values()) count += group.consumers.length;
    return count;
  }

  /**
   * Opens the groups of the definition; for TopicTable, once. Those that end with their last
   * session have ended, since no session outlives a broker.
   */
  async openGroups(isNew: boolean): Promise<void> {
    const { groups } = this.definition;
    const ended = isNew ? [] : groups.filter(({ mask }) => hasMask(mask, Mask.deleteOnExit));
    this.definition.groups = groups.filter((group) => !ended.includes(group));
    for (const definition of this.definition.groups) await this.#openGroup(definition, false);
    if (ended.length > 0) await this.save();
    for (const { groupName } of ended) await this.queue.removeCursor(groupName);
    await this.retention.enforce();
  }

  /** Rebuilds the list of groups from the stored cursors, when the definition was lost. */
  async adoptCursors(): Promise<void> {
    for (const name of await this.queue.cursorNames()) {
      this.definition.groups.push(newGroupDefinition(name, this.queue.firstOffset));
    }
  }

  /** The message at `offset`, as the one record of a batch; null when it is not there. */
  recordAt(offset: number): Promise<RecordBatch | null> {
    return new Promise((resolve, reject) => {
      this.queue.readOne(offset, (error, batch) => {
        if (error !== null) reject(error);
        else resolve(batch.count === 0 ? null : batch);
      });
    });
  }

  findGroup(name: string): ConsumeGroup | undefined {
    return this.#groups.get(nameKey(name));
  }

  /** Throws NotFoundError. */
  group(name: string): ConsumeGroup {
    const group = this.findGroup(name);
    if (group === undefined) throw groupNotFound(name);
    return group;
  }

  /** Throws LimitError when the topic has all the groups it may have. */
  async addGroup(definition: GroupDefinition): Promise<ConsumeGroup> {
    if (this.#groups.size >= this.#context.groupsPerTopicMax) {
      throw new LimitError(
        `Topic(${this.name}) has ${this.#groups.size} groups: groupsPerTopicMax reached`,
        { limit: 'groupsPerTopicMax' },
      );
    }
    const group = await this.#openGroup(definition, true);
    this.definition.groups.push(definition);
    await this.save();
    return group;
  }

  async removeGroup(group: ConsumeGroup): Promise<void> {
    if (this.findGroup(group.name) !== group) return;
    this.#groups.delete(nameKey(group.name));
    group.close('removed');
    this.desk?.servicesChanged(this.consumerCount);
    const { groups } = this.definition;
    groups.splice(groups.indexOf(group.definition), 1);
    await this.save();
    await this.queue.removeCursor(group.name);
  }

  async save(): Promise<void> {
    await this.#context.saveDefinition(this.definition);
    this.traffic.touched();
    this.#context.changed();
  }

  /** null when the record may be appended; else wait, then ask again. */
  roomFor({ head, body }: AppendRecord): Promise<void> | null {
    return this.retention.roomFor(head.length + body.length);
  }

  /**
   * Appends; a memory topic that is full first gives up what all its groups have consumed. Sessions
   * that go on producing while the queue is behind are not read until it has caught up; without one
   * the broker itself stores a message.
   */
  append(
    record: AppendRecord,
    level: Exclude<AckLevel, 'memory'>,
    session: Session | null,
    done: AppendDone,
  ): void {
    if (this.desk !== null) {
      const text = `Topic(${this.name}) carries RPC requests: no message can be stored in it`;
      done(new BadRequestError(text), -1, 'none');
      return;
    }
    if (!this.inMemory) this.queue.append(record, level, done);
    else this.#appendInMemory(record, level, done);
    this.retention.appended(record.head.length + record.body.length);
    if (session === null || !this.queue.behind || this.#pausedSessions.has(session)) return;
    this.#pausedSessions.add(session);
    session.pauseReading();
  }

  /** Drops every message; all groups stand at the end. */
  async empty(): Promise<void> {
    this.desk?.empty();
    await this.queue.empty();
    this.#countDeleted();
    for (const group of this.#groups.values()) group.moveTo(this.queue.nextOffset);
    this.#context.changed();
  }

  /** A mask changed: for the groups at once. */
  redefined(): void {
    for (const group of this.#groups.values()) group.redefined(false);
  }

  /** Writes and syncs what was accepted, stores the positions. */
  async close(reason: 'removed' | 'stopping'): Promise<void> {
    for (const group of this.#groups.values()) group.close(reason);
    this.#groups.clear();
    this.desk?.close();
    try {
      await this.retention.close();
      await this.queue.close();
    } finally {
      this.queue.onCaughtUp?.();
    }
  }

  #retained(): RetainedTopic {
    return {
      queue: this.queue,
      consumedEnd: () => (this.#groups.size === 0 ? null : this.#consumedEnd()),
      trimmed: () => {
        const { firstOffset } = this.queue;
        this.#countDeleted();
        for (const group of this.#groups.values()) group.trimmed(firstOffset);
      },
      failed: (error) => {
        this.#context.failed(`Topic(${this.name}) retention`, error);
      },
    };
  }

  #appendInMemory(
    record: AppendRecord,
    level: Exclude<AckLevel, 'memory'>,
    done: AppendDone,
  ): void {
    const append = (): void => {
      this.#appendInMemory(record, level, done);
    };
    if (this.#waitingForRoom !== null) {
      this.#waitingForRoom.push(append);
      return;
    }
    this.queue.append(record, level, (error, offset, reached) => {
      const full = error instanceof StorageFullError;
      if (full && this.#consumedEnd() > this.queue.firstOffset) void this.#makeRoom(append);
      else done(error, offset, reached);
    });
  }

  /** Gives up what all groups have consumed, then runs `append` and those that came behind it. */
  async #makeRoom(append: () => void): Promise<void> {
    const waiting = [append];
    this.#waitingForRoom = waiting;
    await this.queue.deleteBefore(this.#consumedEnd());
    this.#countDeleted();
    this.#waitingForRoom = null;
    for (const next of waiting) next();
  }

  #countDeleted(): void {
    const { firstOffset } = this.queue;
    this.traffic.deleted(firstOffset - this.#deletedEnd);
    this.#deletedEnd = firstOffset;
  }

  #consumedEnd(): number {
    let end = this.queue.nextOffset;
    for (const group of this.#groups.values()) end = Math.min(end, group.position);
    return end;
  }

  async #openGroup(definition: GroupDefinition, create: boolean): Promise<ConsumeGroup> {
    const { groupName, startOffset } = definition;
    const cursor = await this.queue.openCursor(groupName, startOffset, create);
    const group = new ConsumeGroup(
      {
        queue: this.queue,
        turn: this.#context.turn,
        clock: this.#context.clock,
        budget: this.#context.budget,
        traffic: this.traffic,
        desk: this.desk,
        topicMask: () => this.definition.mask,
        bury: (burying, lease) => this.#context.bury(this, burying, lease),
        consumersChanged: (changed, last) => {
          this.#consumersChanged(changed, last);
        },
        failed: (failing, error) => {
          this.#context.failed(`Topic(${this.name}) ConsumeGroup(${failing.name})`, error);
        },
      },
      definition,
      cursor,
    );
    this.#groups.set(nameKey(groupName), group);
    return group;
  }

  #consumersChanged(group: ConsumeGroup, last: boolean): void {
    this.traffic.touched();
    this.#context.changed();
    this.desk?.servicesChanged(this.consumerCount);
    if (!last || !hasMask(group.definition.mask, Mask.deleteOnExit)) return;
    this.#context
      .exclusively(this.name, async () => {
        if (group.consumers.length === 0) await this.removeGroup(group);
      })
      .catch((error: unknown) => {
        this.#context.failed(`Topic(${this.name}) ConsumeGroup(${group.name})`, error as Error);
      });
  }
}

export function topicNotFound(name: string): NotFoundError {
  return new NotFoundError(`Topic(${name}) not found`);
}
