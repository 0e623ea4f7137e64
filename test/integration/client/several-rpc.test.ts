/** Calls of services behind several brokers: where they go, and what becomes of them. */
import assert from 'node:assert/strict';
import { ConnectionLostError } from '../../../src/client/errors.js';
import { NoServiceError, NotFoundError, type ZbusError } from '../../../src/errors.js';
import { cleanUp } from '../../support/cleanup.js';
import { until } from '../../support/wait.js';
import { openBus } from './buses.js';
import { type Behind, startSeveral, untilRouted } from './several.js';

interface Calc {
  plus(a: number, b: number): number;
  where(): string;
  slow(): Promise<string>;
}

const TOPIC = 'calc';

/** How the services of a test were called. */
class Services {
  runs = 0;
  release: () => void = () => undefined;
  readonly #released = new Promise<void>((resolve) => {
    this.release = resolve;
  });

  async serve({ server, key }: Behind) {
    const bus = await openBus(server);
    const service: Calc = {
      plus: (a, b) => a + b,
      where: () => key,
      slow: async () => {
        this.runs++;
        await this.#released;
        return key;
      },
    };
    return bus.serve(TOPIC, service);
  }
}

describe('calls of services behind several brokers', () => {
  afterEach(cleanUp);

  it('go where a service lives, and are shared between these', async () => {
    const { broker, all } = await startSeveral(3);
    const services = new Services();
    await broker.declare(TOPIC, { topicMask: 4, servers: [all[0]?.key ?? ''] });
    for (const one of all.slice(1)) await services.serve(one);
    await until(() => [...broker.routes.at(TOPIC).values()].length === 3);
    await until(() =>
      all.slice(1).every(({ key }) => broker.routes.at(TOPIC).get(key)?.topic.consumerCount === 1),
    );
    const calc = broker.rpc<Calc>(TOPIC);
    assert.equal(await calc.plus(1, 2), 3);
    const answers = await Promise.all(Array.from({ length: 200 }, () => calc.where()));
    assert.deepEqual(
      [...new Set(answers)].sort(),
      all
        .slice(1)
        .map(({ key }) => key)
        .sort(),
    );
  });

  it('find a service that the tables do not tell of yet', async () => {
    const { broker, all } = await startSeveral(3);
    const services = new Services();
    for (const one of all) {
      const processor = await services.serve(one);
      assert.equal(await broker.rpc<Calc>(TOPIC).where(), one.key);
      await processor.close();
    }
    await assert.rejects(broker.rpc<Calc>(TOPIC).where(), NoServiceError);
    await assert.rejects(broker.rpc<Calc>('none').where(), NotFoundError);
  });

  it('wait for a service that comes on any server', async () => {
    const { broker, all } = await startSeveral(3);
    const [, , last] = all;
    assert(last !== undefined);
    const waiting = broker.rpc<Calc>(TOPIC, { waitMs: 20_000, timeoutMs: 20_000 }).where();
    await new Services().serve(last);
    assert.equal(await waiting, last.key);
  });

  it('are answered by another server when the one that was asked is gone before', async () => {
    const { broker, all } = await startSeveral(2);
    const services = new Services();
    for (const one of all) await services.serve(one);
    await untilRouted(broker, TOPIC, 2);
    const [gone, there] = all;
    assert(gone !== undefined && there !== undefined);
    gone.proxy.targetPort = null;
    gone.proxy.cut();
    const calc = broker.rpc<Calc>(TOPIC);
    await until(() => broker.servers.filter((one) => broker.isConnected(one)).length === 1);
    for (let n = 0; n < 10; n++) assert.equal(await calc.where(), there.key);
  });

  it('run again elsewhere when the connection is lost only if they are idempotent', async () => {
    const { broker, all } = await startSeveral(2);
    const services = new Services();
    for (const one of all) await services.serve(one);
    await untilRouted(broker, TOPIC, 2);
    const calls = {
      once: broker.rpc<Calc>(TOPIC).slow(),
      again: broker.rpc<Calc>(TOPIC, { idempotent: true }).slow(),
    };
    const failed = assert.rejects(calls.once, ConnectionLostError);
    await until(() => services.runs === 2);
    for (const { proxy } of all) proxy.cut();
    await failed;
    await until(() => services.runs === 3);
    services.release();
    assert.match(await calls.again, /^127\.0\.0\.1:/);
    assert.equal(services.runs, 3);
  });

  it('do not fail when a server stops, but for those that a service has', async () => {
    const { broker, all } = await startSeveral(3, {}, { drainTimeoutMs: 10_000 });
    const services = new Services();
    for (const one of all) await services.serve(one);
    await untilRouted(broker, TOPIC, 3);
    const calc = broker.rpc<Calc>(TOPIC);
    const [stopping] = all;
    assert(stopping !== undefined);
    const calls: Promise<unknown>[] = [];
    for (let n = 0; n < 300; n++) {
      calls.push(calc.plus(n, 1));
      if (n === 100) calls.push(stopping.server.stop());
      if (n % 10 === 0) await new Promise(setImmediate);
    }
    const outcomes = await Promise.allSettled(calls);
    const errors = outcomes.flatMap((one) =>
      one.status === 'rejected' ? [one.reason as ZbusError] : [],
    );
    // What a service had may have run, and is not made again.
    const mayHaveRun = ['ZBUS_CLOSED', 'ZBUS_SERVICE_FAILED', 'ZBUS_CONNECTION_LOST'];
    assert.deepEqual(
      errors.filter(({ code }) => !mayHaveRun.includes(code)),
      [],
    );
    assert(errors.length < 100, `${errors.length} of 300 calls failed`);
    assert.notEqual(await calc.where(), stopping.key);
  });
});
