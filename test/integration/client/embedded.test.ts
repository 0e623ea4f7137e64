/** A broker inside of the program that uses it. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { connect } from '../../../src/client/connect.js';
import { ConfigError } from '../../../src/config/config-error.js';
import { type EmbeddedOptions, startBroker, type EmbeddedBroker } from '../../../src/embedded.js';
import { BadRequestError, ClosedError, StorageFailedError } from '../../../src/errors.js';
import { Mask } from '../../../src/protocol/masks.js';
import { cleanUp, onCleanUp } from '../../support/cleanup.js';
import { tempFolder } from '../../support/temp-folder.js';
import { closeLater, take, texts } from './buses.js';

async function start(options: EmbeddedOptions): Promise<EmbeddedBroker> {
  const broker = await startBroker(options);
  onCleanUp(() => broker.close());
  return broker;
}

describe('an embedded broker', () => {
  afterEach(cleanUp);

  it('keeps messages in its folder', async () => {
    const mqDir = tempFolder();
    const first = await start({ mqDir });
    const bus = await first.connect();
    await bus.declare('T');
    await bus.produce('T', 'kept');
    await first.close();
    const second = await start({ mqDir, ackLevel: 'page' });
    const [message] = await take((await second.connect()).consume('T'), 1);
    assert.equal(message?.text(), 'kept');
    await assert.rejects(startBroker({ mqDir }), StorageFailedError);
  });

  it('in memory touches no folder, does all the rest, and forgets', async () => {
    const before = readdirSync('.');
    const broker = await start({ memory: true });
    const bus = await broker.connect();
    const acks = { group: 'g', mask: Mask.ackRequired, maxAttempts: 1 };
    await bus.declare('T', acks);
    assert.equal((await bus.produce('T', 'one', { tag: 'a.b' })).ackLevel, 'memory');
    const messages = bus.consume('T', acks);
    await (await messages.next()).value?.nack();
    const [dead] = await take(bus.consume('T.dead'), 1);
    assert.equal(dead?.header('dead_reason'), 'nack');
    assert.equal(await bus.client.redrive('T', { group: 'g' }), 1);
    const [back] = await take(messages, 1);
    await back?.ack();
    await broker.close();
    assert.deepEqual(readdirSync('.'), before);
    assert(!existsSync('zbus-data'));
    const again = await start({ memory: true });
    assert.deepEqual((await (await again.connect()).query()).topicTable, {});
  });

  it('is reached from outside, at its address', async () => {
    const broker = await start({ memory: true });
    assert.equal(broker.address, `127.0.0.1:${broker.port}`);
    const inside = await broker.connect();
    const outside = await connect(broker.address);
    closeLater(outside);
    await inside.declare('T');
    await outside.produce('T', 'hello');
    assert.deepEqual(texts(await take(inside.consume('T'), 1)), ['hello']);
  });

  it('does not know of another in the same process', async () => {
    const [one, two] = await Promise.all([start({ memory: true }), start({ memory: true })]);
    const [first, second] = await Promise.all([one.connect(), two.connect()]);
    await first.declare('T');
    assert.deepEqual((await second.query()).topicTable, {});
    await two.close();
    assert.equal((await first.produce('T', 'x')).offset, 0);
  });

  it('closes its buses, which do not try to come back', async () => {
    const broker = await start({ memory: true });
    const bus = await broker.connect();
    await bus.declare('T');
    const waiting = bus.consume('T').next();
    const producing = bus.produce('T', 'x');
    await broker.close();
    assert.equal((await producing).attempts, 1);
    await waiting;
    assert.equal(bus.state, 'closed');
    await assert.rejects(bus.produce('T', 'x'), ClosedError);
    await assert.rejects(broker.connect(), ClosedError);
    await broker.close();
  });

  it('is closed at the end of its block', async () => {
    let address = '';
    {
      await using broker = await startBroker({ memory: true });
      await using bus = await broker.connect();
      await bus.declare('T');
      ({ address } = broker);
    }
    await assert.rejects(connect(address), /ECONNREFUSED/);
  });

  it('is told where messages live, and nothing that it does not know', async () => {
    await assert.rejects(startBroker({}), BadRequestError);
    await assert.rejects(startBroker({ memory: true, mqDir: 'x' }), BadRequestError);
    const wrong = { memory: true, ackLevel: 'fast' } as unknown as EmbeddedOptions;
    await assert.rejects(startBroker(wrong), ConfigError);
  });
});
