/**
 * The bits of topic and group masks, one table for the whole family (docs/protocol.md, Masks).
 */
import { BadRequestError } from '../errors.js';

/** To be added up, for topics and for groups: `Mask.pause + Mask.ackRequired`. */
export const Mask = {
  /** Of a topic: messages live in memory. */
  memory: 1 << 0,
  /** Of a topic: it carries calls, and stores no messages. */
  rpc: 1 << 1,
  /** Kept and shown, without meaning here. */
  proxy: 1 << 2,
  /** Nothing is delivered; produce goes on. */
  pause: 1 << 3,
  /** Of a group: one consuming connection at a time; others are refused. */
  exclusive: 1 << 4,
  /** Of a group: it is removed when its last consuming connection goes. */
  deleteOnExit: 1 << 5,
  /** Consumers must acknowledge; on a topic it holds for all its groups. */
  ackRequired: 1 << 6,
} as const;

const KNOWN_BITS = Object.values(Mask).reduce((all, bit) => all | bit, 0);

export function hasMask(mask: number, bit: number): boolean {
  return (mask & bit) !== 0;
}

/** The mask in the value of header `name`. Throws BadRequestError with the rule. */
export function parseMask(name: string, value: string): number {
  const mask = /^[0-9]{1,10}$/.test(value) ? Number(value) : NaN;
  if (mask <= KNOWN_BITS) return mask;
  throw new BadRequestError(
    `Bad ${name} "${value}": must be a sum of memory 1, rpc 2, proxy 4, pause 8, exclusive 16, ` +
      'delete_on_exit 32, ack_required 64',
  );
}
