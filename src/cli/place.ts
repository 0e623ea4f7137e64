/**
 * Places in a topic as people write them: `begin`, `end`, an offset, a time, `-10m`. Used by the
 * commands that take one, and by those that make it an offset or the start of a group. Pure.
 */
import { InvalidArgumentError } from 'commander';
import type { StartOptions } from '../client/declaration.js';

export type Place =
  { readonly offset: number } | { readonly timeMs: number } | { readonly end: true };

const UNIT_MS = new Map([
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
]);
const AGO = /^-(\d+)(ms|[smhd])$/;
const ISO = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?$/i;

export const PLACES =
  'begin, end, an offset, a time such as 2026-11-23T10:00Z, or -10m (ms s m h d)';

/** Parser for commander. */
export function parsePlace(text: string, nowMs = Date.now()): Place {
  const word = text.toLowerCase();
  if (word === 'begin') return { offset: 0 };
  if (word === 'end') return { end: true };
  if (/^\d+$/.test(text) && Number.isSafeInteger(Number(text))) return { offset: Number(text) };
  const [, count, unit] = AGO.exec(word) ?? [];
  if (count !== undefined && unit !== undefined) {
    return { timeMs: Math.max(0, nowMs - Number(count) * (UNIT_MS.get(unit) ?? NaN)) };
  }
  const timeMs = ISO.test(text) ? Date.parse(localTime(text)) : NaN;
  if (timeMs >= 0) return { timeMs };
  throw new InvalidArgumentError(`It must be ${PLACES}.`);
}

/** A date alone would be taken for UTC, and with a time for local time: local in both cases. */
function localTime(text: string): string {
  return text.length === 'yyyy-mm-dd'.length ? `${text}T00:00` : text;
}

/** Where a group is put. */
export function startAt(place: Place): NonNullable<StartOptions['start']> {
  // Behind the last message there is none at or after the time, whenever it is.
  if ('end' in place) return { timeMs: Number.MAX_SAFE_INTEGER };
  return place;
}
