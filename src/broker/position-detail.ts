/**
 * What a consume group stores beside its floor: which messages above it are unsettled, how often
 * each was handed out, and how many were lost. Pure; used by ConsumeGroup. The bytes are described
 * in docs/disk-format.md, Cursor: numbers of 7 bits a byte, low ones first.
 *
 *     lost count, then runs of neighbours handed out equally often:
 *     messages in the run, times handed out, settled messages behind it
 *
 * The first run begins at the floor; the end of the last is the next offset to read.
 */
import type { Buffer } from 'node:buffer';

export interface StoredMessage {
  readonly offset: number;
  /** Times it was handed to a consumer. */
  readonly attempts: number;
}

export interface StoredPosition {
  /** Next offset to read that was never handed out. */
  readonly next: number;
  readonly lostCount: number;
  /** Ascending, below `next`. */
  readonly unsettled: readonly StoredMessage[];
}

/** A detail that claims more unsettled messages than any window allows is damaged. */
const UNSETTLED_MAX = 100_000;
const NUMBER_BYTES_MAX = 8;
const RUN_BYTES_MAX = 3 * NUMBER_BYTES_MAX;

/**
 * Writes the detail into `target` and returns its length. Where there is no room for all, the runs
 * that lie highest are left out: after a restart everything from there on is handed out again.
 */
export function encodeDetail(
  target: Buffer,
  next: number,
  lostCount: number,
  unsettled: Iterable<StoredMessage>,
): number {
  let end = 0;
  let runStart = -1;
  let runEnd = -1;
  let runAttempts = 0;
  const writeRun = (nextStart: number): void => {
    end = encodeNumber(target, end, runEnd - runStart);
    end = encodeNumber(target, end, runAttempts);
    end = encodeNumber(target, end, nextStart - runEnd);
  };
  for (const { offset, attempts } of unsettled) {
    if (runStart === -1) {
      end = encodeNumber(target, 0, lostCount);
      runStart = offset;
    } else if (offset !== runEnd || attempts !== runAttempts) {
      writeRun(offset);
      if (end + RUN_BYTES_MAX > target.length) return end;
      runStart = offset;
    }
    runEnd = offset + 1;
    runAttempts = attempts;
  }
  if (runStart !== -1) writeRun(next);
  else if (lostCount > 0) end = encodeNumber(target, 0, lostCount);
  return end;
}

/** What was stored with `floor`; a detail that is damaged counts for nothing. */
export function decodeDetail(floor: number, detail: Buffer): StoredPosition {
  const nothing = { next: floor, lostCount: 0, unsettled: [] };
  const reader = new NumberReader(detail);
  const lostCount = reader.read();
  const unsettled: StoredMessage[] = [];
  let next = floor;
  while (!reader.ended) {
    const length = reader.read();
    const attempts = reader.read();
    if (unsettled.length + length > UNSETTLED_MAX) return nothing;
    for (let i = 0; i < length; i++) unsettled.push({ offset: next + i, attempts });
    next += length + reader.read();
  }
  return reader.damaged || !Number.isSafeInteger(next) ? nothing : { next, lostCount, unsettled };
}

function encodeNumber(target: Buffer, at: number, number: number): number {
  let rest = number;
  let end = at;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) target[end++] = (rest % 0x80) | 0x80;
  target[end++] = rest;
  return end;
}

class NumberReader {
  damaged = false;
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get ended(): boolean {
    return this.damaged || this.#at >= this.#bytes.length;
  }

  /** 0 where the bytes are none or damaged. */
  read(): number {
    let number = 0;
    let unit = 1;
    for (let count = 0; count < NUMBER_BYTES_MAX; count++) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) break;
      number += (byte % 0x80) * unit;
      if (byte < 0x80) return number;
      unit *= 0x80;
    }
    this.damaged = this.#bytes.length > 0;
    return 0;
  }
}
