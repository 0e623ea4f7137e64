/**
 * What can go wrong on the side of the client, and how an error reply becomes an error: the classes
 * of errors.ts, by status. Used by the whole client; docs/client.md lists the codes for users.
 */
import {
  BadRequestError,
  ClosedError,
  ConflictError,
  ForbiddenError,
  FramingError,
  LimitError,
  NotFoundError,
  StorageFailedError,
  StorageFullError,
  ZbusError,
} from '../errors.js';
import { Header } from '../protocol/headers.js';
import type { Message } from '../protocol/message.js';

/** The status of errors that no reply brought. */
const NO_REPLY = 0;

/**
 * The connection ended before the answer came, or could not be made. Whether the request was
 * carried out is not known.
 */
export class ConnectionLostError extends ZbusError {
  readonly code = 'ZBUS_CONNECTION_LOST';
  readonly status = NO_REPLY;
}

/** No answer came in time. Whether the request was carried out is not known. */
export class TimeoutError extends ZbusError {
  readonly code = 'ZBUS_TIMEOUT';
  readonly status = NO_REPLY;
}

/** There is no connection, and as much waits for one as may wait. Nothing was sent. */
export class BufferFullError extends ZbusError {
  readonly code = 'ZBUS_BUFFER_FULL';
  readonly status = NO_REPLY;
}

/** The broker answered with a status that has no class of its own. */
export class ReplyError extends ZbusError {
  readonly code = 'ZBUS_REPLY';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const CLASSES = new Map<number, new (message: string) => ZbusError>([
  [400, BadRequestError],
  [403, ForbiddenError],
  [404, NotFoundError],
  [429, LimitError],
  [500, StorageFailedError],
  [503, ClosedError],
  [507, StorageFullError],
] satisfies [number, new (message: string) => ZbusError][]);
const FRAMING = [408, 413, 417, 431, 501, 505] as const;

/** The error that an error reply tells of. */
export function errorOf({ status, headers, body }: Message): ZbusError {
  const text = body.toString().trim();
  const message = text === '' ? `The broker answered ${status}` : text;
  const framing = FRAMING.find((known) => known === status);
  if (framing !== undefined) return new FramingError(framing, message);
  if (status === 409) {
    return new ConflictError(message, { offsets: headers.get(Header.offsets) ?? '' });
  }
  const known = CLASSES.get(status);
  return known === undefined ? new ReplyError(status, message) : new known(message);
}

/** What was thrown, when it must be an Error. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
