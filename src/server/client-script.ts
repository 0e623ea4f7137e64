/**
 * The client for pages as the broker serves it: `GET /zbus.js`. Public code, so it is answered to
 * whoever may send requests at all, without a token. Asked by request-rules.ts.
 */
import { existsSync } from 'node:fs';
import type { Message } from '../protocol/message.js';
import { answerFile, type FileAnswer, readStaticFile, type StaticFile } from './static-file.js';

const URL_OF_SCRIPT = '/zbus.js';
/** Where the build puts it, seen from src as from dist. */
const FILE = new URL('../../dist/browser.js', import.meta.url);
const HEADER_LINES =
  'content-type: text/javascript; charset=utf-8\r\n' +
  // Asked for each time, so that a page gets the client of the broker that is there now.
  'cache-control: no-cache\r\n';

/** Read when it is first asked for; null when it was not built. */
let script: StaticFile | null | undefined;

/** null when the request asks for something else, a command with that URL too. */
export function scriptAnswer({ method, url, headers }: Message): FileAnswer | null {
  if (url !== URL_OF_SCRIPT || headers.has('cmd')) return null;
  if (method !== 'GET' && method !== 'HEAD') return null;
  script ??= existsSync(FILE) ? readStaticFile(FILE, HEADER_LINES, false) : null;
  return script === null ? null : answerFile(script, headers);
}
