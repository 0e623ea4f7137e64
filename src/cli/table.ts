/**
 * Tables for people: columns as wide as their widest cell, in any script, and figures with units.
 * Used by the commands that list things. Pure.
 */
import Table from 'cli-table3';
import { onOneLine } from './outcome.js';

const NO_LINES = Object.fromEntries(
  [
    ...['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left'],
    ...['bottom-right', 'left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid', 'middle'],
  ].map((place) => [place, place === 'middle' ? '  ' : '']),
);

/** Cells are texts of anyone's making; a column of figures stands to the right. */
export function tableText(
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): string {
  const table = new Table({
    chars: NO_LINES,
    colAligns: head.map((_, i) =>
      rows.length > 0 && rows.every((row) => typeof row[i] === 'number') ? 'right' : 'left',
    ),
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
  });
  const cells = [head, ...rows].map((row) => row.map((cell) => onOneLine(String(cell))));
  table.push(...cells);
  return linesText(table.toString().split('\n'));
}

/** Names and values, one pair a line; those without a value are left out. */
export function listText(pairs: readonly (readonly [string, string | number | null])[]): string {
  const shown = pairs.filter(([, value]) => value !== null);
  const width = Math.max(...shown.map(([name]) => name.length));
  return linesText(
    shown.map(([name, value]) => `${name.padEnd(width)}  ${onOneLine(String(value))}`),
  );
}

function linesText(lines: readonly string[]): string {
  return lines.map((line) => `${line.trimEnd()}\n`).join('');
}

const UNITS = ['KiB', 'MiB', 'GiB', 'TiB'] as const;

/** `512 B`, `1.5 KiB`, `20 MiB`: to be read, not to be given back. */
export function bytesText(bytes: number): string {
  let value = bytes;
  let unit = 'B';
  for (const next of UNITS) {
    if (value < 1023.5) break;
    value /= 1024;
    unit = next;
  }
  const digits = unit === 'B' || value >= 10 ? 0 : 1;
  return `${Number(value.toFixed(digits))} ${unit}`;
}

/** ISO 8601, in UTC. */
export function timeText(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
