/**
 * Recorded exchanges with the servers before this one (test/data/transcripts-*.jsonl), and the
 * comparison of what this broker answers with what they did. Values that vary from run to run are
 * compared by their form.
 */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { type Reply, parseReplies } from './reply-parser.js';

export interface TranscriptRow {
  readonly name: string;
  /** Bytes as latin1; null when the row only listens. */
  readonly send: string | null;
  readonly replies: readonly Reply[];
}

/** How an answer may differ from the recorded one. */
export interface Differences {
  /** Headers that were sent and are not any more. */
  readonly headersGone: ReadonlySet<string>;
  /** Headers that are new. */
  readonly headersNew: ReadonlySet<string>;
  /** Keys of JSON objects whose values are not compared, only their type. */
  readonly keysVarying: ReadonlySet<string>;
  /** Keys of JSON objects that are new. */
  readonly keysNew: ReadonlySet<string>;
}

export function readTranscript(file: string): TranscriptRow[] {
  const path = new URL(`../data/${file}`, import.meta.url);
  const lines = readFileSync(path, 'utf8').trim().split('\n');
  return lines.map((line) => {
    const row = JSON.parse(line) as { name: string; send: string | null; receive: string };
    return { name: row.name, send: row.send, replies: repliesOf(row.receive) };
  });
}

/** The recorder kept the first 4 KiB of a long reply: its body then ends early. */
function repliesOf(receive: string): Reply[] {
  if (receive === '') return [];
  const bytes = Buffer.from(receive, 'latin1');
  const replies = parseReplies(bytes);
  if (replies.length > 0) return replies;
  const head = receive.slice(0, receive.indexOf('\r\n\r\n'));
  return parseReplies(
    Buffer.from(`${head.replace(/content-length: \d+/, 'content-length: 0')}\r\n\r\n`, 'latin1'),
  );
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const TIME_MS = /^\d{13}$/;
const ADDRESS = /^(\[[0-9a-f:]+\]|[\w.]+):\d+$/;
/** The forms that stand for values that vary. */
const FORMS = [UUID, TIME_MS, ADDRESS];

/** True for an id that the server made, since the request had none; '' for none at all. */
export function isMadeUp(id: string): boolean {
  return id === '' || UUID.test(id);
}

/** Asserts that `actual` is the recorded reply but for what may differ. */
export function compareReply(actual: Reply, recorded: Reply, differences: Differences): void {
  assert.equal(actual.status, recorded.status, `status; body: ${actual.body.toString()}`);
  compareHeaders(actual, recorded, differences);
  if (actual.headers.get('content-type') === 'application/json') {
    const actualJson: unknown = JSON.parse(actual.body.toString());
    compareJson(actualJson, JSON.parse(recorded.body.toString()), differences, 'body');
  } else {
    compareText(actual.body.toString('latin1'), recorded.body.toString('latin1'), 'body');
  }
}

function compareHeaders(actual: Reply, recorded: Reply, differences: Differences): void {
  const names = [...actual.headers.keys()].filter((name) => !differences.headersNew.has(name));
  const recordedNames = [...recorded.headers.keys()].filter(
    (name) => !differences.headersGone.has(name) && !differences.headersNew.has(name),
  );
  assert.deepEqual(names.sort(), recordedNames.sort(), 'header names');
  for (const name of names) {
    if (name === 'content-length') continue;
    compareText(actual.headers.get(name) ?? '', recorded.headers.get(name) ?? '', name);
  }
}

/** Equal, or both of the same form that varies. */
export function compareText(actual: string, recorded: string, where: string): void {
  if (actual === recorded) return;
  const form = FORMS.find((one) => one.test(recorded));
  if (form !== undefined) assert.match(actual, form, where);
  else assert.equal(actual, recorded, where);
}

function compareJson(
  actual: unknown,
  recorded: unknown,
  differences: Differences,
  where: string,
): void {
  assert.equal(typeName(actual), typeName(recorded), `type of ${where}`);
  if (Array.isArray(actual) && Array.isArray(recorded)) {
    assert.equal(actual.length, recorded.length, `length of ${where}`);
    for (const [i, value] of actual.entries()) {
      compareJson(value, recorded[i], differences, `${where}[${i}]`);
    }
  } else if (isObject(actual) && isObject(recorded)) {
    const keys = Object.keys(actual).filter(
      (key) => key in recorded || !differences.keysNew.has(key),
    );
    assert.deepEqual(keys.sort(), Object.keys(recorded).sort(), `keys of ${where}`);
    for (const key of keys) {
      if (differences.keysVarying.has(key)) continue;
      compareJson(actual[key], recorded[key], differences, `${where}.${key}`);
    }
  } else if (typeof actual === 'number') {
    compareText(String(actual), String(recorded), where);
  } else {
    assert.equal(
      String(actual).replace(ADDRESS, 'address'),
      String(recorded).replace(ADDRESS, 'address'),
      where,
    );
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function typeName(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}
