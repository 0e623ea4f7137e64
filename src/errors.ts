/**
 * Every way a request can fail, one class a cause, each with a stable code and the status it
 * becomes on the wire. Thrown by protocol, queue and broker; turned into a reply once, by the
 * broker.
 */

/** What all errors of the broker and of its client have in common, but RpcError. */
export abstract class ZbusError extends Error {
  /** Stable, documented in docs/protocol.md. */
  abstract readonly code: `ZBUS_${string}`;
  /** HTTP status of the reply this error becomes. */
  abstract readonly status: number;
  /** Name of the option whose limit was reached; null when none was. */
  readonly limit: string | null;
  /** What its reply says besides: `name: value\r\n`*. */
  readonly replyHeaderLines: string = '';

  constructor(message: string, options: ErrorOptions & { limit?: string } = {}) {
    super(message, options);
    this.name = new.target.name;
    this.limit = options.limit ?? null;
  }
}

export type FramingStatus = 400 | 408 | 413 | 414 | 417 | 431 | 501 | 505;

/** The bytes are not a message (RFC 9112), or exceed a limit; the connection cannot go on. */
export class FramingError extends ZbusError {
  readonly code = 'ZBUS_FRAMING';
  readonly status: FramingStatus;

  constructor(status: FramingStatus, message: string, limit?: string) {
    super(message, limit === undefined ? {} : { limit });
    this.status = status;
  }
}

/** A value breaks its rule; the message names the rule. */
export class BadRequestError extends ZbusError {
  readonly code = 'ZBUS_BAD_REQUEST';
  readonly status = 400;
}

/** A broker with tokens was sent none, or one that it does not know. */
export class UnauthorizedError extends ZbusError {
  readonly code = 'ZBUS_UNAUTHORIZED';
  readonly status = 401;
  override readonly replyHeaderLines = 'www-authenticate: Bearer realm="zbus"\r\n';
}

/** The topic, group or message is not there. */
export class NotFoundError extends ZbusError {
  readonly code = 'ZBUS_NOT_FOUND';
  readonly status = 404;
}

/**
 * The request is well formed but not allowed: beyond its token, or not now, such as a second
 * consumer of an exclusive group.
 */
export class ForbiddenError extends ZbusError {
  readonly code = 'ZBUS_FORBIDDEN';
  readonly status = 403;
}

/** The message is not in the hands of this consumer (any more): its ack, nack or renew is void. */
export class ConflictError extends ZbusError {
  readonly code = 'ZBUS_CONFLICT';
  readonly status = 409;
  /** Of the messages that it is about, as in `5,7-9`; '' when it is about none, or too many. */
  readonly offsets: string;
  override readonly replyHeaderLines: string;

  constructor(message: string, options: ErrorOptions & { offsets?: string } = {}) {
    super(message, options);
    this.offsets = options.offsets ?? '';
    this.replyHeaderLines = this.offsets === '' ? '' : `offsets: ${this.offsets}\r\n`;
  }
}

/**
 * No room: the disk is full or below `minFreeBytes`, or a memory topic reached its cap. Nothing was
 * stored.
 */
export class StorageFullError extends ZbusError {
  readonly code = 'ZBUS_STORAGE_FULL';
  readonly status = 507;
}

/**
 * The disk failed: the topic is read-only until the broker restarts. Nothing is known of what
 * waited.
 */
export class StorageFailedError extends ZbusError {
  readonly code = 'ZBUS_STORAGE_FAILED';
  readonly status = 500;
}

/** The queue, topic, broker or client is closed or being closed. */
export class ClosedError extends ZbusError {
  readonly code: 'ZBUS_CLOSED' | 'ZBUS_STOPPING' = 'ZBUS_CLOSED';
  readonly status = 503;
  override readonly replyHeaderLines: string = 'retry-after: 1\r\n';
}

/** The broker is being closed and has not begun the request, nor will it: another may be asked. */
export class StoppingError extends ClosedError {
  override readonly code = 'ZBUS_STOPPING';
  override readonly replyHeaderLines = 'error_code: ZBUS_STOPPING\r\nretry-after: 1\r\n';

  constructor(message = 'The broker is stopping') {
    super(message);
  }
}

/** A limit of the configuration was reached, such as the number of topics. */
export class LimitError extends ZbusError {
  readonly code = 'ZBUS_LIMIT';
  readonly status = 429;
}

/** No service consumes the topic, or came within `wait`: the call was never run. */
export class NoServiceError extends ZbusError {
  readonly code = 'ZBUS_NO_SERVICE';
  readonly status = 503;
  override readonly replyHeaderLines = 'error_code: ZBUS_NO_SERVICE\r\n';
}

/** The topic has as many unanswered calls, or as many bytes of them, as it may. */
export class CallsFullError extends ZbusError {
  readonly code = 'ZBUS_CALLS_FULL';
  readonly status = 503;
  override readonly replyHeaderLines = 'error_code: ZBUS_CALLS_FULL\r\n';
}

/** The service went away with the call in hand, or answered nonsense: it may have run it. */
export class ServiceFailedError extends ZbusError {
  readonly code = 'ZBUS_SERVICE_FAILED';
  readonly status = 502;
}

/** No answer within the call's `timeout`. */
export class CallTimeoutError extends ZbusError {
  readonly code = 'ZBUS_CALL_TIMEOUT';
  readonly status = 504;
}
