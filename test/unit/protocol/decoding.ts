/**
 * Runs bytes through a Decoder, cut in any way, and says what came out. Shared by the tests of the
 * codec.
 */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { FramingError } from '../../../src/errors.js';
import { Decoder, type DecoderEvents, type DecoderLimits } from '../../../src/protocol/codec.js';
import type { Message } from '../../../src/protocol/message.js';

export interface Decoded {
  readonly messages: Message[];
  /** State in the end; the status when the bytes were refused. */
  readonly outcome: 'idle' | 'head' | 'body' | number;
  readonly reason: string;
  readonly continues: number;
}

/** For a decoder of which nothing must come. */
export const nothing: DecoderEvents = {
  onMessage: ({ url }) => assert.fail(`a message for ${url}`),
  onContinue: () => assert.fail('a 100 Continue'),
};

/** Decodes the chunks one by one. Throws whatever is not a FramingError. */
export function decodeChunks(
  chunks: Iterable<Buffer>,
  limits: DecoderLimits,
  kind: 'request' | 'reply' = 'request',
): Decoded {
  const messages: Message[] = [];
  let continues = 0;
  const events = {
    onMessage: (message: Message) => messages.push({ ...message, body: Buffer.from(message.body) }),
    onContinue: () => continues++,
  };
  const decoder = new Decoder(limits, events, kind);
  try {
    for (const chunk of chunks) decoder.push(chunk);
  } catch (error) {
    if (!(error instanceof FramingError)) throw error;
    return { messages, outcome: error.status, reason: error.message, continues };
  }
  return { messages, outcome: decoder.state, reason: '', continues };
}

export function decode(bytes: Buffer, limits: DecoderLimits): Decoded {
  return decodeChunks([bytes], limits);
}

/** Cuts at the given places, which may repeat and lie in any order. */
export function cutAt(bytes: Buffer, places: readonly number[]): Buffer[] {
  const sorted = [...places].sort((a, b) => a - b);
  const chunks: Buffer[] = [];
  let start = 0;
  for (const place of [...sorted, bytes.length]) {
    chunks.push(bytes.subarray(start, place));
    start = place;
  }
  return chunks;
}

export function cutEvery(bytes: Buffer, size: number): Buffer[] {
  return cutAt(
    bytes,
    Array.from({ length: Math.floor(bytes.length / size) }, (_, i) => (i + 1) * size),
  );
}
