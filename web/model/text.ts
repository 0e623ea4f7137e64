/** Numbers, sizes and times as people read them, in the viewer's language and time zone. */

const whole = new Intl.NumberFormat();
const rounded = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });
const percent = new Intl.NumberFormat(undefined, { style: 'percent', maximumFractionDigits: 0 });
const time = new Intl.DateTimeFormat(undefined, { dateStyle: 'short', timeStyle: 'medium' });
const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

export function countText(count: number): string {
  return whole.format(count);
}

export function rateText(perSecond: number): string {
  return `${perSecond >= 100 ? whole.format(Math.round(perSecond)) : rounded.format(perSecond)}/s`;
}

export function bytesText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < BYTE_UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? whole.format(value) : rounded.format(value)} ${BYTE_UNITS[unit] ?? ''}`;
}

export function shareText(share: number): string {
  return percent.format(share);
}

export function timeText(atMs: number): string {
  return time.format(atMs);
}

/** To the millisecond, in UTC: for the title of what `timeText` shows. */
export function exactTime(atMs: number): string {
  return new Date(atMs).toISOString();
}

export function durationText(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 24
    ? `${hours} h ${minutes % 60} min`
    : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** As docs/protocol.md names the bits of a mask. */
export function maskNames(mask: number): string[] {
  const names = ['memory', 'rpc', 'proxy', 'paused', 'exclusive', 'delete on exit', 'acks'];
  return names.filter((_, bit) => (mask & (1 << bit)) !== 0);
}
