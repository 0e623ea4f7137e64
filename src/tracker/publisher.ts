/**
 * Tells every tracker of the list what this broker is and has: when it is reached, soon after each
 * change, and every interval. Owned by Tracking.
 */
import { Buffer } from 'node:buffer';
import type { ServerAddress } from '../protocol/server-address.js';
import { Membership, type MembershipOptions } from './membership.js';
import { PacedTask } from './paced-task.js';
import { type OwnServer, PUBLISH_INTERVAL_MS } from './tracker.js';

export type PublisherOptions = Omit<MembershipOptions, 'body'>;

export class Publisher {
  readonly #own: OwnServer;
  readonly #memberships: readonly Membership[];
  readonly #publishing: PacedTask;
  readonly #stopInterval: () => void;
  /** The last body, which all trackers get. */
  #body: Buffer | null = null;

  constructor(trackers: readonly ServerAddress[], own: OwnServer, options: PublisherOptions) {
    this.#own = own;
    const { clock } = options.peers;
    const body = (live: boolean): Buffer => (live ? this.#bodyNow() : this.#farewell());
    this.#memberships = trackers.map((address) => new Membership(address, { ...options, body }));
    this.#publishing = new PacedTask(clock, () => {
      this.#body = null;
      for (const membership of this.#memberships) membership.changed();
    });
    this.#stopInterval = clock.every(PUBLISH_INTERVAL_MS, () => {
      this.#body = null;
      for (const membership of this.#memberships) membership.publish();
    });
  }

  changed(): void {
    this.#publishing.request();
  }

  async close(): Promise<void> {
    this.#publishing.close();
    this.#stopInterval();
    await Promise.all(this.#memberships.map((membership) => membership.close()));
  }

  #bodyNow(): Buffer {
    this.#body ??= Buffer.from(JSON.stringify({ serverInfo: this.#own.info(), live: true }));
    return this.#body;
  }

  #farewell(): Buffer {
    const { address, version, infoVersion } = this.#own;
    const serverInfo = {
      serverAddress: address,
      serverVersion: version,
      infoVersion,
      topicTable: {},
    };
    return Buffer.from(JSON.stringify({ serverInfo, live: false }));
  }
}
