/**
 * The requests of one connection that are not over: in flight (handed to the broker and neither
 * answered nor waiting) or waiting. Owned by a connection, which stops reading when they are too
 * many.
 */
import type { ServerLimits } from './limits.js';

/** What is counted of a request. */
interface OpenRequest {
  readonly bodyBytes: number;
  readonly waits: boolean;
}

/** What is counted of the replies. */
interface OwedReplies {
  readonly ordered: number;
  readonly pendingBytes: number;
}

export class OpenRequests {
  waiting = 0;
  #inFlight = 0;
  #inFlightBytes = 0;

  get count(): number {
    return this.#inFlight + this.waiting;
  }

  begin(request: OpenRequest): void {
    this.#inFlight++;
    this.#inFlightBytes += request.bodyBytes;
  }

  /** What waits holds no body and no place among those in flight. */
  wait(request: OpenRequest): void {
    this.waiting++;
    this.#leaveFlight(request);
  }

  end(request: OpenRequest): void {
    if (request.waits) this.waiting--;
    else this.#leaveFlight(request);
  }

  /** Those that wait get no reply any more. */
  dropWaiting(): void {
    this.waiting = 0;
  }

  /** The limit of which more than this share is taken by requests and replies; null: none. */
  exceeded(replies: OwedReplies, limits: ServerLimits, share: number): string | null {
    const { inFlightMax, inFlightBytesMax, unsentBytesMax } = limits;
    if (Math.max(this.#inFlight, replies.ordered) > inFlightMax * share) return 'inFlightMax';
    if (replies.pendingBytes > unsentBytesMax * share) return 'unsentBytesMax';
    return this.#inFlightBytes > inFlightBytesMax * share ? 'inFlightBytesMax' : null;
  }

  #leaveFlight({ bodyBytes }: OpenRequest): void {
    this.#inFlight--;
    this.#inFlightBytes -= bodyBytes;
  }
}
