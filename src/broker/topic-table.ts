/**
 * All topics of a broker, found by name without regard to case. Used by the commands. Opens what
 * the store holds when the broker starts; makes and removes topics. Changes of one topic run one
 * after the other.
 */
import { LimitError, StoppingError } from '../errors.js';
import { hasMask, Mask } from '../protocol/masks.js';
import { nameKey } from '../protocol/names.js';
import type { QueueStore } from '../queue/queue.js';
import { bury } from './dead-letters.js';
import type { ConsumeGroup } from './group.js';
import type { Lease } from './lease.js';
import { type TopicDefinition, newTopicDefinition, parseDefinition } from './topic-definition.js';
import { Topic, type TopicContext, topicNotFound } from './topic.js';

export interface TopicTableOptions extends Omit<
  TopicContext,
  'saveDefinition' | 'exclusively' | 'bury'
> {
  readonly store: QueueStore;
  readonly topicsMax: number;
}

/** Topics opened at once when the broker starts. */
const OPEN_AT_ONCE = 4;

export class TopicTable {
  readonly #options: TopicTableOptions;
  readonly #topics = new Map<string, Topic>();
  /** The change each topic is in; the next one waits for it. */
  readonly #changes = new Map<string, Promise<unknown>>();
  /** Dead letters on their way to their topics. */
  readonly #burials = new Set<Promise<void>>();
  #closed = false;

  constructor(options: TopicTableOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#topics.size;
  }

  [Symbol.iterator](): IterableIterator<Topic> {
    return this.#topics.values();
  }

  find(name: string): Topic | undefined {
    return this.#topics.get(nameKey(name));
  }

  /** Throws NotFoundError. */
  get(name: string): Topic {
    const topic = this.find(name);
    if (topic === undefined) throw topicNotFound(name);
    return topic;
  }

  /** Opens every stored topic. A topic that cannot be opened is reported and left as it is. */
  async open(): Promise<void> {
    const names = this.#options.store.names();
    const openNext = async (): Promise<void> => {
      for (let name = names.pop(); name !== undefined; name = names.pop()) {
        try {
          await this.#openStored(name);
        } catch (error) {
          this.#options.failed(`Topic(${name})`, error as Error);
        }
      }
    };
    await Promise.all(Array.from({ length: OPEN_AT_ONCE }, openNext));
    // Messages that died with the broker are buried though nobody consumes; not before all topics
    // are found, or a dead-letter topic that is there would be made anew.
    for (const topic of this) for (const group of topic.groups) group.wake();
  }

  /** Runs `change` when no other change of the topic is under way. */
  async exclusively<T>(name: string, change: () => Promise<T>): Promise<T> {
    const key = nameKey(name);
    const before = this.#changes.get(key) ?? Promise.resolve();
    const running = before.then(change, change);
    this.#changes.set(key, running);
    try {
      return await running;
    } finally {
      if (this.#changes.get(key) === running) this.#changes.delete(key);
    }
  }

  /**
   * Makes a topic with the groups of its definition: after a crash it has all of them, or is not
   * there. Call it within `exclusively`. Throws LimitError, StoppingError.
   */
  async create(definition: TopicDefinition): Promise<Topic> {
    // Closed topics are no longer found: making one again would overwrite its definition.
    if (this.#closed) throw new StoppingError();
    if (this.#topics.size >= this.#options.topicsMax) {
      throw new LimitError(`The broker has ${this.#topics.size} topics: topicsMax reached`, {
        limit: 'topicsMax',
      });
    }
    await this.#options.store.writeDefinition(
      definition.topicName,
      JSON.stringify(definition, null, 2),
    );
    const topic = await this.#add(definition);
    await topic.openGroups(true);
    this.#options.changed();
    return topic;
  }

  /** Call it within `exclusively`. */
  async remove(topic: Topic): Promise<void> {
    this.#topics.delete(nameKey(topic.name));
    await topic.close('removed');
    await this.#options.store.remove(topic.name);
    this.#options.changed();
  }

  async close(): Promise<void> {
    // A message that was copied and not settled would be copied again after the next start.
    while (this.#burials.size > 0) await Promise.allSettled(this.#burials);
    this.#closed = true;
    const topics = [...this.#topics.values()];
    this.#topics.clear();
    await Promise.all([...this.#changes.values()].map((change) => change.catch(() => undefined)));
    await Promise.all(topics.map((topic) => this.#closeReporting(topic)));
  }

  async #bury(topic: Topic, group: ConsumeGroup, lease: Lease): Promise<void> {
    const burial = bury(this, topic, group, lease);
    this.#burials.add(burial);
    try {
      await burial;
    } finally {
      this.#burials.delete(burial);
    }
  }

  /** A topic whose disk fails must not keep the others from being closed in good order. */
  async #closeReporting(topic: Topic): Promise<void> {
    try {
      await topic.close('stopping');
    } catch (error) {
      this.#options.failed(`Topic(${topic.name})`, error as Error);
    }
  }

  async #openStored(name: string): Promise<void> {
    const json = this.#options.store.readDefinition(name);
    const stored = json === null ? null : parseDefinition(json);
    if (stored !== null) {
      await (await this.#add(stored)).openGroups(false);
      return;
    }
    this.#options.failed(
      `Topic(${name})`,
      new Error('topic.json is missing or damaged: rebuilt from the blocks and cursors'),
    );
    const topic = await this.#add(newTopicDefinition(name));
    await topic.adoptCursors();
    await topic.openGroups(false);
    await topic.save();
  }

  async #add(definition: TopicDefinition): Promise<Topic> {
    const kind = hasMask(definition.mask, Mask.memory | Mask.rpc) ? 'memory' : 'disk';
    const queue = await this.#options.store.open(definition.topicName, kind);
    const topic = new Topic(definition, queue, {
      ...this.#options,
      bury: (from, group, lease) => this.#bury(from, group, lease),
      exclusively: (name, change) => this.exclusively(name, change),
      saveDefinition: (changed) =>
        this.#options.store.writeDefinition(changed.topicName, JSON.stringify(changed, null, 2)),
    });
    this.#topics.set(nameKey(definition.topicName), topic);
    return topic;
  }
}
