/**
 * What a service answers instead of a result. Thrown to the caller by RpcInvoker; thrown by a
 * service that wants to choose code and status itself.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec';

/** One thing that a schema found wrong with the parameters. */
export interface RpcIssue {
  readonly message: string;
  /** From the list of parameters down to the place: `[0, 'name']`. */
  readonly path: readonly (string | number)[];
}

/** What an RpcError says besides its message. */
export interface RpcErrorOptions extends ErrorOptions {
  /** Default `ZBUS_RPC`. */
  readonly code?: string;
  /** 400 to 599; default 500. */
  readonly status?: number;
  readonly issues?: readonly RpcIssue[];
  /** For errors that were received: what stood in `error`, as it came. */
  readonly detail?: unknown;
}

/**
 * The service says that the call failed. It ran, unless RpcErrorCode says otherwise of the code.
 * Thrown by a method, it chooses code and status of the answer.
 */
export class RpcError extends Error {
  override readonly name = 'RpcError';
  /** That of the error that the method threw, if it was a text; else one of RpcErrorCode. */
  readonly code: string;
  /** The status of the answer. */
  readonly status: number;
  /** What was wrong with the parameters, when that was it. */
  readonly issues: readonly RpcIssue[];
  /** What stood in `error` of the answer, as it came, where it is not of this library's form. */
  readonly detail: unknown;

  constructor(message: string, options: RpcErrorOptions = {}) {
    super(message, options);
    this.code = options.code ?? RpcErrorCode.failed;
    this.status = options.status ?? 500;
    this.issues = options.issues ?? [];
    this.detail = options.detail;
  }
}

/** Codes that the library gives. Nothing ran where it is not said. */
export const RpcErrorCode = {
  /** 500: the method threw an error without a code. It has run. */
  failed: 'ZBUS_RPC',
  /** 400: the body is not `{"method", "params", "module"}`. */
  badCall: 'ZBUS_RPC_BAD_CALL',
  /** 400: the schema of the method refuses the parameters; see `issues`. */
  badParams: 'ZBUS_RPC_BAD_PARAMS',
  /** 404: the service has no such method, or no such module. */
  noMethod: 'ZBUS_RPC_NO_METHOD',
  /** 503: the service closes, and has not answered in time. It may have run. */
  closing: 'ZBUS_RPC_CLOSING',
  /** 500: the result is nothing that can be sent. It has run. */
  badResult: 'ZBUS_RPC_BAD_RESULT',
  /** The answer follows no convention: take `RpcInvoker.request`. It has run. */
  badAnswer: 'ZBUS_RPC_BAD_ANSWER',
} as const;

export function badParams(method: string, issues: readonly StandardSchemaV1.Issue[]): RpcError {
  const listed = issues.map(({ message, path = [] }) => ({ message, path: path.map(stepOf) }));
  const texts = listed.map(({ message, path }) => `params[${path.join('.')}]: ${message}`);
  return new RpcError(`Bad parameters of ${method}: ${texts.join('; ')}`, {
    code: RpcErrorCode.badParams,
    status: 400,
    issues: listed,
  });
}

function stepOf(segment: PropertyKey | StandardSchemaV1.PathSegment): string | number {
  const key = typeof segment === 'object' ? segment.key : segment;
  return typeof key === 'number' ? key : String(key);
}
