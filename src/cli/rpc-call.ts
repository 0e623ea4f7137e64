/**
 * `zbus rpc call`: one call, and its result on stdout. Promises exit code 1 and one line with code
 * and message when the service, or the broker in its place, says that the call failed.
 */
import { Buffer } from 'node:buffer';
import { buffer } from 'node:stream/consumers';
import type { RpcAnswer } from '../client/rpc/rpc-answer.js';
import { RpcError } from '../client/rpc/rpc-error.js';
import { RpcInvoker, type RpcOptions } from '../client/rpc/rpc-invoker.js';
import { NotFoundError, UnauthorizedError, ZbusError } from '../errors.js';
import { withBus } from './client-command.js';
import type { ConnectionFlags } from './connection-options.js';
import { CommandError, UsageError } from './outcome.js';
import { print } from './output.js';

interface CallFlags extends ConnectionFlags {
  readonly text?: boolean;
  readonly module?: string;
  readonly wait?: number;
  readonly idempotent?: boolean;
  readonly header?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly raw?: boolean;
}

const STDIN = '-';

export async function callService(
  topic: string,
  method: string | undefined,
  params: readonly string[],
  flags: CallFlags,
): Promise<void> {
  const work = workOf(method, params, flags);
  await withBus(flags, async (bus, signal) => {
    const invoker = new RpcInvoker(bus.client, topic, { ...optionsOf(flags), signal });
    try {
      await print(await work(invoker));
    } catch (error) {
      throw forUser(error, topic);
    }
  });
}

/** Before a connection is made for what cannot be sent. Throws UsageError. */
function workOf(
  method: string | undefined,
  params: readonly string[],
  flags: CallFlags,
): (invoker: RpcInvoker) => Promise<string | Uint8Array> {
  const { body } = flags;
  if (body !== undefined) {
    if (method !== undefined) throw new UsageError('either a method or --body');
    return async (invoker) => {
      const bytes = body === STDIN ? await buffer(process.stdin) : Buffer.from(body);
      return bytesOf(await invoker.request(bytes));
    };
  }
  if (method === undefined) throw new UsageError('name a method, or give --body');
  const values = flags.text === true ? params : params.map(valueOf);
  return async (invoker) => resultText(await invoker.call(method, values), flags);
}

function optionsOf({ module, wait, idempotent, header }: CallFlags): RpcOptions {
  return {
    ...(module === undefined ? {} : { module }),
    ...(wait === undefined ? {} : { waitMs: wait }),
    ...(idempotent === undefined ? {} : { idempotent }),
    ...(header === undefined ? {} : { headers: header }),
  };
}

/** JSON when it is some, else text. */
export function valueOf(parameter: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(parameter);
  } catch {
    return parameter;
  }
  // Digits that a number cannot hold would silently become others.
  if (typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value)) {
    throw new UsageError(
      `${parameter} is too large for an exact number: write '"${parameter}"', or give --text`,
    );
  }
  return value;
}

function resultText(result: unknown, { raw }: CallFlags): string | Uint8Array {
  if (result instanceof Uint8Array) return result;
  if (raw === true && typeof result === 'string') return `${result}\n`;
  return `${JSON.stringify(result, null, 2)}\n`;
}

function bytesOf(answer: RpcAnswer): Uint8Array {
  if (answer.status < 400) return answer.bytes;
  const text = answer.text().trim();
  throw new CommandError(`the service answered ${answer.status}${text === '' ? '' : `: ${text}`}`);
}

/** What the service or the broker said, with its code, which tells programs more than the exit. */
function forUser(error: unknown, topic: string): unknown {
  if (error instanceof NotFoundError) {
    return new CommandError(
      `${error.code}: ${error.message}; a service makes it: zbus rpc serve ${topic} FILE`,
      { cause: error },
    );
  }
  const answered = error instanceof ZbusError && error.status > 0;
  if (!(error instanceof RpcError) && !answered) return error;
  // Its advice is how to give a token.
  if (error instanceof UnauthorizedError) return error;
  return new CommandError(`${error.code}: ${error.message}`, { cause: error });
}
