/**
 * One message between a consume group and a consumer: from the moment it is handed out until it is
 * settled, or handed out again under a new lease. Made by GroupPositions; given to the connection,
 * which says whether the kernel took the bytes.
 */
import type { Delivery } from './exchange.js';
import type { Session } from './session.js';

/** Why a message came back unsettled. */
export type ReturnReason = 'timeout' | 'nack' | 'consumer gone' | 'restart';

/** What a lease tells its group. */
export interface LeaseOwner {
  delivered(lease: Lease): void;
  undelivered(lease: Lease): void;
}

export class Lease implements Delivery {
  readonly offset: number;
  /** The consumer in charge; null once the message came back. */
  holder: Session | null;
  /** True when the consumer must acknowledge; else it is settled once the kernel has the bytes. */
  explicit: boolean;
  /** The kernel took the bytes. */
  sent = false;
  /** Times the message was handed to a consumer, this one included. */
  attempts: number;
  /** On the broker's clock: handed out or renewed then; once it came back, due again then. */
  atMs: number;
  /** Why it came back; null while it is held. */
  reason: ReturnReason | null = null;
  readonly #owner: LeaseOwner;

  constructor(
    owner: LeaseOwner,
    offset: number,
    holder: Session | null,
    explicit: boolean,
    attempts: number,
    atMs: number,
  ) {
    this.#owner = owner;
    this.offset = offset;
    this.holder = holder;
    this.explicit = explicit;
    this.attempts = attempts;
    this.atMs = atMs;
  }

  delivered(): void {
    this.#owner.delivered(this);
  }

  undelivered(): void {
    this.#owner.undelivered(this);
  }
}
