/** Which method a call means, and its parameters by schemas of zod. */
import assert from 'node:assert/strict';
import { runInNewContext } from 'node:vm';
import { z } from 'zod';
import { systemClock } from '../../../src/clock.js';
import { Buffer } from 'node:buffer';
import { RpcReply, RpcRequest } from '../../../src/client/rpc/rpc-request.js';
import { methodOf, RpcServices } from '../../../src/client/rpc/rpc-service.js';
import { newRequest } from '../../../src/client/requests.js';
import * as offsets from '../../../src/protocol/offsets.js';

interface Answer {
  readonly status: number;
  readonly json: unknown;
}

async function run(services: RpcServices, call: unknown): Promise<Answer> {
  const text = typeof call === 'string' ? call : JSON.stringify(call);
  const message = newRequest('', '', new Map(), Buffer.from(text));
  const { status, bytes } = await services.run(new RpcRequest(message, systemClock));
  return { status, json: JSON.parse(bytes.toString()) };
}

describe('methodOf', () => {
  it('finds the exports of a module', () => {
    assert.equal(methodOf(offsets, 'parseOffsets'), offsets.parseOffsets);
    assert.equal(methodOf(offsets, 'toString'), null);
  });

  it('finds nothing that every object has, of whatever realm', () => {
    const foreign = runInNewContext('({ own() {} })') as object;
    assert.equal(typeof methodOf(foreign, 'own'), 'function');
    for (const name of Object.getOwnPropertyNames(Object.prototype)) {
      assert.equal(methodOf(foreign, name), null, name);
      assert.equal(methodOf({}, name), null, name);
    }
  });

  it('finds own methods under such a name, and those of an object without a prototype', () => {
    const own = { toString: () => 'own' };
    assert.equal(methodOf(own, 'toString'), own.toString);
    const bare = Object.assign(Object.create(null) as object, { run: () => 1 });
    assert.equal(methodOf(bare, 'run'), bare.run);
  });
});

describe('a service', () => {
  it('checks parameters by a schema of zod, and names every place', async () => {
    const services = new RpcServices();
    const item = z.object({ name: z.string(), count: z.coerce.number().int() });
    const schemas = { order: z.tuple([item, z.boolean()]) };
    const order = ({ count }: { count: number }, gift: boolean): unknown => [count, gift];
    services.add('', { order }, schemas);
    const good = { method: 'order', params: [{ name: 'tea', count: '2' }, true] };
    assert.deepEqual(await run(services, good), { status: 200, json: { result: [2, true] } });
    const bad = { method: 'order', params: [{ name: 1, count: 1.5 }, true] };
    const { status, json } = await run(services, bad);
    const { error } = json as { error: { code: string; issues: { path: unknown }[] } };
    assert.deepEqual([status, error.code], [400, 'ZBUS_RPC_BAD_PARAMS']);
    assert.deepEqual(
      error.issues.map(({ path }) => path),
      [
        [0, 'name'],
        [0, 'count'],
      ],
    );
  });

  for (const body of [
    '',
    'text',
    '3',
    '[]',
    'null',
    '{}',
    '{"method":1}',
    '{"method":"m","params":{}}',
    '{"method":"m","module":1}',
  ]) {
    it(`refuses the body ${body}`, async () => {
      const services = new RpcServices();
      services.add('', { m: () => 1 }, {});
      const { status, json } = await run(services, body);
      const { error } = json as { error: { code: string } };
      assert.deepEqual([status, error.code], [400, 'ZBUS_RPC_BAD_CALL']);
    });
  }

  it('takes calls that leave out what is empty, as other clients write them', async () => {
    const services = new RpcServices();
    services.add('', { m: (...params: unknown[]) => params }, {});
    const result = { status: 200, json: { result: [] } };
    assert.deepEqual(await run(services, { method: 'm' }), result);
    assert.deepEqual(await run(services, { method: 'm', params: null, module: null }), result);
  });

  it('runs with the service as this, and with what replaced a method since', async () => {
    const service = {
      base: 1,
      add(n: number): number {
        return this.base + n;
      },
    };
    const services = new RpcServices();
    services.add('', service, {});
    const call = { method: 'add', params: [1] };
    assert.deepEqual((await run(services, call)).json, { result: 2 });
    service.add = () => 7;
    assert.deepEqual((await run(services, call)).json, { result: 7 });
  });

  it('answers with an error that names a status which is none', async () => {
    const services = new RpcServices();
    services.add('', () => new RpcReply({ status: 99 }), {});
    const { status, json } = await run(services, '');
    const { error } = json as { error: { code: string } };
    assert.deepEqual([status, error.code], [500, 'ZBUS_RPC_BAD_RESULT']);
  });
});
