/**
 * A store without a disk: every topic is in memory, and so are the definitions. Used by the server
 * for brokers that leave nothing behind, such as those of test suites. Needs no addon.
 */
import { nameKey } from '../protocol/names.js';
import type { Turn } from '../turn.js';
import { MemoryQueue } from './memory-queue.js';
import type { Queue, QueueStore } from './queue.js';

export class MemoryStore implements QueueStore {
  readonly #turn: Turn;
  readonly #topicBytesMax: number;
  readonly #definitions = new Map<string, string>();

  /** `topicBytesMax`: what a topic may hold. */
  constructor(topicBytesMax: number, turn: Turn) {
    this.#topicBytesMax = topicBytesMax;
    this.#turn = turn;
  }

  names(): string[] {
    return [...this.#definitions.keys()];
  }

  readDefinition(name: string): string | null {
    return this.#definitions.get(nameKey(name)) ?? null;
  }

  writeDefinition(name: string, json: string): Promise<void> {
    this.#definitions.set(nameKey(name), json);
    return Promise.resolve();
  }

  open(name: string): Promise<Queue> {
    return Promise.resolve(new MemoryQueue(this.#turn, name, this.#topicBytesMax));
  }

  remove(name: string): Promise<void> {
    this.#definitions.delete(nameKey(name));
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.#definitions.clear();
    return Promise.resolve();
  }
}
