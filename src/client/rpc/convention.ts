/**
 * How calls and their answers look in JSON: `{"method", "params", "module"}`, `{"result"}`,
 * `{"error": {"code", "message"}}` (docs/client.md, RPC). Pure; used by both sides.
 */
import { Buffer } from 'node:buffer';
import { BadRequestError } from '../../errors.js';
import { bytesOf } from '../body.js';
import type { RpcAnswer } from './rpc-answer.js';
import { RpcError, RpcErrorCode, type RpcIssue } from './rpc-error.js';

export const JSON_TYPE = 'application/json';
export const BYTES_TYPE = 'application/octet-stream';

export interface RpcCallBody {
  readonly method: string;
  readonly params: readonly unknown[];
  readonly module: string;
}

export interface EncodedResult {
  readonly bytes: Buffer;
  readonly contentType: string;
}

/** Throws BadRequestError for parameters that JSON cannot hold. */
export function encodeCall(method: string, params: readonly unknown[], module: string): Buffer {
  const place = params.findIndex(isBytes);
  if (place >= 0) {
    throw new BadRequestError(
      `Bad parameter ${place} of ${method}: bytes do not travel in JSON; encode them as text, or ` +
        'send the body itself with RpcInvoker.request',
    );
  }
  try {
    return Buffer.from(JSON.stringify({ method, params, module }));
  } catch (cause) {
    throw new BadRequestError(`The parameters of ${method} cannot be sent: ${String(cause)}`, {
      cause,
    });
  }
}

/** Throws RpcError. */
export function decodeCall(text: string): RpcCallBody {
  const call = asObject(parsed(text));
  const { method, params = null, module = null } = call ?? {};
  if (
    typeof method !== 'string' ||
    !(params === null || Array.isArray(params)) ||
    !(module === null || typeof module === 'string')
  ) {
    throw new RpcError('Bad call: the body must be {"method": "…", "params": […], "module": "…"}', {
      code: RpcErrorCode.badCall,
      status: 400,
    });
  }
  return { method, params: (params ?? []) as readonly unknown[], module: module ?? '' };
}

/** Bytes as they are, anything else as `{"result"}`; undefined is null. Throws RpcError. */
export function encodeResult(method: string, result: unknown): EncodedResult {
  if (result instanceof Uint8Array || result instanceof ArrayBuffer) {
    return { bytes: bytesOf(result), contentType: BYTES_TYPE };
  }
  let json: unknown;
  let reason = `a ${typeof result}`;
  try {
    json = isBytes(result) ? undefined : JSON.stringify(result ?? null);
  } catch (error) {
    reason = String(error);
  }
  if (typeof json !== 'string') {
    throw new RpcError(`The result of ${method} cannot be sent: ${reason}`, {
      code: RpcErrorCode.badResult,
    });
  }
  return { bytes: Buffer.from(`{"result":${json}}`), contentType: JSON_TYPE };
}

/** What the caller is told of an error; never its stack. */
export function encodeError({ code, message, issues }: RpcError): EncodedResult {
  const error = issues.length === 0 ? { code, message } : { code, message, issues };
  return { bytes: Buffer.from(JSON.stringify({ error })), contentType: JSON_TYPE };
}

/** What was thrown, as the error that the caller gets. */
export function errorToAnswer(thrown: unknown): RpcError {
  if (typeof thrown === 'string') return new RpcError(thrown);
  if (!(thrown instanceof Error)) return new RpcError('The method threw what is no error');
  const { message, code, status } = thrown as {
    message: unknown;
    code?: unknown;
    status?: unknown;
  };
  return new RpcError(typeof message === 'string' ? message : '', {
    ...(typeof code === 'string' ? { code } : {}),
    // Errors of other libraries have a status, too: of what went wrong between them and others.
    ...(thrown instanceof RpcError && isErrorStatus(status) ? { status } : {}),
    ...(thrown instanceof RpcError ? { issues: thrown.issues } : {}),
  });
}

function isErrorStatus(status: unknown): status is number {
  return Number.isInteger(status) && Number(status) >= 400 && Number(status) <= 599;
}

/** The result in an answer. Throws RpcError when it is none. */
export function decodeAnswer(answer: RpcAnswer): unknown {
  const { status, contentType } = answer;
  // A copy: an application may hand a result on, and with a view it would hand on its neighbours.
  if (status < 400 && contentType === BYTES_TYPE) return new Uint8Array(answer.bytes);
  const body = asObject(parsed(answer.text()));
  const detail = body?.error ?? null;
  if (status >= 400 || detail !== null) throw receivedError(answer, detail);
  if (body === null) {
    throw new RpcError(
      `The answer is neither {"result": …} nor {"error": …}, its content type is ` +
        `"${contentType}": take request() for such services`,
      { code: RpcErrorCode.badAnswer, status },
    );
  }
  // Some clients of the family leave a null out.
  return body.result ?? null;
}

function receivedError(answer: RpcAnswer, detail: unknown): RpcError {
  const { status } = answer;
  const { code, message, issues } = asObject(detail) ?? { message: detail };
  const text = typeof message === 'string' ? message : answer.text().trim();
  return new RpcError(text === '' ? `The service answered ${status}` : text, {
    ...(typeof code === 'string' ? { code } : {}),
    ...(Array.isArray(issues) ? { issues: issues as RpcIssue[] } : {}),
    status,
    detail,
  });
}

function isBytes(value: unknown): boolean {
  return value instanceof ArrayBuffer || ArrayBuffer.isView(value);
}

/** undefined for what is no JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function asObject(value: unknown): Readonly<Record<string, unknown>> | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  return value as Readonly<Record<string, unknown>>;
}
