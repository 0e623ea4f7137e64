/**
 * The client for pages as the broker serves it: `GET /zbus.js`. Public code, so it is answered to
 * whoever may send requests at all, without a token. Asked by request-rules.ts.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import type { Message } from '../protocol/message.js';

interface Script {
  /** ASCII. */
  readonly text: string;
  readonly headerLines: string;
  readonly tag: string;
}

export interface ScriptAnswer {
  readonly status: 200 | 304;
  readonly headerLines: string;
  readonly body: string;
}

const URL_OF_SCRIPT = '/zbus.js';
/** Where the build puts it, seen from src as from dist. */
const FILE = new URL('../../dist/browser.js', import.meta.url);

/** Read when it is first asked for; null when it was not built. */
let script: Script | null | undefined;

/** null when the request asks for something else, a command with that URL too. */
export function scriptAnswer({ method, url, headers }: Message): ScriptAnswer | null {
  if (url !== URL_OF_SCRIPT || headers.has('cmd')) return null;
  if (method !== 'GET' && method !== 'HEAD') return null;
  if (script === undefined) script = readScript();
  if (script === null) return null;
  const { text, headerLines, tag } = script;
  const has = namesTag(headers.get('if-none-match') ?? '', tag);
  return has ? { status: 304, headerLines, body: '' } : { status: 200, headerLines, body: text };
}

function readScript(): Script | null {
  if (!existsSync(FILE)) return null;
  const text = readFileSync(FILE, 'latin1');
  const tag = `"${createHash('sha256').update(text, 'latin1').digest('base64url').slice(0, 22)}"`;
  const headerLines =
    'content-type: text/javascript; charset=utf-8\r\n' +
    // Asked for each time, so that a page gets the client of the broker that is there now.
    `cache-control: no-cache\r\netag: ${tag}\r\n`;
  return { text, headerLines, tag };
}

/** RFC 9110, 13.1.2: the weak comparison. */
function namesTag(ifNoneMatch: string, tag: string): boolean {
  return ifNoneMatch
    .split(',')
    .map((name) => name.trim().replace(/^W\//, ''))
    .some((name) => name === tag || name === '*');
}
