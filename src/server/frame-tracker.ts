/**
 * Where the bytes of a WebSocket end: between messages, or within one. Fed beside ws, which does
 * not say when a message begins; owned by a WebSocket peer, so that one that never ends is found.
 * Takes the framing for granted: ws refuses what is wrong.
 */
import type { Buffer } from 'node:buffer';

/** What the next byte is. */
const Step = { opcode: 0, length: 1, longLength: 2, mask: 3, payload: 4 } as const;
type Step = (typeof Step)[keyof typeof Step];

const FINAL = 0x80;
const MASKED = 0x80;
const FIRST_CONTROL_OPCODE = 8;
const MASK_BYTES = 4;

export class FrameTracker {
  /** Messages that were completed. */
  messages = 0;
  #step: Step = Step.opcode;
  #first = 0;
  #masked = false;
  /** Bytes of the length or mask that are still to come. */
  #headBytesLeft = 0;
  #payloadBytesLeft = 0;
  #inMessage = false;

  /** True when a frame or a message has begun and not ended. */
  get open(): boolean {
    return this.#inMessage || this.#step !== Step.opcode;
  }

  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length;) {
      if (this.#step === Step.payload) {
        const taken = Math.min(this.#payloadBytesLeft, chunk.length - at);
        this.#payloadBytesLeft -= taken;
        at += taken;
        if (this.#payloadBytesLeft === 0) this.#endFrame();
      } else {
        this.#readHead(chunk[at++] ?? 0);
      }
    }
  }

  #readHead(byte: number): void {
    switch (this.#step) {
      case Step.opcode:
        this.#first = byte;
        this.#step = Step.length;
        return;
      case Step.length:
        this.#readLength(byte);
        return;
      case Step.longLength:
        this.#payloadBytesLeft = this.#payloadBytesLeft * 256 + byte;
        if (--this.#headBytesLeft === 0) this.#beginMask();
        return;
      case Step.mask:
        if (--this.#headBytesLeft === 0) this.#beginPayload();
        return;
      case Step.payload:
    }
  }

  #readLength(byte: number): void {
    const short = byte & ~MASKED;
    this.#masked = (byte & MASKED) !== 0;
    if (short < 126) {
      this.#payloadBytesLeft = short;
      this.#beginMask();
    } else {
      this.#payloadBytesLeft = 0;
      this.#headBytesLeft = short === 126 ? 2 : 8;
      this.#step = Step.longLength;
    }
  }

  #beginMask(): void {
    if (!this.#masked) {
      this.#beginPayload();
      return;
    }
    this.#headBytesLeft = MASK_BYTES;
    this.#step = Step.mask;
  }

  #beginPayload(): void {
    this.#step = Step.payload;
    if (this.#payloadBytesLeft === 0) this.#endFrame();
  }

  #endFrame(): void {
    this.#step = Step.opcode;
    if ((this.#first & 0x0f) >= FIRST_CONTROL_OPCODE) return;
    this.#inMessage = (this.#first & FINAL) === 0;
    if (!this.#inMessage) this.messages++;
  }
}
