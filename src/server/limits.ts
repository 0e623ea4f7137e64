/**
 * Limits and timeouts of the server, with their defaults. Filled from the configuration by whoever
 * makes a Listener; read by listener, connection and their parts.
 */
import type { DecoderLimits } from '../protocol/codec.js';

export interface ServerLimits extends DecoderLimits {
  /** Connections served at once; one more is answered 503 and closed. */
  readonly connectionsMax: number;
  /** Of a request without a valid token, on a server with tokens. */
  readonly unauthenticatedBodyBytesMax: number;
  /** Requests of one connection that are read and not answered; reading pauses there. */
  readonly inFlightMax: number;
  /** Body bytes of those requests; reading pauses there. */
  readonly inFlightBytesMax: number;
  /** Exchanges of one connection that wait without being in flight (`Exchange.wait`). */
  readonly waitingMax: number;
  /** Fragments of one WebSocket message. */
  readonly fragmentsMax: number;
  /** Bytes of one connection not yet taken by the kernel: above it the peer is congested. */
  readonly unsentBytesMax: number;
}

export interface ServerTimeouts {
  /** From the first byte of a head to its end. */
  readonly headerMs: number;
  /** Window in which a body must go on by `BODY_BYTES_A_WINDOW_MIN` bytes, or end. */
  readonly bodyMs: number;
  /** Nothing asked, nothing owed, nothing sent. */
  readonly idleMs: number;
  /** Bytes are pending and the peer takes none. */
  readonly stalledWriteMs: number;
  /**
   * After the last answer: how long what the peer still sends is discarded before the socket is
   * destroyed.
   */
  readonly lingerMs: number;
  /** Silence of a TCP peer after which the kernel probes whether it is there. */
  readonly keepAliveMs: number;
  /** Between two pings of a WebSocket peer, of which it may leave one unanswered. */
  readonly pingMs: number;
}

/**
 * About 2 KiB a second at the default window: a slow uplink passes, a trickle of one byte a read
 * does not. So a body of 16 MiB can hold a connection for 2 hours at most, and only by sending all
 * of it.
 */
export const BODY_BYTES_A_WINDOW_MIN = 64 * 1024;

export const DEFAULT_LIMITS: ServerLimits = {
  headerBytesMax: 16 * 1024,
  headersMax: 100,
  bodyBytesMax: 16 * 1024 * 1024,
  connectionsMax: 10_000,
  unauthenticatedBodyBytesMax: 16 * 1024,
  inFlightMax: 1024,
  inFlightBytesMax: 8 * 1024 * 1024,
  waitingMax: 4096,
  fragmentsMax: 16 * 1024,
  unsentBytesMax: 8 * 1024 * 1024,
};

export const DEFAULT_TIMEOUTS: ServerTimeouts = {
  headerMs: 10_000,
  bodyMs: 30_000,
  idleMs: 180_000,
  stalledWriteMs: 30_000,
  lingerMs: 5000,
  keepAliveMs: 60_000,
  pingMs: 30_000,
};
