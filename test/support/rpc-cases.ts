/**
 * What RPC promises over any transport, as cases that need nothing but the client: no test runner
 * and no module of Node, so that a page of a browser can run them, too. Each opens the buses that
 * it needs on one broker, where its topics are new; they are closed by whoever runs it.
 */
import { RpcError } from '../../src/client/rpc/rpc-error.js';
import type { RpcRequest } from '../../src/client/rpc/rpc-request.js';
import { CallTimeoutError, NoServiceError } from '../../src/errors.js';
import { failureOf, newGate, plus, type RpcCase, same, serving } from './rpc-expect.js';
import { valueCases } from './rpc-value-cases.js';

interface Squared {
  readonly value: number;
  readonly square: number;
  readonly by: number;
}

const callCases: readonly RpcCase[] = [
  {
    name: '10,000 calls at once over 8 services get each its own answer, once',
    run: async (open) => {
      const served = new Map<number, number[]>();
      for (let n = 0; n < 8; n++) {
        const numbers: number[] = [];
        served.set(n, numbers);
        await (
          await open()
        ).serve('many', {
          square: (value: number) => {
            numbers.push(value);
            return { value, square: value * value, by: n };
          },
        });
      }
      const remote = (await open()).rpc<{ square(value: number): Squared }>('many');
      const values = Array.from({ length: 10_000 }, (_, n) => n);
      const answers = await Promise.all(values.map((value) => remote.square(value)));
      for (const [n, { value, square, by }] of answers.entries()) {
        same([value, square], [n, n * n]);
        same(served.get(by)?.includes(n), true);
      }
      const all = [...served.values()];
      same(all.flat().length, 10_000);
      same(new Set(all.flat()).size, 10_000);
      same(all.filter(({ length }) => length === 0).length, 0);
    },
  },
  {
    name: 'a service that comes later gets the calls that wait for it, and no others',
    run: async (open) => {
      const calling = await open();
      await calling.declare('later', { topicMask: 2 });
      const remote = calling.rpc<{ plus: typeof plus }>('later');
      same((await failureOf(remote.plus(1, 2))) instanceof NoServiceError, true);
      const brief = calling.rpc<{ plus: typeof plus }>('later', { waitMs: 20 });
      same((await failureOf(brief.plus(1, 2))) instanceof NoServiceError, true);
      const patient = calling.rpc<{ plus: typeof plus }>('later', { waitMs: 20_000 });
      const waiting = Promise.all([patient.plus(1, 2), patient.plus(3, 4)]);
      await calling.client.ping();
      same((await calling.query('later')).rpc?.queuedCount, 2);
      await (await open()).serve('later', { plus });
      same(await waiting, [3, 7]);
    },
  },
  {
    name: 'a call that is answered too late ends at its deadline, and harms nobody',
    run: async (open) => {
      const gate = newGate();
      const { calling } = await serving(open, 'slow', { wait: () => gate.opened, quick: () => 1 });
      const remote = calling.rpc<{ wait(): string; quick(): number }>('slow', { timeoutMs: 30 });
      const error = await failureOf(remote.wait());
      same([error instanceof CallTimeoutError, error.status], [true, 504]);
      same(/no answer within \d+ ms$/.test(error.message), true);
      gate.open();
      const other = calling.rpc<{ quick(): number }>('slow');
      while ((await calling.query('slow')).rpc?.lateCount !== 1) same(await other.quick(), 1);
      same((await calling.query('slow')).rpc?.inHandCount, 0);
    },
  },
  {
    name: 'a call that is aborted ends at once with the reason',
    run: async (open) => {
      const gate = newGate();
      const { calling } = await serving(open, 'aborted', { wait: () => gate.opened });
      const aborter = new AbortController();
      const { signal } = aborter;
      const remote = calling.rpc<{ wait(): string }>('aborted', { signal });
      const waiting = failureOf(remote.wait());
      await calling.client.ping();
      const reason = new Error('enough');
      aborter.abort(reason);
      same((await waiting) === reason, true);
      same((await failureOf(remote.wait())) === reason, true);
      gate.open();
    },
  },
  {
    name: 'services that never come back hold their own slots and no more',
    run: async (open) => {
      const gate = newGate();
      const bus = await open();
      const service = { wait: () => gate.opened, quick: () => 'quick' };
      const processor = await bus.serve('stuck', service, { concurrency: 4 });
      const remote = (await open()).rpc<typeof service>('stuck');
      const stuck = [remote.wait(), remote.wait(), remote.wait()];
      for (let n = 0; n < 20; n++) same(await remote.quick(), 'quick');
      same(processor.inHandCount, 3);
      gate.open();
      same(await Promise.all(stuck), ['open', 'open', 'open']);
    },
  },
  {
    name: 'a processor that closes answers what it has, and gets no more',
    run: async (open) => {
      const gate = newGate();
      const { bus, calling, processor } = await serving(open, 'closing', {
        wait: () => gate.opened,
      });
      const other = await bus.serve('closing', { wait: () => 'other' }, { module: 'other' });
      const remote = calling.rpc<{ wait(): string }>('closing');
      const mine = remote.wait();
      while (processor.inHandCount + other.inHandCount === 0) await calling.client.ping();
      const closing = processor.close();
      await calling.client.ping();
      gate.open();
      await Promise.allSettled([mine]);
      await closing;
      same(await processor.ended, null);
      // The other one of the same connection goes on.
      const module = { module: 'other' };
      same(await calling.rpc<{ wait(): string }>('closing', module).wait(), 'other');
      await other.close();
      same((await failureOf(remote.wait())) instanceof NoServiceError, true);
    },
  },
  {
    name: 'a processor that closes and does not wait answers with an error, and tells services',
    run: async (open) => {
      let aborted: unknown = null;
      const { calling, processor } = await serving(
        open,
        'hasty',
        async ({ signal }: RpcRequest) => {
          await new Promise<void>((resolve) =>
            signal.addEventListener('abort', () => {
              resolve();
            }),
          );
          aborted = signal.reason;
        },
      );
      const waiting = failureOf(calling.rpc<{ wait(): string }>('hasty').wait());
      while (processor.inHandCount === 0) await calling.client.ping();
      await processor.close({ timeoutMs: 10 });
      const error = await waiting;
      same([error.code, error.status], ['ZBUS_RPC_CLOSING', 503]);
      same(aborted instanceof RpcError, true);
    },
  },
  {
    name: 'the remote object may be awaited, printed and passed on without a call',
    run: async (open) => {
      const { calling } = await serving(open, 'object', { plus });
      const remote = calling.rpc<{ plus: typeof plus }>('object');
      const passed = await Promise.resolve(remote);
      same([passed === remote, passed.plus === remote.plus], [true, true]);
      same(
        [JSON.stringify(remote).startsWith('{'), Object.prototype.toString.call(remote)],
        [true, '[object Object]'],
      );
      same((await calling.query('object')).rpc?.answeredCount, 0);
      same(await passed.plus(1, 2), 3);
    },
  },
];

export const rpcCases: readonly RpcCase[] = [...valueCases, ...callCases];
