/**
 * The command browse: messages as they lie in the log, from an offset or a time, forwards or
 * backwards, by tag and by text. Consumes nothing. Promises that a request ends within its bounds
 * and says where to go on, and that it takes a small share of the event loop.
 */
import { Buffer, isUtf8 } from 'node:buffer';
import { setTimeout as pause } from 'node:timers/promises';
import type { Call } from '../broker/call.js';
import type { Topic } from '../broker/topic.js';
import { BadRequestError } from '../errors.js';
import { Header } from '../protocol/headers.js';
import { decodeValue, textOf } from '../protocol/names.js';
import { findTime, readBatch } from '../queue/awaited.js';
import type { RecordBatch } from '../queue/queue.js';
import type { Browsed, BrowsedMessage } from './shapes.js';

interface Search {
  readonly topic: Topic;
  readonly filter: string | null;
  readonly text: Buffer | null;
  readonly ignoreCase: boolean;
  readonly limit: number;
  readonly bodyBytes: number;
  readonly found: BrowsedMessage[];
  /** False when whoever asked has gone. */
  readonly wanted: () => boolean;
  readonly endsAtMs: number;
  scannedCount: number;
  scannedBytes: number;
}

const LIMIT_DEFAULT = 50;
const LIMIT_MAX = 500;
const BODY_BYTES_DEFAULT = 1024;
const BODY_BYTES_MAX = 1024 * 1024;
/** Of all bodies of an answer together. */
const ANSWER_BYTES_MAX = 8 * 1024 * 1024;
const TEXT_BYTES_MAX = 1024;

const READ_BYTES = 256 * 1024;
/** Looked at in one step backwards: so many messages, fewer where they are large. */
const STEP_BACK = 1000;
const STEP_BACK_BYTES = 4 * 1024 * 1024;
const SCAN_BYTES_MAX = 64 * 1024 * 1024;
const SCAN_MS_MAX = 2000;
/** Rest for each millisecond of work. */
const REST_FACTOR = 19;
const HEAD_END = '\r\n\r\n';

export async function browse(call: Call, topic: Topic): Promise<void> {
  const search = readSearch(call, topic);
  const backward = isBackward(call);
  const from = await startOf(call, topic, backward);
  const continueAt = backward ? await searchBack(search, from) : await searchOn(search, from);
  const { firstOffset, readableEnd } = topic.queue;
  const answer: Browsed = {
    firstOffset,
    nextOffset: readableEnd,
    messages: search.found,
    continueAt,
    scannedCount: search.scannedCount,
  };
  call.json(answer);
}

function readSearch(call: Call, topic: Topic): Search {
  const value = call.command.encoded(Header.text);
  const ignoreCase = call.flag(Header.ignoreCase);
  const wanted = value === undefined || value === '' ? null : decodeValue(value);
  const text = wanted === null ? null : Buffer.from(ignoreCase ? lowered(wanted) : wanted);
  if (text !== null && text.length > TEXT_BYTES_MAX) {
    throw new BadRequestError(`Bad text: must have at most ${TEXT_BYTES_MAX} bytes`);
  }
  const filter = call.filter() ?? '';
  return {
    topic,
    filter: filter === '' ? null : filter,
    text,
    ignoreCase,
    limit: numberUpTo(call, Header.limit, 1, LIMIT_MAX) ?? LIMIT_DEFAULT,
    bodyBytes: numberUpTo(call, Header.bodyBytes, 0, BODY_BYTES_MAX) ?? BODY_BYTES_DEFAULT,
    found: [],
    wanted: () => call.exchange.alive && !call.exchange.session.ended,
    endsAtMs: performance.now() + SCAN_MS_MAX,
    scannedCount: 0,
    scannedBytes: 0,
  };
}

function numberUpTo(call: Call, name: string, min: number, max: number): number | undefined {
  const number = call.number(name);
  if (number === undefined || (number >= min && number <= max)) return number;
  throw new BadRequestError(`Bad ${name} ${number}: must be from ${min} to ${max}`);
}

function isBackward(call: Call): boolean {
  const direction = call.get(Header.direction) ?? 'forward';
  if (direction === 'forward' || direction === 'backward') return direction === 'backward';
  throw new BadRequestError(`Bad direction "${direction}": must be forward or backward`);
}

async function startOf(call: Call, { queue }: Topic, backward: boolean): Promise<number> {
  const offset = call.number(Header.offset);
  const timeMs = call.number(Header.time);
  if (offset === undefined && timeMs !== undefined) return findTime(queue, timeMs);
  return offset ?? (backward ? queue.readableEnd - 1 : queue.firstOffset);
}

/** Returns where to go on; null at the end of the log. */
async function searchOn(search: Search, from: number): Promise<number | null> {
  const { queue } = search.topic;
  const start = Math.max(from, queue.firstOffset);
  const end = queue.readableEnd;
  const next = await readBetween(search, start, end, () => isOver(search));
  return next >= end ? null : next;
}

