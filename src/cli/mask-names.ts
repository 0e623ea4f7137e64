/**
 * Masks as people write them: names between commas (docs/protocol.md, Masks). Used by the commands
 * about topics and groups. Pure.
 */
import { InvalidArgumentError } from 'commander';
import { nearest } from '../config/nearest.js';
import { Mask } from '../protocol/masks.js';

const TOPIC_BITS: ReadonlyMap<string, number> = new Map([
  ['memory', Mask.memory],
  ['rpc', Mask.rpc],
  ['proxy', Mask.proxy],
  ['pause', Mask.pause],
  ['ack_required', Mask.ackRequired],
]);
const GROUP_BITS: ReadonlyMap<string, number> = new Map([
  ['pause', Mask.pause],
  ['exclusive', Mask.exclusive],
  ['delete_on_exit', Mask.deleteOnExit],
  ['ack_required', Mask.ackRequired],
]);
const NAMES = new Map([...TOPIC_BITS, ...GROUP_BITS]);

export const TOPIC_MASKS = [...TOPIC_BITS.keys(), 'none'];
export const GROUP_MASKS = [...GROUP_BITS.keys(), 'none'];

export const parseTopicMask = parser(TOPIC_BITS);
export const parseGroupMask = parser(GROUP_BITS);

function parser(bits: ReadonlyMap<string, number>): (text: string) => number {
  return (text) => {
    if (text === 'none') return 0;
    return text.split(',').reduce((mask, each) => mask | bitOf(each.trim(), bits), 0);
  };
}

function bitOf(name: string, bits: ReadonlyMap<string, number>): number {
  const bit = bits.get(name.toLowerCase().replaceAll('-', '_'));
  if (bit !== undefined) return bit;
  const close = nearest(name, [...bits.keys()]);
  throw new InvalidArgumentError(
    `"${name}" is none of ${[...bits.keys()].join(', ')}; did you mean ${close}?`,
  );
}

/** `ack_required,pause`; `-` for none. */
export function maskText(mask: number): string {
  const names = [...NAMES].filter(([, bit]) => (mask & bit) !== 0).map(([name]) => name);
  return names.length === 0 ? '-' : names.join();
}
