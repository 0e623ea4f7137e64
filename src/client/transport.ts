/**
 * What a connection needs of the way its messages travel: TCP, TLS, WebSocket, or no socket at all.
 * Implemented by tcp-transport.ts and websocket-transport.ts, and by whoever embeds a broker. A
 * link carries whole messages; how they become bytes is its own matter.
 */
import type { Message } from '../protocol/message.js';

export interface LinkEvents {
  onMessage(reply: Message): void;
  /** The link was congested and takes requests again. */
  onDrain(): void;
  /**
   * The link is gone; called once, after its last message. `cause` is null when the peer closed it
   * in good order.
   */
  onClose(cause: Error | null): void;
}

/** One connection that is up. */
export interface Link {
  /** True while so much waits to be sent that callers should wait for `onDrain`. */
  readonly congested: boolean;
  /** Changes whenever the peer shows that it lives; undefined when it cannot be dead alone. */
  readonly activity: number | undefined;
  /** Sends what is sent in one turn of the event loop together, in order. */
  send(request: Message): void;
  /** Sends what waits now. */
  flush(): void;
  /** Sends what waits, then closes. */
  end(): void;
  /** Closes now. */
  destroy(): void;
}

export interface Transport {
  /** For people: where it leads. */
  readonly address: string;
  /**
   * Rejects when the peer cannot be reached, or with the reason of `signal`. A ClosedError means
   * that it never will be again.
   */
  connect(events: LinkEvents, signal: AbortSignal): Promise<Link>;
}

/** Unsent bytes of a link beyond which it is congested. */
export const CONGESTED_BYTES = 1024 * 1024;

/** A broker is trusted, but not with all of the memory: nothing it sends should be larger. */
export const REPLY_LIMITS = {
  headerBytesMax: 256 * 1024,
  headersMax: 1000,
  bodyBytesMax: 2 ** 30,
};
