/**
 * Numbers of bytes as people write them: `65536`, `64KiB`. Used by the options of the broker and by
 * those of commands, which start faster without the schemas of values.ts. Pure.
 */
export const KIB = 1024;
export const MIB = 1024 * KIB;
export const GIB = 1024 * MIB;

/** Reads well behind the name of what breaks it. */
export const SIZE_RULE = 'must be a whole number of bytes, or one followed by KiB, MiB or GiB';

const SIZE = /^(\d+)\s*(B|KiB|MiB|GiB)?$/i;
const UNITS = new Map([
  ['', 1],
  ['b', 1],
  ['kib', KIB],
  ['mib', MIB],
  ['gib', GIB],
]);

/** null for what is no size; not more exact than a number can be. */
export function parseSize(text: string): number | null {
  const [, digits, unit = ''] = SIZE.exec(text) ?? [];
  return digits === undefined ? null : Number(digits) * (UNITS.get(unit.toLowerCase()) ?? 1);
}

/** The shortest exact way to write a size: 65536 is `64KiB`. */
export function sizeText(bytes: number): string {
  if (bytes > 0 && bytes % GIB === 0) return `${bytes / GIB}GiB`;
  if (bytes > 0 && bytes % MIB === 0) return `${bytes / MIB}MiB`;
  if (bytes > 0 && bytes % KIB === 0) return `${bytes / KIB}KiB`;
  return `${bytes}`;
}
