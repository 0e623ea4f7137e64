/**
 * The offsets that ack, nack and renew name: `7`, or a list with ranges, `5,7,10-20`
 * (docs/protocol.md, ack). Pure.
 */
import { BadRequestError } from '../errors.js';

/** Both ends included. */
export interface OffsetRange {
  readonly first: number;
  readonly last: number;
}

const ITEM = /^([0-9]{1,16})(?:-([0-9]{1,16}))?$/;

/** `5,7,10-20`: the offsets in ascending order, neighbours as ranges. */
export function offsetList(offsets: readonly number[]): string {
  const sorted = [...new Set(offsets)].sort((a, b) => a - b);
  const items: string[] = [];
  for (let i = 0; i < sorted.length; i++) {
    const first = sorted[i] ?? 0;
    let last = first;
    while (sorted[i + 1] === last + 1) last = sorted[++i] ?? last;
    items.push(first === last ? `${first}` : `${first}-${last}`);
  }
  return items.join(',');
}

/** The list in the value of header `name`. Throws BadRequestError with the rule. */
export function parseOffsets(name: string, value: string): OffsetRange[] {
  return value.split(',').map((item) => {
    const [, first = '', last = first] = ITEM.exec(item.trim()) ?? [];
    const range = { first: Number(first), last: Number(last) };
    const valid = first !== '' && range.first <= range.last && Number.isSafeInteger(range.last);
    if (valid) return range;
    throw new BadRequestError(
      `Bad ${name} "${value}": must be offsets and ranges between commas, such as 5,7,10-20`,
    );
  });
}
