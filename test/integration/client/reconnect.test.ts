/** Connections that are lost: what is sent again, what fails, and what goes on by itself. */
import assert from 'node:assert/strict';
import type { Bus } from '../../../src/client/bus.js';
import { connect } from '../../../src/client/connect.js';
import { BufferFullError, ConnectionLostError } from '../../../src/client/errors.js';
import { ClosedError, NotFoundError } from '../../../src/errors.js';
import { Mask } from '../../../src/protocol/masks.js';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';
import { until } from '../../support/wait.js';
import { closeLater, openTo, take, texts } from './buses.js';
import { CutProxy } from './cut-proxy.js';

const ACKS = { group: 'g', mask: Mask.ackRequired } as const;
const RECONNECT = { minMs: 1, maxMs: 20 };

describe('a lost connection', () => {
  let broker: TestBroker;
  let proxy: CutProxy;
  let bus: Bus;

  beforeEach(async () => {
    broker = await TestBroker.start({ ackLevel: 'page' });
    proxy = await CutProxy.open(broker.port);
    bus = await openTo(proxy.port);
    await bus.declare('T');
  });
  afterEach(cleanUp);

  async function stored(): Promise<string[]> {
    const direct = await openTo(broker.port);
    const { messageDepth } = await direct.query('T');
    const messages = Array.from({ length: messageDepth }, (_, n) => direct.client.read('T', n));
    return (await Promise.all(messages)).map((message) => message.text());
  }

  it('lets a produce whose answer was lost be sent again under its id, and say so', async () => {
    proxy.cutAtWord('replies', 'ack_level');
    const produced = await bus.produce('T', 'x', { id: 'mine' });
    assert.equal(produced.attempts, 2);
    assert.equal(produced.id, 'mine');
    assert.deepEqual(await stored(), ['x', 'x']);
  });

  it('lets a produce that did not arrive be sent again', async () => {
    proxy.cutAtWord('requests', 'cmd: produce');
    assert.equal((await bus.produce('T', 'x')).attempts, 2);
    assert.deepEqual(await stored(), ['x']);
  });

  for (const direction of ['requests', 'replies'] as const) {
    it(`at any byte of the ${direction} loses no message and no order`, async function () {
      this.timeout(60_000);
      for (let byte = 1; byte < 700; byte += 13) {
        await bus.empty('T');
        const { messageDepth } = await bus.query('T');
        assert.equal(messageDepth, 0);
        const { offset: before } = await bus.produce('T', 'before');
        proxy.cutAtByte(direction, byte);
        const produced = await Promise.all(
          Array.from({ length: 5 }, (_, n) => bus.produce('T', `${n}`, { ackLevel: 'page' })),
        );
        const found: string[] = [];
        const { messageDepth: count } = await bus.query('T');
        for (let offset = before + 1; offset < before + count; offset++) {
          found.push((await bus.client.read('T', offset)).text());
        }
        for (const [n, { offset }] of produced.entries()) {
          assert.equal(found[offset - before - 1], `${n}`, `${direction} cut at ${byte}`);
        }
        const resent = produced.filter(({ attempts }) => attempts > 1).length;
        assert(found.length <= 5 + resent, `${found.join()} with ${resent} sent again`);
        assert.deepEqual([...new Set(found)], ['0', '1', '2', '3', '4'], `cut at ${byte}`);
      }
    });
  }

  it('lets calls that may not be repeated fail with a typed error', async () => {
    const commands = {
      remove: () => bus.remove('T', { group: 'T' }),
      empty: () => bus.empty('T'),
      redrive: () => bus.client.redrive('T'),
    };
    for (const [cmd, begin] of Object.entries(commands)) {
      await bus.client.ping();
      proxy.cutAtWord('requests', `cmd: ${cmd}`);
      await assert.rejects(begin(), (error: Error) => {
        return error instanceof ConnectionLostError;
      });
    }
    assert.equal((await bus.query('T', { group: 'T' })).groupName, 'T');
  });

  it('lets calls that may be repeated be repeated', async () => {
    proxy.cutAtWord('replies', 'topicName');
    assert.equal((await bus.query('T')).topicName, 'T');
    proxy.cutAtWord('replies', 'topicName');
    assert.equal((await bus.declare('T')).topicName, 'T');
  });

  it('tells a consumer whose ack was lost, and gives it the message again', async () => {
    await bus.declare('T', ACKS);
    await bus.produce('T', 'one');
    const messages = bus.consume('T', ACKS);
    const [first] = await take(messages, 1);
    proxy.cutAtWord('requests', 'cmd: ack');
    await assert.rejects(first?.ack() ?? Promise.resolve(), ConnectionLostError);
    const [again] = await take(messages, 1);
    assert.deepEqual([again?.text(), again?.retry], ['one', 1]);
    await assert.rejects(first?.ack() ?? Promise.resolve(), ConnectionLostError);
    await again?.ack();
    assert.equal((await bus.query('T', { group: 'g' })).settledOffset, 1);
  });

  it('lets a consumer go on, and hand out no message that was fetched ahead twice', async () => {
    await bus.declare('T', ACKS);
    await Promise.all(['0', '1', '2', '3'].map((body) => bus.produce('T', body)));
    const messages = bus.consume('T', ACKS);
    const [first] = await take(messages, 1);
    await first?.ack();
    proxy.cut();
    await until(() => bus.state === 'connecting');
    const rest = await take(messages, 3);
    assert.deepEqual(texts(rest), ['1', '2', '3']);
    for (const message of rest) await message.ack();
    assert.equal((await bus.query('T', { group: 'g' })).inFlightCount, 0);
  });

  it('lets a waiting consumer wait on', async () => {
    await bus.declare('T', { group: 'g' });
    const next = bus.consume('T', { group: 'g' }).next();
    await until(async () => (await bus.query('T')).consumerCount === 1);
    proxy.cut();
    await bus.produce('T', 'late');
    assert.equal((await next).value?.text(), 'late');
  });

  it('is told, and the next one too', async () => {
    const told: string[] = [];
    bus.on('disconnected', ({ error }) => told.push(error.constructor.name));
    bus.on('connected', ({ address }) => told.push(address));
    const stop = bus.on('retrying', () => told.push('never'));
    stop();
    proxy.cut();
    await until(() => told.length === 2);
    assert.deepEqual(told, ['ConnectionLostError', `127.0.0.1:${proxy.port}`]);
    assert.equal(bus.state, 'connected');
  });

  it('lets a broker that stops in good order be followed by the next', async () => {
    let count = 0;
    const producer = { going: true };
    const producing = (async (): Promise<void> => {
      while (producer.going) await bus.produce('T', `${count++}`);
    })();
    for (let restarts = 0; restarts < 3; restarts++) {
      const reached = count + 20;
      await until(() => count >= reached);
      await broker.restart();
      proxy.targetPort = broker.port;
    }
    producer.going = false;
    await producing;
    assert.deepEqual([...new Set(await stored())].length, count);
  });

  it('is tried again until there is one', async () => {
    proxy.targetPort = null;
    proxy.cut();
    const { accepted } = proxy;
    await until(() => proxy.accepted > accepted + 5);
    proxy.targetPort = broker.port;
    assert.equal((await bus.produce('T', 'x')).offset, 0);
  });
});

