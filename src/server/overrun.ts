/**
 * Which timeout a connection has overrun. Asked once a second by each connection, with what it is
 * doing; sends the signs of life that are due, pings and those of streams.
 */
import type { ServerTimeouts } from './limits.js';
import type { ReadDeadline, SLOW } from './read-deadline.js';
import type { StreamReply } from './stream-reply.js';
import type { WebSocketPeer } from './websocket-peer.js';

/** The option of the timeout. */
export type TimeoutName =
  keyof typeof SLOW | 'idleTimeout' | 'lingerTimeoutMs' | 'pingIntervalMs' | 'writeTimeoutMs';

/** What a connection is doing; null where it is not. */
export interface Watched {
  /** Our side is shut down, waiting for the peer's. */
  readonly lingeringSinceMs: number | null;
  readonly writingSinceMs: number | null;
  readonly webSocket: WebSocketPeer | null;
  readonly stream: StreamReply | null;
  /** Reads requests. */
  readonly reading: ReadDeadline | WebSocketPeer | null;
  /** Nothing is asked and nothing owed. */
  readonly idleSinceMs: number | null;
}

export function overrun(
  watched: Watched,
  nowMs: number,
  timeouts: ServerTimeouts,
): TimeoutName | null {
  const { lingeringSinceMs, writingSinceMs, webSocket, stream, reading, idleSinceMs } = watched;
  if (lingeringSinceMs !== null) {
    return nowMs - lingeringSinceMs > timeouts.lingerMs ? 'lingerTimeoutMs' : null;
  }
  if (writingSinceMs !== null) {
    return nowMs - writingSinceMs > timeouts.stalledWriteMs ? 'writeTimeoutMs' : null;
  }
  stream?.checkIdle(nowMs);
  if (webSocket?.isAlive(nowMs) === false) return 'pingIntervalMs';
  const slow = reading?.check(nowMs, timeouts) ?? null;
  if (slow !== null || idleSinceMs === null || webSocket !== null) return slow;
  return nowMs - idleSinceMs > timeouts.idleMs ? 'idleTimeout' : null;
}
