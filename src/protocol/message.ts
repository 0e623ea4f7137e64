/**
 * A message: what travels in both directions, an HTTP/1.1 message whose headers carry the meaning.
 * Pure data; made by codec.ts, read by everyone above.
 *
 * Header names are lower-case. Header values and url are latin1 strings: one char code a byte, so
 * UTF-8 passes through unchanged; `textOf` (names.ts) decodes where text is meant.
 */

/**
 * `Buffer`, or `Uint8Array` in a program without the types of Node: one for pages needs none of
 * them to compile against those of the client.
 */
export type Bytes = typeof globalThis extends {
  Buffer: { isBuffer(value: unknown): value is infer Own extends Uint8Array };
}
  ? Own
  : Uint8Array;

export interface Message {
  /** Request method as sent; '' in a reply. */
  method: string;
  /** Request target as sent; '' in a reply. */
  url: string;
  /** Status of a reply; 0 in a request. */
  status: number;
  /** Minor version of HTTP/1.x. */
  httpMinor: 0 | 1;
  /** Messages with the same head may share one map: never write into it. */
  headers: ReadonlyMap<string, string>;
  /**
   * A view on the bytes received when the body lay in one chunk: copy it to keep it beyond the
   * turn.
   */
  body: Bytes;
}
