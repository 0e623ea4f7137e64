/**
 * The batch that both queues hand to the broker: one Buffer of whole records and a table of where
 * they lie, in the layout that the addon's reader_read fills (native.ts, READ_WIDTH).
 */
import { Buffer } from 'node:buffer';
import { READ_ROWS, READ_WIDTH } from './native.js';
import type { AppendRecord, RecordBatch } from './queue.js';

/** Places of a row. */
const OFFSET = 0;
const TIMESTAMP = 1;
const ID = 2;
const TAG = 3;
const WIRE = 4;
const WIRE_END = 5;

/** Stands between a record's id and the key of the group it is for; ids hold no such byte. */
const ADDRESS = '\x1f';

/** What is stored as the record's id. */
export function addressedId({ id, group }: AppendRecord): string {
  return group === undefined ? id : id + ADDRESS + group;
}

export class TableBatch implements RecordBatch {
  readonly bytes: Buffer;
  readonly count: number;
  readonly nextOffset: number;
  readonly #table: Float64Array;

  constructor(bytes: Buffer, table: Float64Array, count: number, nextOffset: number) {
    this.bytes = bytes;
    this.#table = table;
    this.count = count;
    this.nextOffset = nextOffset;
  }

  /** A batch without records that says where to read on. */
  static empty(nextOffset: number): TableBatch {
    return new TableBatch(NO_BYTES, NO_ROWS, 0, nextOffset);
  }

  offset(i: number): number {
    return this.#cell(i, OFFSET);
  }

  timestampMs(i: number): number {
    return this.#cell(i, TIMESTAMP);
  }

  id(i: number): string {
    const id = this.bytes.toString('latin1', this.#cell(i, ID), this.#cell(i, TAG));
    const end = id.indexOf(ADDRESS);
    return end === -1 ? id : id.slice(0, end);
  }

  tag(i: number): string {
    return this.bytes.toString('latin1', this.#cell(i, TAG), this.#cell(i, WIRE));
  }

  wireStart(i: number): number {
    return this.#cell(i, WIRE);
  }

  wireEnd(i: number): number {
    return this.#cell(i, WIRE_END);
  }

  #cell(row: number, column: number): number {
    const value = this.#table[READ_ROWS + row * READ_WIDTH + column];
    if (value === undefined) throw new RangeError(`record ${row} of ${this.count}`);
    return value;
  }
}

const NO_BYTES = Buffer.alloc(0);
const NO_ROWS = new Float64Array(READ_ROWS);
