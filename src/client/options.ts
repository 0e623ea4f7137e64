/**
 * The options of a connection, with their defaults. Read by connect and by the classes below it.
 */
import { type Clock, systemClock } from '../clock.js';
import { Header } from '../protocol/headers.js';
import { namingValue } from './requests.js';

/** Options of TLS as `tls.connect` of Node takes them; `true` for its defaults. */
export type TlsOptions = true | Readonly<Record<string, unknown>>;

/** What `connect` takes. */
export interface ConnectOptions {
  /** Milliseconds for one attempt to connect. Default 10,000. */
  readonly connectTimeoutMs?: number;
  /**
   * Milliseconds in which a call must be answered, unless it says otherwise; the time in which
   * there is no connection counts too. Default 30,000; Infinity: without end.
   */
  readonly timeoutMs?: number;
  /**
   * What to do when the first attempt to reach a broker fails: `false` (default) makes `connect`
   * reject; `true` lets it wait until there is one, as it does later when a connection is lost.
   */
  readonly waitForBroker?: boolean;
  /** Ends an attempt to connect, with the signal's reason; of no meaning once there is a bus. */
  readonly signal?: AbortSignal | undefined;
  /** Bounds of the wait before a connection is tried again. Default 100 and 10,000 ms. */
  readonly reconnect?: { readonly minMs?: number; readonly maxMs?: number };
  /**
   * A silent peer is asked for a sign of life after this long, and given up after as long again.
   * Default 30,000; Infinity: never.
   */
  readonly heartbeatMs?: number;
  /**
   * Calls that may wait while there is no connection; one more is refused with BufferFullError.
   * Default 10,000 calls, 64 MiB of bodies.
   */
  readonly offline?: { readonly callsMax?: number; readonly bytesMax?: number };
  /** Bytes of the largest body that is sent; the broker's limit holds too. Default 16 MiB. */
  readonly bodyBytesMax?: number;
  /** Speaks TLS, with these options of `tls.connect`: `ca`, `cert`, `key`, `servername`, … */
  readonly tls?: TlsOptions;
  /** Says to a broker with tokens who asks; sent with every request. */
  readonly token?: string;
  /** For tests: time and chance. */
  readonly clock?: Clock;
  readonly random?: () => number;
}

export interface ConnectionOptions {
  readonly connectTimeoutMs: number;
  readonly timeoutMs: number;
  readonly waitForBroker: boolean;
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
  readonly heartbeatMs: number;
  readonly offlineCallsMax: number;
  readonly offlineBytesMax: number;
  readonly bodyBytesMax: number;
  /** As it is sent; null: none. */
  readonly token: string | null;
  readonly clock: Clock;
  readonly random: () => number;
}

const MIB = 1024 * 1024;

/** Throws BadRequestError for a token that is none. */
export function withDefaults(options: ConnectOptions): ConnectionOptions {
  const { reconnect = {}, offline = {} } = options;
  return {
    connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
    timeoutMs: options.timeoutMs ?? 30_000,
    waitForBroker: options.waitForBroker ?? false,
    backoffMinMs: reconnect.minMs ?? 100,
    backoffMaxMs: reconnect.maxMs ?? 10_000,
    heartbeatMs: options.heartbeatMs ?? 30_000,
    offlineCallsMax: offline.callsMax ?? 10_000,
    offlineBytesMax: offline.bytesMax ?? 64 * MIB,
    bodyBytesMax: options.bodyBytesMax ?? 16 * MIB,
    token: options.token === undefined ? null : namingValue(Header.token, options.token),
    clock: options.clock ?? systemClock,
    random: options.random ?? Math.random,
  };
}
