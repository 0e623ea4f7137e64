/**
 * A file that the build made, as the broker serves it: read once, answered 304 to whoever has it.
 * Used by client-script.ts and page-files.ts.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import type { Message } from '../protocol/message.js';

/** Bytes as latin1. */
export interface StaticFile {
  readonly text: string;
  /** null: sent as it is. */
  readonly gzipped: string | null;
  readonly headerLines: string;
  readonly tag: string;
}

export interface FileAnswer {
  readonly status: 200 | 304;
  readonly headerLines: string;
  readonly body: string;
}

/** `headerLines` are its type and how it may be kept. */
export function readStaticFile(file: string | URL, headerLines: string, zip: boolean): StaticFile {
  const bytes = readFileSync(file);
  const tag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`;
  return {
    text: bytes.toString('latin1'),
    gzipped: zip ? gzipSync(bytes, { level: 9 }).toString('latin1') : null,
    headerLines,
    tag,
  };
}

export function answerFile(file: StaticFile, headers: Message['headers']): FileAnswer {
  const { text, gzipped } = file;
  const zipped = gzipped !== null && takesGzip(headers.get('accept-encoding') ?? '');
  // Other bytes are another representation (RFC 9110, 8.8.3).
  const tag = zipped ? file.tag.replace(/"$/, '-gzip"') : file.tag;
  const headerLines = `${file.headerLines}etag: ${tag}\r\n`;
  if (namesTag(headers.get('if-none-match') ?? '', tag)) {
    return { status: 304, headerLines, body: '' };
  }
  if (!zipped) return { status: 200, headerLines, body: text };
  return { status: 200, headerLines: `${headerLines}content-encoding: gzip\r\n`, body: gzipped };
}

function takesGzip(acceptEncoding: string): boolean {
  return /\bgzip\b(?!\s*;\s*q=0(?:\.0*)?(?:,|$))/.test(acceptEncoding);
}

/** RFC 9110, 13.1.2: the weak comparison. */
function namesTag(ifNoneMatch: string, tag: string): boolean {
  return ifNoneMatch
    .split(',')
    .map((name) => name.trim().replace(/^W\//, ''))
    .some((name) => name === tag || name === '*');
}
