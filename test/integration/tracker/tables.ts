/** Brokers that join trackers, and what the tables of these say; for the tests of trackers. */
import assert from 'node:assert/strict';
import type { ServerInfo, TrackerInfo } from '../../../src/client/info.js';
import type { Config } from '../../../src/config/config.js';
import { TestBroker } from '../../support/broker.js';
import type { Client } from '../../support/client.js';
import { until } from '../../support/wait.js';

/** As lists of trackers have it. */
export function addressOf(broker: TestBroker): string {
  return `${broker.authority === null ? '' : '[SSL]'}127.0.0.1:${broker.port}`;
}

/** A broker that joins `trackers`. */
export function startServer(
  trackers: readonly TestBroker[],
  config: Partial<Config> = {},
): Promise<TestBroker> {
  return TestBroker.start({ ...config, trackerList: trackers.map(addressOf) });
}

export async function tableOf(tracker: TestBroker): Promise<TrackerInfo> {
  const client = await tracker.connect();
  const { body } = await client.expect(200, 'tracker');
  await client.close();
  return JSON.parse(body.toString()) as TrackerInfo;
}

/** Waits until the tracker lists these servers and no others; itself is understood. */
export async function untilListed(
  tracker: TestBroker,
  servers: readonly TestBroker[],
): Promise<void> {
  const wanted = [tracker, ...servers].map(addressOf).sort().join();
  await until(async () => {
    const { serverTable } = await tableOf(tracker);
    return Object.keys(serverTable).sort().join() === wanted;
  });
}

/** What a server would tell of itself. */
export function serverInfo(address: string, fields: Partial<ServerInfo> = {}): ServerInfo {
  return {
    serverAddress: { address, sslEnabled: false },
    serverVersion: 'test',
    infoVersion: 1,
    trackerList: [],
    topicTable: {},
    ...fields,
  };
}

export function topicInfo(topicName: string, consumerCount = 0): ServerInfo['topicTable'][string] {
  return {
    serverAddress: { address: '', sslEnabled: false },
    serverVersion: 'test',
    topicName,
    mask: 0,
    messageDepth: 0,
    consumerCount,
    consumeGroupList: [],
    creator: '',
    createdTime: 0,
    lastUpdatedTime: 0,
  };
}

/** Tells the tracker of a server, as that server would. */
export async function publish(
  client: Client,
  info: ServerInfo,
  fields: { live?: boolean; status?: number; token?: string } = {},
): Promise<string> {
  const { live = true, status = 200, token } = fields;
  const body = JSON.stringify({ serverInfo: info, live });
  const headers = token === undefined ? {} : { token };
  return (await client.expect(status, 'track_pub', headers, body)).body.toString();
}

/** Each table that a subscription is sent, in order. */
export class Subscription {
  readonly #client: Client;

  private constructor(client: Client) {
    this.#client = client;
  }

  static async open(tracker: TestBroker, headers: Record<string, string> = {}) {
    const client = await tracker.connect();
    client.send({ cmd: 'track_sub', id: 'sub', ...headers });
    return new Subscription(client);
  }

  async next(): Promise<TrackerInfo> {
    const reply = await this.#client.next();
    assert.equal(reply.status, 200, reply.body.toString());
    return JSON.parse(reply.body.toString()) as TrackerInfo;
  }

  /** Tables that came and were not taken. */
  get waiting(): number {
    return this.#client.unclaimed.length;
  }
}
