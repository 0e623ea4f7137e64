/**
 * Requests as the client sends them, and the rules for what an application may put into their
 * headers. Pure.
 */
import { Buffer } from 'node:buffer';
import { BadRequestError } from '../errors.js';
import { Header, isPassedOn } from '../protocol/headers.js';
import type { Bytes, Message } from '../protocol/message.js';
import { latin1Of } from '../protocol/names.js';

/** Headers as an application gives them: text of any script, by name without regard to case. */
export type HeaderValues = Readonly<Record<string, string | number>>;

/** A message that the client makes; headers may be added until it is sent. */
export interface Request extends Message {
  readonly headers: Map<string, string>;
}

const NO_BODY = Buffer.alloc(0);
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const CONTROL = /[\x00-\x08\x0a-\x1f\x7f]/;
const BLANK_ENDS = /^[\t ]|[\t ]$/;

/** A request with the command, the id, and what `headers` adds to them later. */
export function newRequest(
  cmd: string,
  id: string,
  headers = new Map<string, string>(),
  body: Bytes = NO_BODY,
): Request {
  headers.set(Header.cmd, cmd);
  headers.set(Header.id, id);
  return { method: 'POST', url: '/', status: 0, httpMinor: 1, headers, body };
}

/**
 * The value of a header that names something, which the broker decodes (docs/protocol.md,
 * Commands). Throws BadRequestError.
 */
export function namingValue(header: string, text: string): string {
  checkValue(header, text);
  const latin1 = latin1Of(text);
  return latin1.includes('%') ? latin1.replaceAll('%', '%25') : latin1;
}

/**
 * Adds the application's own headers. Throws BadRequestError for a name that is none or that zbus
 * sets itself, and for a value that would not arrive as it is.
 */
export function addOwnHeaders(headers: Map<string, string>, own: HeaderValues): void {
  for (const [given, value] of Object.entries(own)) {
    const name = given.toLowerCase();
    if (!TOKEN.test(name)) {
      throw new BadRequestError(`Bad header name "${given}": must be a token, such as x-shop`);
    }
    if (!isPassedOn(name)) {
      throw new BadRequestError(
        `Bad header "${given}": zbus sets or keeps it itself; give it as an option of the call, ` +
          'or take another name',
      );
    }
    if (headers.has(name)) throw new BadRequestError(`Header "${given}" is given twice`);
    const text = String(value);
    checkValue(given, text);
    headers.set(name, latin1Of(text));
  }
}

function checkValue(name: string, value: string): void {
  if (CONTROL.test(value)) {
    throw new BadRequestError(
      `Bad header "${name}": its value must not hold line ends and other control characters`,
    );
  }
  if (BLANK_ENDS.test(value)) {
    throw new BadRequestError(`Bad header "${name}": its value must not begin or end with blanks`);
  }
}

/** The JSON of an answer. Throws SyntaxError. */
export function readJson({ body }: Message): unknown {
  return JSON.parse(body.toString());
}

export function nothing(): void {
  // The status said it all.
}
