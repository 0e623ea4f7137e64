/**
 * The fixed parts of a reply's head. Used for every reply by tcp-exchange.ts, so lines are made
 * once.
 */
import { statusText } from '../protocol/encode.js';

const STATUS_MAX = 999;
const statusLines: (string | undefined)[] = new Array<string | undefined>(STATUS_MAX + 1);

export const KEEP_ALIVE = 'connection: Keep-Alive\r\n';
export const CLOSE = 'connection: close\r\n';
export const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n';

/** Of text made by the broker, which may quote names of any script. */
export const TEXT = 'content-type: text/plain; charset=utf-8\r\n';
/**
 * Of a stored message: whatever type its producer gave it, a browser that opens it runs no script
 * with the rights of the broker's own pages.
 */
export const SANDBOX = 'content-security-policy: sandbox\r\n';
/** A client may try again after this many seconds. */
export const RETRY_AFTER = 'retry-after: 1\r\n';
const NOSNIFF = 'x-content-type-options: nosniff\r\n';

/** Lines of each reply to a request of plain HTTP: the date, and that its type is what it says. */
export class PlainLines {
  text = '';

  constructor() {
    this.renew();
  }

  /** To be called each second: formatting a date costs more than the rest of a head. */
  renew(): void {
    this.text = `date: ${new Date().toUTCString()}\r\n${NOSNIFF}`;
  }
}

/** `HTTP/1.1 STATUS TEXT\r\n`. */
export function statusLine(status: number): string {
  let line = statusLines[status];
  if (line === undefined) {
    line = `HTTP/1.1 ${status} ${statusText(status)}\r\n`;
    if (Number.isInteger(status) && status >= 0 && status <= STATUS_MAX) statusLines[status] = line;
  }
  return line;
}

/**
 * A whole reply of one line of ASCII, behind which the connection ends; `plainLines` is null on a
 * WebSocket.
 */
export function refusal(
  status: number,
  headerLines: string,
  reason: string,
  plainLines: string | null,
): string {
  const lines = plainLines === null ? headerLines : TEXT + plainLines + headerLines;
  return statusLine(status) + CLOSE + lines + lengthLine(reason.length) + reason;
}

/** RFC 9110, 8.6: a 204 names no length and has no body. */
export function isBodyless(status: number): boolean {
  return status === 204 || status === 304;
}

const LENGTHS_KEPT = 1024;
const lengthLines = Array.from({ length: LENGTHS_KEPT }, (_, bytes) => makeLengthLine(bytes));

function makeLengthLine(bytes: number): string {
  return `content-length: ${bytes}\r\n\r\n`;
}

/** The end of a head: length and blank line. */
export function lengthLine(bytes: number): string {
  return lengthLines[bytes] ?? makeLengthLine(bytes);
}
