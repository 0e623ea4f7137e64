/**
 * Both sides of tracking in one broker: the tracker that others join, and the trackers that it
 * joins. Made by Server, which starts it once the broker listens and closes it before the broker.
 */
import type { TlsOptions } from '../client/options.js';
import type { Clock } from '../clock.js';
import type { Config } from '../config/config.js';
import { ConfigError } from '../config/config-error.js';
import type { Log } from '../log.js';
import {
  hostOfAddress,
  parseServerAddress,
  type ServerAddress,
  serverAddressText,
} from '../protocol/server-address.js';
import { isLoopbackHost, isWildcardHost } from './hosts.js';
import { type PeerOptions, readOptionFile, readTokenFile } from './peer-connection.js';
import { Publisher } from './publisher.js';
import { type OwnServer, Tracker } from './tracker.js';

/** What this broker shows to those that ask brokers for a certificate. */
export interface OwnCertificate {
  readonly certificatePem: string;
  readonly keyPem: string;
}

export type TrackingConfig = Pick<
  Config,
  | 'trackerList'
  | 'trackerOnly'
  | 'trackerTokenFile'
  | 'trackerCaFile'
  | 'trackedServersMax'
  | 'trackPubBytesMax'
>;

export class Tracking {
  readonly tracker: Tracker;
  readonly trackers: readonly ServerAddress[];
  readonly #peers: PeerOptions;
  readonly #token: string | null;
  readonly #log: Log;
  #publisher: Publisher | null = null;

  /** Throws ConfigError. */
  constructor(config: TrackingConfig, clock: Clock, log: Log, own: OwnCertificate | null) {
    const { trackerList, trackerOnly, trackerTokenFile, trackerCaFile } = config;
    if (trackerOnly && trackerList.length > 0) {
      throw new ConfigError(
        '--tracker-only has no topics to tell other trackers of: give no --tracker',
      );
    }
    this.trackers = trackerList.map(parseServerAddress);
    this.#log = log;
    this.#token =
      trackerTokenFile === null ? null : readTokenFile('--tracker-token-file', trackerTokenFile);
    const ca = trackerCaFile === null ? null : readOptionFile('--tracker-ca-file', trackerCaFile);
    this.#peers = { clock, tls: tlsOptions(ca, own) };
    this.tracker = new Tracker({
      peers: this.#peers,
      log,
      listsItself: !trackerOnly,
      serversMax: config.trackedServersMax,
      publishedBytesMax: config.trackPubBytesMax,
    });
  }

  /** `own` listens from now on. */
  start(own: OwnServer): void {
    this.tracker.start(own);
    const ownKey = serverAddressText(own.address);
    const others = this.trackers.filter((tracker) => serverAddressText(tracker) !== ownKey);
    if (others.length === 0) return;
    this.#publisher = new Publisher(others, own, {
      peers: this.#peers,
      log: this.#log,
      token: this.#token,
    });
  }

  /** Topics, groups or consumers of this broker have changed. */
  changed(): void {
    this.tracker.ownChanged();
    this.#publisher?.changed();
  }

  async close(): Promise<void> {
    await Promise.all([this.#publisher?.close(), this.tracker.close()]);
  }
}

/**
 * Throws ConfigError when others are told an address of this broker under which they cannot reach
 * it: it would join its trackers and never be listed.
 */
export function checkAdvertised(trackerList: readonly string[], advertised: string): void {
  if (trackerList.length === 0) return;
  const host = advertised.slice(0, advertised.lastIndexOf(':')).replace(/^\[|\]$/g, '');
  const elsewhere = trackerList.map(parseServerAddress).map(hostOfAddress);
  const reachable = !isLoopbackHost(host) || elsewhere.every(isLoopbackHost);
  if (reachable && !isWildcardHost(host) && advertised.includes(':')) return;
  throw new ConfigError(
    `others cannot reach this broker at ${advertised}, and its trackers would not list it: give ` +
      'the address under which they do, host:port, with --server-name',
  );
}

function tlsOptions(ca: string | null, own: OwnCertificate | null): TlsOptions {
  return {
    ...(ca === null ? {} : { ca }),
    ...(own === null ? {} : { cert: own.certificatePem, key: own.keyPem }),
  };
}
