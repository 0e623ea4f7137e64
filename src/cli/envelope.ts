/**
 * Messages as JSON, one object a line: the same that the broker's own streams hold
 * (docs/protocol.md, Streams), so that one program reads both. Used by consume and tail, and by
 * produce, which takes them back. Pure.
 */
import { Buffer, isUtf8 } from 'node:buffer';
import type { StoredMessage } from '../client/stored-message.js';
import { Header, isPassedOn } from '../protocol/headers.js';
import { CommandError } from './outcome.js';

/** What the broker adds to the producer's own headers. */
const ADDED = [
  Header.originUrl,
  Header.originMethod,
  Header.host,
  Header.originTopic,
  Header.originGroup,
  Header.originOffset,
  Header.deadAttempts,
  Header.deadReason,
] as const;

/** A line, its end included. */
export function envelopeLine(message: StoredMessage): string {
  const added = ADDED.flatMap((name) => {
    const value = message.header(name);
    return value === undefined ? [] : [[name, value] as const];
  });
  const retry = message.header(Header.retry);
  const body = Buffer.from(
    message.bytes.buffer,
    message.bytes.byteOffset,
    message.bytes.byteLength,
  );
  return `${JSON.stringify({
    offset: message.offset,
    timestamp: message.timestampMs,
    group: message.header(Header.consumeGroup),
    id: message.id,
    retry: retry === undefined ? undefined : Number(retry),
    topic: message.topic,
    tag: message.header(Header.tag),
    sender: message.sender,
    headers: { ...Object.fromEntries(added), ...message.headers },
    ...(isUtf8(body) ? { body: body.toString() } : { bodyBase64: body.toString('base64') }),
  })}\n`;
}

export interface Enveloped {
  readonly body: Buffer;
  readonly id?: string;
  readonly tag?: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** What is to be sent of such a line; what the broker adds is left out. Throws CommandError. */
export function readEnvelope(line: Buffer, lineNumber: number): Enveloped {
  const refuse = (rule: string): never => {
    throw new CommandError(`line ${lineNumber} ${rule}`);
  };
  let json: unknown;
  try {
    json = JSON.parse(line.toString());
  } catch {
    return refuse('is not JSON');
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    return refuse('must be a JSON object');
  }
  const { body, bodyBase64, id, tag, headers = {} } = json as Record<string, unknown>;
  for (const [name, value] of Object.entries({ id, tag, body, bodyBase64 })) {
    if (value !== undefined && typeof value !== 'string') refuse(`: ${name} must be a text`);
  }
  if ((body === undefined) === (bodyBase64 === undefined)) {
    refuse('must have body or bodyBase64, as zbus consume --json prints it');
  }
  if (typeof headers !== 'object' || headers === null) refuse(': headers must be an object');
  const own = Object.entries(headers as Record<string, unknown>)
    .filter(([name]) => isPassedOn(name.toLowerCase()))
    .map(([name, value]) => [name.toLowerCase(), String(value)] as const);
  return {
    body:
      typeof body === 'string' ? Buffer.from(body) : Buffer.from(bodyBase64 as string, 'base64'),
    ...(typeof id === 'string' ? { id } : {}),
    ...(typeof tag === 'string' ? { tag } : {}),
    headers: Object.fromEntries(own),
  };
}
