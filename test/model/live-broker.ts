/**
 * The real broker over a real data folder, in this process and without sockets, as the model test
 * drives it: peers send requests, time passes when told, and `settle` waits until nothing moves.
 */
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../../src/clock.js';
import { Broker } from '../../src/broker/broker.js';
import type { ConsumeGroup } from '../../src/broker/group.js';
import { KEEP_ALL } from '../../src/broker/retention.js';
import { LimitReports } from '../../src/limit-reports.js';
import { DiskStore } from '../../src/queue/disk-store.js';
import { Tracker } from '../../src/tracker/tracker.js';
import { type Phase, Turn, type TurnTask } from '../../src/turn.js';
import { turn as loopTurn } from '../support/wait.js';
import { ManualClock } from '../support/manual-clock.js';
import { newRecord, Peer, type TestExchange } from './peer.js';
import { Activity, TrackedStore } from './tracked-store.js';

/** In memory where there is such a folder: the test is of the broker, not of the disk. */
const BASE = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
/** The one topic of every trial, and where its dead letters go. */
export const TOPIC = 't';
export const DEAD_TOPIC = 't.dead';
const ENGINE_OPTIONS = {
  blockBytes: 64 * 1024,
  syncIntervalMs: 20,
  openFilesMax: 64,
  minFreeBytes: 0,
  memoryTopicBytesMax: 1024 * 1024,
};

/** Counts what is scheduled, to tell when there is nothing left. */
class CountingTurn extends Turn {
  count = 0;

  override schedule(phase: Phase, task: TurnTask): void {
    this.count++;
    super.schedule(phase, task);
  }
}

/** Of a broker that no other joins. */
function newTracker(clock: Clock): Tracker {
  const silent = (): void => undefined;
  return new Tracker({
    peers: { clock, tls: {} },
    log: { debug: silent, info: silent, warn: silent, error: silent },
    listsItself: true,
    serversMax: 1,
    publishedBytesMax: 1024,
  });
}

/** Nobody watches a model's broker. */
function unwatched(): void {
  throw new Error('not in the model');
}

export class LiveBroker {
  readonly clock = new ManualClock();
  readonly record = newRecord();
  /** What the broker reported and no request was told. */
  readonly failures: string[] = [];
  readonly #peers = new Map<string, Peer>();
  #folder = mkdtempSync(join(BASE, 'zbus-model-'));
  #activity = new Activity();
  #turn = new CountingTurn();
  #broker: Broker | null = null;

  async open(): Promise<void> {
    this.#activity = new Activity();
    this.#turn = new CountingTurn();
    const store = new DiskStore({ dir: this.#folder, ...ENGINE_OPTIONS }, this.#turn);
    this.#broker = new Broker({
      store: new TrackedStore(store, this.#activity),
      turn: this.#turn,
      clock: this.clock,
      version: 'test',
      ackLevel: 'page',
      autoCreateTopics: false,
      topicsMax: 10,
      groupsPerTopicMax: 10,
      retention: { serverRule: KEEP_ALL, blockBytes: ENGINE_OPTIONS.blockBytes },
      rpc: { timeoutMs: 10_000, callsMax: 10, bytesMax: 1024 },
      limits: new LimitReports(this.clock, { debug: () => undefined, warn: () => undefined }),
      tracker: newTracker(this.clock),
      changed: () => undefined,
      trackerOnly: false,
      monitor: { monitor: unwatched, history: unwatched, browse: unwatched },
      pages: {
        home: () => undefined,
        login: () => undefined,
        logout: () => undefined,
        metrics: unwatched,
      },
      refused: () => undefined,
      failed: (where, error) => this.failures.push(`${where}: ${error.stack ?? error.message}`),
    });
    await this.#broker.open();
  }

  /** The connected peer of this name. */
  peer(name: string): Peer {
    let peer = this.#peers.get(name);
    if (peer === undefined) {
      peer = new Peer(name, this.#turn, this.record);
      this.#peers.set(name, peer);
    }
    return peer;
  }

  /** The name is free for the next connection. */
  forget(name: string): void {
    this.#peers.delete(name);
  }

  send(peer: string, headers: readonly (readonly [string, string])[], body?: string): TestExchange {
    const exchange = this.peer(peer).request(headers, body);
    this.#opened.handle(exchange);
    return exchange;
  }

  /** Where the group stands in the topic `t`. */
  group(name: string): ConsumeGroup {
    return this.#opened.topics.get(TOPIC).group(name);
  }

  get logEnd(): number {
    return this.#opened.topics.get(TOPIC).queue.nextOffset;
  }

  /** Ends the turn, again and again until nothing moves any more. */
  async settle(): Promise<void> {
    for (let before = -1; before !== this.#moved;) {
      before = this.#moved;
      this.#turn.end();
      await loopTurn();
      await this.#activity.idle();
    }
  }

  /** Stops in good order. */
  async close(): Promise<void> {
    await this.#broker?.close();
    this.#broker = null;
    this.#dropPeers();
  }

  /** The folder as a kill would leave it now. */
  copyFolder(): string {
    const copy = mkdtempSync(join(BASE, 'zbus-model-'));
    cpSync(this.#folder, copy, { recursive: true });
    return copy;
  }

  /** Goes on with the copy, in which a broker was killed. */
  async replaceFolder(copy: string): Promise<void> {
    await this.close();
    rmSync(this.#folder, { recursive: true });
    this.#folder = copy;
    await this.open();
  }

  /** Calls `listener` before and after each write. */
  onWrite(listener: (() => void) | null): void {
    this.#activity.onWrite = listener;
  }

  async remove(): Promise<void> {
    await this.close();
    rmSync(this.#folder, { recursive: true });
  }

  get #opened(): Broker {
    if (this.#broker === null) throw new Error('the broker is not open');
    return this.#broker;
  }

  get #moved(): number {
    return this.#turn.count + this.#activity.count;
  }

  #dropPeers(): void {
    for (const peer of this.#peers.values()) peer.close();
    this.#peers.clear();
  }
}
