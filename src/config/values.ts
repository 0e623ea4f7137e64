/**
 * What the value of an option may be: sizes, times, counts, lists, switches, as text or as itself.
 * Used by the lists of options beside this file. Promises: each schema's error is a rule that reads
 * well behind the option's name.
 */
import { z } from 'zod';
import { parseSize, SIZE_RULE, sizeText } from './sizes.js';

/** What help and documents say of an option. */
export interface OptionInfo {
  readonly group: 'Server' | 'Security' | 'Trackers' | 'Storage' | 'Limits' | 'Timeouts' | 'Log';
  readonly description: string;
  readonly example: string;
  /** Shown after the flag; a switch has none. */
  readonly placeholder?: string;
  /** All that it may be, when that is a few words. */
  readonly choices?: readonly string[];
  /** A second, shorter flag. */
  readonly alias?: string;
}

export const optionInfos = z.registry<OptionInfo>();

/** Flags and environment hold text, so text that is a whole number counts as that number. */
export function wholeNumber(min: number, max: number) {
  return z.preprocess(
    (value) => (typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value),
    z
      .int({ error: `must be a whole number from ${min} to ${max}` })
      .min(min, { error: `must be at least ${min}` })
      .max(max, { error: `must be at most ${max}` }),
  );
}

/** Bytes: a whole number, or text such as `64KiB` or `16MiB`. */
export function size(min: number, max: number) {
  return z.preprocess(
    (value) => (typeof value === 'string' ? (parseSize(value) ?? value) : value),
    z
      .int({ error: SIZE_RULE })
      .min(min, { error: `must be at least ${sizeText(min)}` })
      .max(max, { error: `must be at most ${sizeText(max)}` }),
  );
}

/** Texts between commas, or an array of texts; compared without regard to case. */
export function list(item: RegExp, rule: string) {
  return z.preprocess(
    (value) => (typeof value === 'string' ? value.split(',').filter((text) => text !== '') : value),
    z.array(z.string({ error: rule }).trim().toLowerCase().regex(item, { error: rule }), {
      error: rule,
    }),
  );
}

const SWITCH_TEXTS = new Map<unknown, boolean>([
  ['true', true],
  ['1', true],
  ['false', false],
  ['0', false],
]);

export function onOff() {
  return z.preprocess(
    (value) => SWITCH_TEXTS.get(value) ?? value,
    z.boolean({ error: 'must be true or false' }),
  );
}

export function text() {
  return z.string({ error: 'must be text' }).min(1, { error: 'must not be empty' });
}

/** An empty text is how an environment variable says "none". */
export function textOrNone() {
  return z.preprocess((value) => (value === '' ? null : value), text().nullable());
}

/** Text says "none" as a person would, or by being empty, as an environment variable does. */
export function orNone<T extends z.ZodType>(schema: T) {
  return z.preprocess(
    (value) => (value === '' || value === 'none' ? null : value),
    schema.nullable(),
  );
}

const TIME_MS_MAX = 24 * 60 * 60 * 1000;

export function timeMs(min: number) {
  return wholeNumber(min, TIME_MS_MAX);
}
