/**
 * The positions of a consume group and the cursor in which they outlive the broker. Owned by
 * ConsumeGroup.
 */
import { Buffer } from 'node:buffer';
import type { ZbusError } from '../errors.js';
import { CURSOR_DETAIL_BYTES_MAX, type Cursor } from '../queue/queue.js';
import { GroupPositions } from './group-positions.js';
import type { LeaseOwner } from './lease.js';
import { decodeDetail, encodeDetail } from './position-detail.js';

const NO_DETAIL = Buffer.alloc(0);
/** Filled and stored within one call. */
const detailBuffer = Buffer.alloc(CURSOR_DETAIL_BYTES_MAX);

export class GroupCursor {
  readonly positions: GroupPositions;
  readonly #cursor: Cursor;
  readonly #failed: (error: Error) => void;
  #storedRevision: number;

  /**
   * What was in the hands of consumers when the broker stopped comes back; what was deleted below
   * `firstOffset` since is lost.
   */
  constructor(
    cursor: Cursor,
    owner: LeaseOwner,
    firstOffset: number,
    failed: (error: Error) => void,
  ) {
    this.#cursor = cursor;
    this.#failed = failed;
    this.positions = new GroupPositions(owner, decodeDetail(cursor.offset, cursor.detail));
    for (const lease of this.positions.unsettled) {
      lease.reason = 'restart';
      this.positions.giveBack(lease, 0);
    }
    this.#storedRevision = this.positions.revision;
    this.positions.trimmed(firstOffset);
  }

  /** Stores what has changed; returns why it could not. */
  store(): ZbusError | null {
    const { revision, floor, next, lostCount, unsettled } = this.positions;
    if (revision === this.#storedRevision) return null;
    const length = encodeDetail(detailBuffer, next, lostCount, unsettled);
    try {
      this.#cursor.store(floor, length === 0 ? NO_DETAIL : detailBuffer.subarray(0, length));
    } catch (error) {
      this.#failed(error as Error);
      return error as ZbusError;
    }
    this.#storedRevision = revision;
    return null;
  }
}