/** Looks through steps before `from`, each forwards, and keeps the last of what they hold. */
async function searchBack(search: Search, from: number): Promise<number | null> {
  const { queue } = search.topic;
  const plain = search.filter === null && search.text === null;
  const stepBack = stepOf(search.topic);
  let end = Math.min(from + 1, queue.readableEnd);
  while (end > queue.firstOffset && !isOver(search)) {
    const left = search.limit - search.found.length;
    const start = Math.max(queue.firstOffset, end - (plain ? left : stepBack));
    const step = { ...search, found: [] as BrowsedMessage[] };
    await readBetween(step, start, end, () => !search.wanted());
    search.scannedCount = step.scannedCount;
    search.scannedBytes = step.scannedBytes;
    const newest = step.found.reverse();
    search.found.push(...newest.slice(0, left));
    const last = newest[left - 1];
    end = newest.length > left && last !== undefined ? last.offset : start;
  }
  return end > queue.firstOffset ? end - 1 : null;
}

function stepOf({ queue }: Topic): number {
  const { firstOffset, nextOffset, storedBytes } = queue.state();
  const meanBytes = storedBytes / Math.max(1, nextOffset - firstOffset);
  return Math.max(1, Math.min(STEP_BACK, Math.floor(STEP_BACK_BYTES / Math.max(1, meanBytes))));
}

function isOver(search: Search): boolean {
  return (
    search.found.length >= search.limit ||
    search.scannedBytes >= SCAN_BYTES_MAX ||
    performance.now() >= search.endsAtMs ||
    !search.wanted()
  );
}

/** Looks at messages of [start, end); returns the first it has not looked at. */
async function readBetween(
  search: Search,
  start: number,
  end: number,
  over: () => boolean,
): Promise<number> {
  const reader = search.topic.queue.openReader(start, search.filter, null);
  let next = start;
  try {
    while (next < end && !over()) {
      const batch = await readBatch(reader, READ_BYTES);
      const beganMs = performance.now();
      next = look(search, batch, end, over);
      const workedMs = performance.now() - beganMs;
      if (next < end && !over()) await pause(Math.max(1, workedMs * REST_FACTOR));
    }
  } finally {
    reader.close();
  }
  return next;
}

function look(search: Search, batch: RecordBatch, end: number, over: () => boolean): number {
  const hits = hitsOf(search, batch);
  for (let i = 0; i < batch.count; i++) {
    const offset = batch.offset(i);
    if (offset >= end || over()) return Math.min(offset, end);
    search.scannedCount++;
    search.scannedBytes += batch.wireEnd(i) - batch.wireStart(i);
    if (hits(i)) search.found.push(messageOf(batch, i, room(search)));
  }
  return Math.min(batch.nextOffset, end);
}

/** Bytes of the next body that are returned. */
function room({ found, bodyBytes }: Search): number {
  const taken = found.length * bodyBytes;
  return taken + bodyBytes <= ANSWER_BYTES_MAX
    ? bodyBytes
    : Math.min(bodyBytes, BODY_BYTES_DEFAULT);
}

/** Whether record `i` holds the text; the batch is searched as a whole, from hit to hit. */
function hitsOf({ text, ignoreCase }: Search, batch: RecordBatch): (i: number) => boolean {
  if (text === null) return () => true;
  const bytes = ignoreCase ? loweredBytes(batch.bytes) : batch.bytes;
  let hit = -1;
  let searched = false;
  return (i) => {
    const [start, end] = [batch.wireStart(i), batch.wireEnd(i)];
    if (!searched || (hit >= 0 && hit < start)) hit = bytes.indexOf(text, start);
    searched = true;
    return hit >= start && hit + text.length <= end;
  };
}

/** ASCII letters alone: other bytes may be parts of characters. */
function lowered(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

function loweredBytes(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  for (let i = 0; i < copy.length; i++) {
    const byte = copy[i] ?? 0;
    if (byte >= 0x41 && byte <= 0x5a) copy[i] = byte + 0x20;
  }
  return copy;
}

function messageOf(batch: RecordBatch, i: number, bodyBytesMax: number): BrowsedMessage {
  const [start, end] = [batch.wireStart(i), batch.wireEnd(i)];
  const blank = batch.bytes.indexOf(HEAD_END, start, 'latin1');
  const bodyStart = blank + HEAD_END.length;
  const body = batch.bytes.subarray(bodyStart, Math.min(end, bodyStart + bodyBytesMax));
  const truncated = end - bodyStart > body.length;
  const whole = truncated ? wholeCharacters(body) : body;
  const utf8 = isUtf8(whole);
  return {
    offset: batch.offset(i),
    storedAtMs: batch.timestampMs(i),
    id: textOf(batch.id(i)),
    tag: textOf(batch.tag(i)),
    headers: headersOf(batch.bytes.toString('utf8', start, blank)),
    bodyBytes: end - bodyStart,
    body: utf8 ? whole.toString() : body.toString('base64'),
    encoding: utf8 ? 'utf8' : 'base64',
    truncated,
  };
}

/** Without the beginning of a character that the end cuts. */
function wholeCharacters(bytes: Buffer): Buffer {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80) break;
    if (byte >= 0xc0) return bytes.subarray(0, bytes.length - back);
  }
  return bytes;
}

function headersOf(head: string): Record<string, string> {
  const headers: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const line of head.split('\r\n')) {
    const colon = line.indexOf(': ');
    if (colon > 0) headers[line.slice(0, colon)] = line.slice(colon + 2);
  }
  return headers;
}
