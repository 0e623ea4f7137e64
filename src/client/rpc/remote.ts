/** A service's methods as methods of this program. Made by Bus.rpc. */
import type { RpcInvoker } from './rpc-invoker.js';

/** Names that JavaScript itself asks any object for, and so never mean a remote method. */
type Reserved =
  | 'then'
  | 'toJSON'
  | 'constructor'
  | 'hasOwnProperty'
  | 'isPrototypeOf'
  | 'propertyIsEnumerable'
  | 'toLocaleString'
  | 'toString'
  | 'valueOf';

type AnyMethod = (...params: never[]) => unknown;

/** The methods of a service as its callers see them: each returns a promise of its result. */
export type Remote<Service> = {
  readonly [
    Name in keyof Service as Exclude<NonNullable<Service[Name]>, AnyMethod> extends never
      ? Exclude<Extract<Name, string>, Reserved | `_${string}`>
      : never
  ]-?: RemoteMethod<NonNullable<Service[Name]>>;
};

/** Up to four overloads are kept; of one alone the compiler infers it four times. */
export type RemoteMethod<Method> = Method extends {
  (...params: infer P1): infer R1;
  (...params: infer P2): infer R2;
  (...params: infer P3): infer R3;
  (...params: infer P4): infer R4;
}
  ? [P1, P4] extends [P4, P1]
    ? (...params: P4) => Answered<R4>
    : ((...params: P1) => Answered<R1>) &
        ((...params: P2) => Answered<R2>) &
        ((...params: P3) => Answered<R3>) &
        ((...params: P4) => Answered<R4>)
  : Method extends (...params: infer P) => infer R
    ? (...params: P) => Answered<R>
    : never;

/** Bytes of any kind arrive as a Uint8Array. */
type Answered<Result> = Promise<Received<Awaited<Result>>>;
type Received<Value> = Value extends Uint8Array | ArrayBuffer ? Uint8Array : Value;

/** A service whose type is not known. */
export type AnyService = Readonly<Record<string, (...params: unknown[]) => unknown>>;

/** Every property is a method, but those that JavaScript asks for by itself. */
export function remoteOf<Service>(invoker: RpcInvoker): Remote<Service> {
  const methods: Record<string, unknown> = {};
  return new Proxy(methods, {
    get(target, name, receiver): unknown {
      if (typeof name === 'symbol' || name === 'then' || name === 'toJSON') return undefined;
      if (!(name in target)) {
        target[name] = (...params: unknown[]) => invoker.call(name, params);
      }
      return Reflect.get(target, name, receiver);
    },
    set: () => false,
  }) as Remote<Service>;
}
