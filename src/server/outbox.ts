/**
 * Bytes on their way to one peer. Owned by a connection: replies are pushed during a turn and
 * flushed with one write at its end. Promises that of each delivery exactly one of `delivered` and
 * `undelivered` is called, and `delivered` only once the kernel has all its bytes.
 */
import type { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';
import type { Delivery } from '../broker/exchange.js';

/** Text of small replies is joined up to this, larger than any socket buffer fills at once. */
const TEXT_BYTES_MAX = 64 * 1024;
/** One write hands over this much at most, so that a slow peer's progress shows between writes. */
const WRITE_BYTES_MAX = 256 * 1024;

/** Where a connection puts its replies: on the socket as they are, or each in a WebSocket frame. */
export interface ReplyOutbox {
  /** Bytes pushed and not yet taken by the kernel. */
  readonly unsentBytes: number;
  /** True while a write waits for the peer. */
  readonly writing: boolean;
  /** When the write that is going on began, on the clock of `flush`'s caller. */
  readonly writingSinceMs: number;
  push(text: string, bytes: Buffer | null, delivery: Delivery | null): void;
  /** Hands over what the kernel takes now; the rest follows by itself. */
  flush(nowMs: number): void;
  /** The socket is gone: tells the deliveries whose bytes were not handed over. */
  abandon(): void;
}

export class Outbox implements ReplyOutbox {
  unsentBytes = 0;
  writingSinceMs = 0;
  readonly #socket: Socket;
  /** Called when a write that had to wait for the peer has ended. */
  readonly #onProgress: () => void;
  #text = '';
  #parts: (string | Buffer)[] = [];
  /** Bytes of the write that is going on; 0 when there is none. */
  #writingBytes = 0;
  /** Writes whose end was seen at once, and whose callback still comes. */
  #callbacksDue = 0;
  /**
   * Deliveries in the order of their bytes; each ends at its position in the stream of all bytes.
   */
  #deliveries: Delivery[] = [];
  #deliveryEnds: number[] = [];
  #sentBytes = 0;

  constructor(socket: Socket, onProgress: () => void) {
    this.#socket = socket;
    this.#onProgress = onProgress;
  }

  get writing(): boolean {
    return this.#writingBytes > 0;
  }

  push(text: string, bytes: Buffer | null, delivery: Delivery | null): void {
    this.#text += text;
    this.unsentBytes += text.length;
    if (bytes !== null) {
      this.#closeText();
      this.#parts.push(bytes);
      this.unsentBytes += bytes.length;
    } else if (this.#text.length >= TEXT_BYTES_MAX) {
      this.#closeText();
    }
    if (delivery !== null) {
      this.#deliveries.push(delivery);
      this.#deliveryEnds.push(this.#sentBytes + this.unsentBytes);
    }
  }

  flush(nowMs: number): void {
    while (this.#writingBytes === 0 && this.unsentBytes > 0) {
      this.writingSinceMs = nowMs;
      this.#write();
      // Without waiting for the callback, so that positions are stored in the turn that sent the
      // messages.
      if (this.#socket.writableLength > 0 || this.#failed) return;
      this.#callbacksDue++;
      this.#settle();
    }
  }

  abandon(): void {
    const deliveries = this.#deliveries;
    this.#deliveries = [];
    this.#deliveryEnds = [];
    this.#parts = [];
    this.#text = '';
    this.unsentBytes = 0;
    for (const delivery of deliveries) delivery.undelivered();
  }

  /**
   * A write that failed leaves no bytes behind either, and the callback of one that was cut off by
   * destroy gets no error: neither tells success without this.
   */
  get #failed(): boolean {
    return this.#socket.errored !== null || this.#socket.destroyed;
  }

  #closeText(): void {
    if (this.#text === '') return;
    this.#parts.push(this.#text);
    this.#text = '';
  }

  #write(): void {
    if (this.#parts.length === 0) {
      const text = this.#text;
      this.#text = '';
      this.#writingBytes = text.length;
      this.#socket.write(text, 'latin1', this.#onWritten);
    } else {
      this.#writeParts();
    }
  }

  #writeParts(): void {
    this.#closeText();
    const parts = this.#parts;
    let bytes = 0;
    let count = 0;
    this.#socket.cork();
    for (const part of parts) {
      if (bytes >= WRITE_BYTES_MAX) break;
      const room = WRITE_BYTES_MAX - bytes;
      const whole = typeof part === 'string' || part.length <= room;
      const piece = whole ? part : part.subarray(0, room);
      bytes += piece.length;
      const last = bytes >= WRITE_BYTES_MAX || (whole && count + 1 === parts.length);
      this.#socket.write(piece, 'latin1', last ? this.#onWritten : undefined);
      if (whole) count++;
      else parts[count] = part.subarray(room);
    }
    this.#parts = count === parts.length ? [] : parts.slice(count);
    this.#writingBytes = bytes;
    this.#socket.uncork();
  }

  readonly #onWritten = (): void => {
    if (this.#callbacksDue > 0) {
      this.#callbacksDue--;
      return;
    }
    if (this.#failed) return;
    this.#settle();
    this.#onProgress();
  };

  /** The write that was going on is done. */
  #settle(): void {
    this.unsentBytes -= this.#writingBytes;
    this.#sentBytes += this.#writingBytes;
    this.#writingBytes = 0;
    if (this.#deliveries.length > 0) this.#settleDeliveries();
  }

  #settleDeliveries(): void {
    const ends = this.#deliveryEnds;
    const deliveries = this.#deliveries;
    let count = 0;
    while (count < ends.length && (ends[count] ?? Infinity) <= this.#sentBytes) count++;
    if (count === 0) return;
    this.#deliveries = count === deliveries.length ? [] : deliveries.slice(count);
    this.#deliveryEnds = count === ends.length ? [] : ends.slice(count);
    for (let i = 0; i < count; i++) deliveries[i]?.delivered();
  }
}
