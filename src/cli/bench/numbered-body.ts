/**
 * Bodies that say who they are: number of the sender, number of the message, and when it was due.
 * So a consumer can tell what is missing, what came twice, and how long it took. Pure.
 */
import { Buffer } from 'node:buffer';

/** What the numbers need. */
export const BODY_BYTES_MIN = 16;
const NUMBER_AT = 4;
const TIME_AT = 8;

export interface Numbers {
  readonly sender: number;
  readonly number: number;
  /** On the clock of performance.now(). */
  readonly dueMs: number;
}

export function numberedBody(sizeBytes: number, { sender, number, dueMs }: Numbers): Buffer {
  const bytes = Buffer.alloc(Math.max(sizeBytes, BODY_BYTES_MIN), 'x');
  bytes.writeUInt32LE(sender, 0);
  bytes.writeUInt32LE(number, NUMBER_AT);
  bytes.writeDoubleLE(dueMs, TIME_AT);
  return bytes;
}

/** null for what is not of this making. */
export function numbersOf(bytes: Uint8Array): Numbers | null {
  if (bytes.length < BODY_BYTES_MIN) return null;
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    sender: view.readUInt32LE(0),
    number: view.readUInt32LE(NUMBER_AT),
    dueMs: view.readDoubleLE(TIME_AT),
  };
}
