/**
 * Replies of one connection that must keep the order of their requests: plain HTTP, which has no id
 * to match a reply by. Owned by a connection; a slot is pushed when its request was read and comes
 * out when it is ready and first.
 */
import type { Buffer } from 'node:buffer';
import type { Delivery } from '../broker/exchange.js';

/** The place of one reply, and the reply once it is made. */
export class ReplySlot {
  /** Latin1: the head, and the body when it is small; '' for no reply. */
  text = '';
  /** What follows `text`, when it is too large to be copied. */
  bytes: Buffer | null = null;
  delivery: Delivery | null = null;
  ready = false;
  /** The connection ends behind this reply. */
  closes = false;
  /** An exchange that waits stands here: nobody answers it once the session has ended. */
  waits = false;
  next: ReplySlot | null = null;

  get byteLength(): number {
    return this.bytes === null ? this.text.length : this.text.length + this.bytes.length;
  }
}

export class ReplyOrder {
  /** Slots that hold or await a reply. */
  length = 0;
  /** Bytes of replies that are made and wait for an earlier one. */
  heldBytes = 0;
  #first: ReplySlot | null = null;
  #last: ReplySlot | null = null;

  push(slot: ReplySlot): void {
    if (this.#last === null) this.#first = slot;
    else this.#last.next = slot;
    this.#last = slot;
    this.length++;
  }

  /** The reply in `slot` is made; it leaves by `shift` when it is its turn. */
  hold(slot: ReplySlot): void {
    slot.ready = true;
    this.heldBytes += slot.byteLength;
  }

  /** The first slot if its reply is made. */
  shift(): ReplySlot | null {
    const slot = this.#first;
    if (!slot?.ready) return null;
    this.#first = slot.next;
    if (this.#first === null) this.#last = null;
    slot.next = null;
    this.length--;
    this.heldBytes -= slot.byteLength;
    return slot;
  }

  /** The session has ended: those who wait get no reply and hold up nobody. */
  dropWaiting(): void {
    for (let slot = this.#first; slot !== null; slot = slot.next) {
      if (slot.waits) slot.ready = true;
    }
  }

  /** The socket is gone: tells the deliveries that are held. */
  abandon(): void {
    let slot = this.#first;
    this.#first = null;
    this.#last = null;
    this.length = 0;
    this.heldBytes = 0;
    for (; slot !== null; slot = slot.next) {
      const { delivery } = slot;
      slot.delivery = null;
      delivery?.undelivered();
    }
  }
}
