/**
 * What can go wrong on the side of the client, and how an error reply becomes an error: the classes
 * of errors.ts, by status. Used by the whole client; docs/client.md lists the codes for users.
 */
import {
  BadRequestError,
  CallsFullError,
  CallTimeoutError,
  ClosedError,
  ConflictError,
  ForbiddenError,
  FramingError,
  LimitError,
  NoServiceError,
  NotFoundError,
  ServiceFailedError,
  StoppingError,
  StorageFailedError,
  StorageFullError,
  UnauthorizedError,
  ZbusError,
} from '../errors.js';
import { Header } from '../protocol/headers.js';
import type { Message } from '../protocol/message.js';

/** The status of errors that no reply brought. */
const NO_REPLY = 0;

/**
 * The connection ended before the answer came, or could not be made. Whether the request was
 * carried out is not known, unless `sent` says that nothing of it had left.
 */
export class ConnectionLostError extends ZbusError {
  readonly code = 'ZBUS_CONNECTION_LOST';
  readonly status = NO_REPLY;
  readonly sent: boolean;

  constructor(message: string, options: ErrorOptions & { sent?: boolean } = {}) {
    super(message, options);
    this.sent = options.sent ?? true;
  }
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
  [401, UnauthorizedError],
  [403, ForbiddenError],
  [404, NotFoundError],
  [429, LimitError],
  [500, StorageFailedError],
  [502, ServiceFailedError],
  [503, ClosedError],
  [504, CallTimeoutError],
  [507, StorageFullError],
] satisfies [number, new (message: string) => ZbusError][]);
/** Errors that share their status with another, by the code that the broker adds. */
const CLASSES_BY_CODE = new Map<string, new (message: string) => ZbusError>(
  [NoServiceError, CallsFullError, StoppingError].map((known) => [new known('').code, known]),
);
const STOPPING = new StoppingError().code;
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
  const known = CLASSES_BY_CODE.get(headers.get(Header.errorCode) ?? '') ?? CLASSES.get(status);
  return known === undefined ? new ReplyError(status, message) : new known(message);
}

/** True when the broker, and not a service, says that it takes no more requests. */
export function isStopping({ status, headers }: Message): boolean {
  if (status !== 503 || headers.has(Header.sender)) return false;
  const code = headers.get(Header.errorCode);
  return code === undefined || code === STOPPING;
}

/** True when it also says that it has not begun this one. */
export function isNotBegun(reply: Message): boolean {
  return isStopping(reply) && reply.headers.get(Header.errorCode) === STOPPING;
}

/** What was thrown, when it must be an Error. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
