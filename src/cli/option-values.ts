/**
 * What the values of options may be, as parsers for commander: its error then names the option, the
 * value and the rule. Used where options are declared. Pure.
 */
import { InvalidArgumentError, Option } from 'commander';
import type { AskedLevel } from '../client/mq-client.js';
import { parseSize, SIZE_RULE, sizeText } from '../config/sizes.js';

export function wholeNumber(min: number, max = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : NaN;
    if (value >= min && value <= max) return value;
    const range = max === Number.MAX_SAFE_INTEGER ? `from ${min}` : `from ${min} to ${max}`;
    throw new InvalidArgumentError(`It must be a whole number ${range}.`);
  };
}

const ACK_LEVELS: readonly AskedLevel[] = ['disk', 'page', 'none'];

/** `--ack-level`, whose help and completion name the levels. */
export function ackLevelOption(about: string): Option {
  return new Option('--ack-level <level>', about).choices(ACK_LEVELS);
}

/** `null` for `none`. */
export function wholeNumberOrNone(min: number): (text: string) => number | null {
  const parse = wholeNumber(min);
  return (text) => (text === 'none' ? null : parse(text));
}

/** Bytes of `8MiB`. */
export function size(min: number, max = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const bytes = parseSize(text);
    if (bytes === null) throw new InvalidArgumentError(`It ${SIZE_RULE}.`);
    if (bytes < min) throw new InvalidArgumentError(`It must be at least ${sizeText(min)}.`);
    if (bytes > max) throw new InvalidArgumentError(`It must be at most ${sizeText(max)}.`);
    return bytes;
  };
}

/** `null` for `none`. */
export function sizeOrNone(min: number): (text: string) => number | null {
  const parse = size(min);
  return (text) => (text === 'none' ? null : parse(text));
}

/** Adds `name: value` to those before. */
export function header(
  text: string,
  before: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  const colon = text.indexOf(':');
  if (colon < 1) throw new InvalidArgumentError("It must be 'name: value'.");
  return { ...before, [text.slice(0, colon).trim().toLowerCase()]: text.slice(colon + 1).trim() };
}
