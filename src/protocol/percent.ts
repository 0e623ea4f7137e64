/**
 * Percent-encoding (RFC 3986, 2.1) over latin1 strings whose char codes are bytes. Used by url.ts
 * and names.ts.
 */
import { BadRequestError } from '../errors.js';

/**
 * Decodes every %XX; '+' stays '+'. Throws BadRequestError when a % has no two hex digits behind
 * it.
 */
export function decodePercent(value: string): string {
  if (!value.includes('%')) return value;
  return value.replace(/%([0-9A-Fa-f]{2})?/g, (_, hex: string | undefined) => {
    if (hex === undefined) {
      throw new BadRequestError('Bad percent-encoding: % must be followed by two hex digits');
    }
    return String.fromCharCode(parseInt(hex, 16));
  });
}
