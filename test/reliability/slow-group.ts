/**
 * A consume group whose consumers do not keep up: how much of the topic was handed to them, and
 * whether all of it came in the end. Used by slow-consumer.test.ts.
 */
import assert from 'node:assert/strict';
import type { Client, Headers } from '../support/client.js';
import type { Reply } from '../support/reply-parser.js';
import { until } from '../support/wait.js';

export const TOPIC = 'stream';
export const BODY = Buffer.alloc(64 * 1024, 'x');

/** A group and what its consumers have got, from its first message on. */
export class SlowGroup {
  readonly headers: Headers;
  readonly offsets: number[] = [];
  /** Its messages must be acknowledged, so that they come again on another connection. */
  explicit = false;
  readonly #client: Client;
  readonly #name: string;
  #start = 0;

  private constructor(client: Client, name: string) {
    this.#client = client;
    this.#name = name;
    this.headers = { topic: TOPIC, consume_group: name };
  }

  /** A new group starts where the furthest one is. */
  static async declare(client: Client, name: string, settings: Headers): Promise<SlowGroup> {
    const slow = new SlowGroup(client, name);
    await client.expect(200, 'declare', { ...slow.headers, ...settings });
    slow.explicit = 'group_mask' in settings;
    slow.#start = await slow.nextOffset();
    return slow;
  }

  readonly got = (reply: Reply): void => {
    assert.equal(reply.status, 200, reply.body.toString());
    assert.equal(reply.body.length, BODY.length);
    this.offsets.push(Number(reply.headers.get('offset')));
  };

  /** What was handed to the group's connection so far, but for the headers. */
  async handedBytes(): Promise<number> {
    return ((await this.nextOffset()) - this.#start) * BODY.length;
  }

  /** The next message of the group that was never handed out. */
  async nextOffset(): Promise<number> {
    const { messageDepth, consumeGroupList } = await this.#client.query<{
      messageDepth: number;
      consumeGroupList: { groupName: string; messageCount: number }[];
    }>(TOPIC);
    const group = consumeGroupList.find(({ groupName }) => groupName === this.#name);
    assert(group !== undefined);
    return messageDepth - group.messageCount;
  }

  /**
   * Waits until `end` is reached, then checks that each came once; and in order, where nothing had
   * to come again.
   */
  async gotAllTo(end: number): Promise<void> {
    const count = end - this.#start;
    await until(() => this.offsets.length >= count);
    assert.equal(this.offsets.length, count, `${this.#name} got too many`);
    if (this.explicit) this.offsets.sort((a, b) => a - b);
    this.offsets.forEach((offset, i) => {
      assert.equal(offset, this.#start + i, `${this.#name} misses a message, or got it twice`);
    });
  }
}
