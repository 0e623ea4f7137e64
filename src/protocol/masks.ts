/**
 * The bits of topic and group masks, one table for the whole family (docs/protocol.md, Masks).
 */
import { BadRequestError } from '../errors.js';

export const Mask = {
  memory: 1 << 0,
  rpc: 1 << 1,
  /** Kept and shown, without meaning here. */
  proxy: 1 << 2,
  pause: 1 << 3,
  exclusive: 1 << 4,
  deleteOnExit: 1 << 5,
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
