/** Bodies: what an application gives, as bytes with their content type, and back. Pure. */
import { Buffer } from 'node:buffer';
import { BadRequestError } from '../errors.js';
import type { Bytes } from '../protocol/message.js';

/**
 * What can be sent: text, bytes, or any other value as JSON. Bytes are not copied: leave them as
 * they are until the call has ended.
 */
export type Body =
  string | ArrayBufferView | ArrayBuffer | object | number | boolean | null | undefined;

export interface EncodedBody {
  readonly bytes: Bytes;
  /** null when there is no body. */
  readonly contentType: string | null;
}

const NO_BODY: EncodedBody = { bytes: Buffer.alloc(0), contentType: null };

/** Throws BadRequestError for a value that JSON cannot hold. */
export function encodeBody(body: Body): EncodedBody {
  if (body === undefined) return NO_BODY;
  if (typeof body === 'string') {
    return { bytes: Buffer.from(body), contentType: 'text/plain; charset=utf-8' };
  }
  if (ArrayBuffer.isView(body) || body instanceof ArrayBuffer) {
    return { bytes: bytesOf(body), contentType: 'application/octet-stream' };
  }
  return { bytes: Buffer.from(jsonOf(body)), contentType: 'application/json' };
}

/** A view, not a copy. */
export function bytesOf(body: ArrayBufferView | ArrayBuffer): Bytes {
  if (body instanceof ArrayBuffer) return Buffer.from(body);
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength);
}

function jsonOf(value: unknown): string {
  let json: unknown;
  try {
    json = JSON.stringify(value);
  } catch (cause) {
    throw new BadRequestError(`The body cannot be sent as JSON: ${String(cause)}`, { cause });
  }
  // What JSON leaves out, such as a function, must not become an empty message.
  if (typeof json !== 'string') throw new BadRequestError('The body cannot be sent as JSON');
  if (json === '{}' && hidesItsContent(value as object)) {
    throw new BadRequestError(
      'The body cannot be sent as JSON: it would arrive as {}; give what it holds, such as ' +
        'await blob.arrayBuffer() or [...map]',
    );
  }
  return json;
}

/** Blob, Map, Promise, Error and the like: JSON sees nothing of them. */
function hidesItsContent(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  const isPlain = prototype === null || Object.getPrototypeOf(prototype) === null;
  return !isPlain && !('toJSON' in value);
}
