/** The types of RPC: the compiler checks them with the repository, at run time nothing is left. */
import { expectTypeOf } from 'expect-type';
import type { Bus } from '../../../src/client/bus.js';
import type { AnyService, Remote } from '../../../src/client/rpc/remote.js';
import type { RpcInvoker } from '../../../src/client/rpc/rpc-invoker.js';
import type { ParamsSchema, Schemas } from '../../../src/client/rpc/rpc-service.js';

interface Item {
  readonly name: string;
  readonly tags?: readonly string[];
}

declare class Shop {
  readonly name: string;
  private secret(): string;
  protected inner(): string;
  _hidden(): string;
  plus(a: number, b: number): number;
  find(name: string, limit?: number): Promise<Item | null>;
  all(...names: string[]): Item[];
  readonly bytes: () => Buffer;
  maybe?(flag: boolean): Promise<void>;
  then(): void;
  toString(): string;
  pick(name: string): Item;
  pick(place: number): Item[];
}

describe('Remote', () => {
  type Calls = Remote<Shop>;

  it('returns promises of what methods return, sync or async', () => {
    expectTypeOf<Calls['plus']>().toBeCallableWith(1, 2);
    expectTypeOf<Calls['plus']>().returns.toEqualTypeOf<Promise<number>>();
    expectTypeOf<Calls['plus']>().parameters.toEqualTypeOf<[a: number, b: number]>();
    expectTypeOf<Calls['find']>().returns.toEqualTypeOf<Promise<Item | null>>();
    expectTypeOf<Calls['find']>().parameters.toEqualTypeOf<Parameters<Shop['find']>>();
    expectTypeOf<Calls['all']>().parameters.toEqualTypeOf<string[]>();
    expectTypeOf<Calls['maybe']>().returns.toEqualTypeOf<Promise<void>>();
    expectTypeOf<Calls['bytes']>().returns.toEqualTypeOf<Promise<Uint8Array>>();
  });

  it('has the methods that can be called and no other names', () => {
    expectTypeOf<keyof Calls>().toEqualTypeOf<
      'plus' | 'find' | 'all' | 'bytes' | 'maybe' | 'pick'
    >();
  });

  it('keeps overloads', () => {
    const pick = null as unknown as Calls['pick'];
    const check = (): void => {
      expectTypeOf(pick('tea')).toEqualTypeOf<Promise<Item>>();
      expectTypeOf(pick(1)).toEqualTypeOf<Promise<Item[]>>();
    };
    expectTypeOf(check).toBeFunction();
  });

  it('without a type takes any method', () => {
    expectTypeOf<Remote<AnyService>[string]>().returns.toEqualTypeOf<Promise<unknown>>();
    const untyped = (bus: Bus) => bus.rpc('calc');
    expectTypeOf(untyped).returns.toEqualTypeOf<Remote<AnyService>>();
    expectTypeOf<RpcInvoker['call']>().returns.toEqualTypeOf<Promise<unknown>>();
  });
});

describe('the schemas of a service', () => {
  interface Calculator {
    plus(a: number, b: number): number;
  }

  it('must make the parameters of their method', () => {
    type Two = ParamsSchema<[number, number]>;
    expectTypeOf<{ plus: Two }>().toExtend<Schemas<Calculator>>();
    expectTypeOf<{ plus: ParamsSchema<[string]> }>().not.toExtend<Schemas<Calculator>>();
  });
});
