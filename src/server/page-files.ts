/**
 * The monitor page as the build made it: `/` for browsers, and its script, style and icon. Public
 * code, so its files are answered to whoever may send requests at all, without a token; what they
 * show comes by commands. Asked by request-rules.ts and pages.ts.
 */
import { existsSync, readdirSync } from 'node:fs';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Message } from '../protocol/message.js';
import { answerFile, type FileAnswer, readStaticFile, type StaticFile } from './static-file.js';

const INDEX = '/index.html';
/** Where the build puts it, seen from src as from dist. */
const FOLDER = fileURLToPath(new URL('../../dist/web/', import.meta.url));
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};
/** Their names change with their content. */
const FOR_EVER = 'cache-control: public, max-age=31536000, immutable\r\n';
const ASK_AGAIN =
  'cache-control: no-cache\r\n' +
  "content-security-policy: default-src 'self'; object-src 'none'; base-uri 'none'; " +
  "form-action 'self'; frame-ancestors 'none'\r\n" +
  'referrer-policy: same-origin\r\n';

/** Read when one is first asked for; by URL. */
let files: ReadonlyMap<string, StaticFile> | null = null;

/** A file of the page; null when the request asks for something else, a command there too. */
export function pageFileAnswer({ method, url, headers }: Message): FileAnswer | null {
  if (headers.has('cmd') || (method !== 'GET' && method !== 'HEAD') || url === INDEX) return null;
  // Most requests are commands: no map is asked for what cannot be a file.
  if (!/^\/(?:js|css|img)\//.test(url)) return null;
  const file = readFiles().get(url);
  return file === undefined ? null : answerFile(file, headers);
}

/** The page, for those who take HTML; null for others, and where it was not built. */
export function pageAnswer({ headers }: Message): FileAnswer | null {
  if (!(headers.get('accept') ?? '').includes('text/html')) return null;
  const file = readFiles().get(INDEX);
  return file === undefined ? null : answerFile(file, headers);
}

function readFiles(): ReadonlyMap<string, StaticFile> {
  files ??= existsSync(FOLDER) ? filesIn(FOLDER) : new Map();
  return files;
}

function filesIn(folder: string): ReadonlyMap<string, StaticFile> {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  const urls = names
    .map((name) => name.replaceAll('\\', '/'))
    .filter((name) => extname(name) in TYPES);
  return new Map(urls.map((name) => [`/${name}`, readFile(folder, name)]));
}

function readFile(folder: string, name: string): StaticFile {
  const caching = `/${name}` === INDEX ? ASK_AGAIN : FOR_EVER;
  const type = `content-type: ${TYPES[extname(name)] ?? ''}\r\n`;
  const lines = `${type}${caching}vary: accept, accept-encoding\r\n`;
  return readStaticFile(join(folder, name), lines, true);
}
