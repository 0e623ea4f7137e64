/**
 * What the cases of RPC are written with: opening services, gates that hold them, and comparing.
 * Needs no test runner and no module of Node, as the cases.
 */
import type { Bus } from '../../src/client/bus.js';
import type { RpcProcessor } from '../../src/client/rpc/rpc-processor.js';

/** Another connection to the same broker. */
export type OpenBus = () => Promise<Bus>;

export interface RpcCase {
  readonly name: string;
  readonly run: (open: OpenBus) => Promise<void>;
}

export interface Failure extends Error {
  readonly code?: unknown;
  readonly status?: unknown;
  readonly issues?: unknown;
  readonly detail?: unknown;
}

export function plus(a: number, b: number): number {
  return a + b;
}

export async function serving(
  open: OpenBus,
  topic: string,
  service: object,
): Promise<{ bus: Bus; calling: Bus; processor: RpcProcessor }> {
  const bus = await open();
  const processor = await bus.serve(topic, service);
  return { bus, calling: await open(), processor };
}

export function newGate(): { readonly opened: Promise<string>; readonly open: () => void } {
  let open = (): void => undefined;
  const opened = new Promise<string>((resolve) => {
    open = () => {
      resolve('open');
    };
  });
  return { opened, open };
}

export async function failureOf(call: Promise<unknown> | undefined): Promise<Failure> {
  let result: unknown;
  try {
    result = await call;
  } catch (error) {
    return error as Failure;
  }
  throw new Error(`it did not fail, but answered ${JSON.stringify(result)}`);
}

/** Throws unless both are the same as JSON; undefined and null differ, as they do not there. */
export function same(actual: unknown, expected: unknown): void {
  const [is, should] = [textOf(actual), textOf(expected)];
  if (is === should) return;
  throw new Error(`is ${is.slice(0, 2000)}\nand not ${should.slice(0, 2000)}`);
}

function textOf(value: unknown): string {
  const marked = (_key: string, part: unknown): unknown =>
    part === undefined ? 'undefined' : part;
  return JSON.stringify(value, marked);
}