describe('without a connection', () => {
  let broker: TestBroker;
  let proxy: CutProxy;

  beforeEach(async () => {
    broker = await TestBroker.start({ ackLevel: 'page' });
    proxy = await CutProxy.open(broker.port);
  });
  afterEach(cleanUp);

  async function offline(options: Parameters<typeof openTo>[1]): Promise<Bus> {
    const bus = await openTo(proxy.port, options);
    await bus.declare('T');
    proxy.targetPort = null;
    proxy.cut();
    await until(() => bus.state === 'connecting');
    return bus;
  }

  it('calls wait, up to a number, in their order', async () => {
    const bus = await offline({ offline: { callsMax: 3 } });
    const waiting = ['0', '1', '2'].map((body) => bus.produce('T', body));
    await assert.rejects(bus.produce('T', 'one too many'), BufferFullError);
    proxy.targetPort = broker.port;
    const produced = await Promise.all(waiting);
    assert.deepEqual(
      produced.map(({ offset, attempts }) => [offset, attempts]),
      [
        [0, 1],
        [1, 1],
        [2, 1],
      ],
    );
    assert.equal((await bus.produce('T', 'x')).offset, 3);
  });

  it('calls wait, up to a size', async () => {
    const bus = await offline({ offline: { bytesMax: 1000 } });
    const fits = bus.produce('T', Buffer.alloc(900));
    await assert.rejects(bus.produce('T', Buffer.alloc(101)), BufferFullError);
    proxy.targetPort = broker.port;
    await fits;
  });

  it('a call whose caller gives up is not sent later', async () => {
    const bus = await offline({});
    const aborter = new AbortController();
    const given = bus.produce('T', 'x', { signal: aborter.signal });
    const reason = new Error('changed my mind');
    aborter.abort(reason);
    await assert.rejects(given, reason);
    await assert.rejects(bus.produce('T', 'y', { signal: aborter.signal }), reason);
    proxy.targetPort = broker.port;
    assert.equal((await bus.query('T')).messageDepth, 0);
  });

  it('close waits for what waits, and then fails it', async () => {
    const bus = await offline({});
    const waiting = assert.rejects(bus.produce('T', 'x'), ClosedError);
    await bus.close({ timeoutMs: 20 });
    await waiting;
    assert.equal(bus.state, 'closed');
    await assert.rejects(bus.produce('T', 'y'), ClosedError);
    await assert.rejects(bus.consume('T').next(), ClosedError);
  });

  it('close sends what waits when a broker comes back in time', async () => {
    const bus = await offline({});
    const waiting = bus.produce('T', 'x');
    const closing = bus.close();
    await assert.rejects(bus.produce('T', 'y'), ClosedError);
    proxy.targetPort = broker.port;
    assert.equal((await waiting).offset, 0);
    await closing;
  });

  it('connect says where it found no broker, and what to do', async () => {
    await broker.stop();
    await assert.rejects(connect(`127.0.0.1:${broker.port}`), (error: Error) => {
      const told = /Cannot connect to 127.0.0.1:\d+: .*ECONNREFUSED.*npx zbus/.test(error.message);
      return error instanceof ConnectionLostError && told;
    });
    await assert.rejects(connect(`ws://127.0.0.1:${broker.port}`), ConnectionLostError);
  });

  it('connect waits for a broker when it is told to', async () => {
    proxy.targetPort = null;
    const connecting = connect(`127.0.0.1:${proxy.port}`, {
      waitForBroker: true,
      reconnect: RECONNECT,
    });
    await until(() => proxy.accepted > 2);
    proxy.targetPort = broker.port;
    closeLater(await connecting);
  });

  it('the first address that answers is taken, and the others when it is lost', async () => {
    const other = await CutProxy.open(broker.port);
    proxy.targetPort = null;
    const addresses = [proxy, other].map(({ port }) => `127.0.0.1:${port}`);
    const bus = await connect(addresses, { reconnect: RECONNECT });
    closeLater(bus);
    await bus.declare('T');
    assert.equal(other.connections, 1);
    other.targetPort = null;
    proxy.targetPort = broker.port;
    other.cut();
    await bus.produce('T', 'x');
    assert.equal(proxy.connections, 1);
    await assert.rejects(bus.client.read('T', 9), NotFoundError);
  });
});
