/**
 * What a connection owes its peer: the replies that keep their order, and the bytes on their way.
 * Owned by a connection, which schedules the flush; tells the session when the peer takes bytes
 * again after someone was told that it does not.
 */
import type { Session } from '../broker/session.js';
import type { ReplyOutbox } from './outbox.js';
import { ReplyOrder, type ReplySlot } from './reply-order.js';

export class Replies {
  readonly #session: Session;
  readonly #unsentBytesMax: number;
  readonly #order = new ReplyOrder();
  #outbox: ReplyOutbox;
  /** Called when a reply behind which the connection ends is on its way. */
  readonly #onLast: () => void;
  /** Someone may have been told that the peer is congested, and waits for `Session.writable`. */
  #toldCongested = false;

  constructor(session: Session, outbox: ReplyOutbox, unsentBytesMax: number, onLast: () => void) {
    this.#session = session;
    this.#outbox = outbox;
    this.#unsentBytesMax = unsentBytesMax;
    this.#onLast = onLast;
  }

  /** Replies that have a place in the order and have not left it. */
  get ordered(): number {
    return this.#order.length;
  }

  get unsentBytes(): number {
    return this.#outbox.unsentBytes;
  }

  /** Of all replies that are made. */
  get pendingBytes(): number {
    return this.#outbox.unsentBytes + this.#order.heldBytes;
  }

  /** When the write began that waits for the peer; null when none does. */
  get writingSinceMs(): number | null {
    return this.#outbox.writing ? this.#outbox.writingSinceMs : null;
  }

  /** True when the peer is to be sent no more for now; `Session.writable` tells when. */
  get congested(): boolean {
    if (this.unsentBytes <= this.#unsentBytesMax) return false;
    this.#toldCongested = true;
    return true;
  }

  /** From here on replies go out this way. */
  sendBy(outbox: ReplyOutbox): void {
    this.#outbox = outbox;
  }

  /** Gives the slot the next place in the order. */
  place(slot: ReplySlot): void {
    this.#order.push(slot);
  }

  /** A reply is made: it leaves now when it is found by its id, else when it is its turn. */
  made(slot: ReplySlot, named: boolean): void {
    if (named) this.send(slot);
    else this.ready(slot);
  }

  /** The reply in the slot is made: it leaves when it is its turn. */
  ready(slot: ReplySlot): void {
    this.#order.hold(slot);
    this.sendReady();
  }

  sendReady(): void {
    for (let slot = this.#order.shift(); slot !== null; slot = this.#order.shift()) {
      this.send(slot);
    }
  }

  /** Sends a reply that keeps no order. */
  send(slot: ReplySlot): void {
    if (slot.text !== '') this.#outbox.push(slot.text, slot.bytes, slot.delivery);
    if (slot.closes) this.#onLast();
  }

  /** Hands over what the kernel takes now. */
  flush(nowMs: number): void {
    this.#outbox.flush(nowMs);
    if (!this.#toldCongested || this.unsentBytes > this.#unsentBytesMax / 2) return;
    this.#toldCongested = false;
    this.#session.writable();
  }

  /** The session has ended: those who wait get no reply and hold up nobody. */
  dropWaiting(): void {
    this.#order.dropWaiting();
    this.sendReady();
  }

  /** The socket is gone. */
  abandon(): void {
    this.#outbox.abandon();
    this.#order.abandon();
  }
}
