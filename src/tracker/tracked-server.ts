/**
 * One server that a tracker has heard of: what it told last, and the connection back to it, which
 * alone says whether it is listed. Owned by Tracker.
 */
import { Buffer } from 'node:buffer';
import type { Connection } from '../client/connection.js';
import type { ServerAddress } from '../protocol/server-address.js';
import type { ListedServer } from './table-json.js';
import { connectToPeer, type PeerOptions } from './peer-connection.js';
import type { PublishedInfo } from './published-info.js';

/** Any version is newer. */
const NOTHING_KNOWN = -Infinity;

export interface TrackedServerOwner {
  readonly peers: PeerOptions;
  /** The connection to it is there. */
  onReached(server: TrackedServer): void;
  /** It broke. */
  onLost(server: TrackedServer, error: Error): void;
  /** It cannot be made. */
  onUnreachable(server: TrackedServer, error: Error): void;
}

export class TrackedServer implements ListedServer {
  readonly key: string;
  json: Buffer = Buffer.alloc(0);
  /** Intervals of the tracker that passed without a word of it. */
  silentIntervals = 0;
  #infoVersion = NOTHING_KNOWN;
  readonly #connection: Connection;

  constructor(key: string, address: ServerAddress, owner: TrackedServerOwner) {
    this.key = key;
    this.#connection = connectToPeer(address, owner.peers);
    this.#connection.events.on('connected', () => {
      owner.onReached(this);
    });
    this.#connection.events.on('disconnected', ({ error }) => {
      // A server that restarts with its clock set back must not be taken for an old message.
      this.#infoVersion = NOTHING_KNOWN;
      owner.onLost(this, error);
    });
    this.#connection.events.on('retrying', ({ error }) => {
      owner.onUnreachable(this, error);
    });
  }

  /** True while it can be reached. */
  get listed(): boolean {
    return this.#connection.connected;
  }

  /** Takes what it tells of itself unless newer is known; true when it has changed. */
  update({ infoVersion, info }: PublishedInfo): boolean {
    this.silentIntervals = 0;
    if (infoVersion < this.#infoVersion) return false;
    const changed = infoVersion !== this.#infoVersion;
    this.#infoVersion = infoVersion;
    // Of the same version counts of messages may differ, which are worth keeping and no news.
    this.json = Buffer.from(JSON.stringify(info));
    return changed;
  }

  close(): Promise<void> {
    return this.#connection.close(0);
  }
}
