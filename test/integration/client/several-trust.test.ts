/** Several brokers of which some speak TLS, and some ask for tokens. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ForbiddenError, UnauthorizedError } from '../../../src/errors.js';
import { Mask } from '../../../src/protocol/masks.js';
import { TestBroker } from '../../support/broker.js';
import { Authority } from '../../support/certificates.js';
import { cleanUp } from '../../support/cleanup.js';
import { tempFolder } from '../../support/temp-folder.js';
import { writeServerFiles } from '../../support/tls.js';
import { token, tokenFile } from '../../support/tokens.js';
import { until } from '../../support/wait.js';
import { addressOf } from '../tracker/tables.js';
import { take } from './buses.js';
import { openBroker, untilRouted } from './several.js';

const TOPIC = 'orders';

interface Shop {
  price(item: string): string;
}

describe('several brokers with TLS and tokens', () => {
  afterEach(cleanUp);

  const authority = new Authority();
  const tls = { ca: authority.certificatePem };

  async function startTls(config: ConstructorParameters<typeof TestBroker>[0] = {}) {
    const files = writeServerFiles(tempFolder(), authority.issue({ name: 'localhost' }));
    const broker = new TestBroker({ ...config, ...files });
    broker.authority = authority;
    await broker.start();
    return broker;
  }

  it('plain and TLS servers of one tracker share messages and calls', async () => {
    const trackerCaFile = join(tempFolder(), 'ca.pem');
    writeFileSync(trackerCaFile, authority.certificatePem);
    const tracker = await startTls({ trackerOnly: true, trackerCaFile });
    const trackerList = [addressOf(tracker)];
    const secure = await startTls({ trackerList, trackerCaFile });
    const plain = new TestBroker({ trackerList, trackerCaFile });
    await plain.start();
    const broker = openBroker({ trackers: trackerList, tls, rules: { produce: 'roundRobin' } });
    await until(
      () => broker.servers.length === 2 && broker.servers.every((one) => broker.isConnected(one)),
    );
    await broker.declare(TOPIC, { group: 'g', mask: Mask.ackRequired });
    await untilRouted(broker, TOPIC, 2);
    for (const body of ['one', 'two']) await broker.produce(TOPIC, body);
    const taken = await take(broker.consume(TOPIC, { group: 'g' }), 2);
    const servers = taken.map(({ server }) => server ?? '').sort();
    assert.deepEqual(servers, [addressOf(plain), addressOf(secure)].sort());
    for (const message of taken) await message.ack();
    await broker.serve('shop', { price: (item: string) => `${item} 7` });
    assert.equal(await broker.rpc<Shop>('shop').price('tea'), 'tea 7');
  });

  it('a service and its callers need no more than the tokens for what they do', async () => {
    const service = token('service', ['consume', 'declare', 'query', 'route'], {
      topics: ['shop'],
    });
    const caller = token('caller', ['rpc'], { topics: ['shop'] });
    const server = await startTls({ tokenFile: tokenFile([service, caller]) });
    const servers = [addressOf(server)];
    const inside = openBroker({ servers, tls, token: service.secret });
    const outside = openBroker({ servers, tls, token: caller.secret });
    await inside.serve('shop', { price: (item: string) => `${item} 7` });
    assert.equal(await outside.rpc<Shop>('shop').price('tea'), 'tea 7');
    await assert.rejects(outside.produce('shop', 'x'), ForbiddenError);
  });

  it('a wrong token is told, and every call fails with it', async () => {
    const server = await TestBroker.start({ tokenFile: tokenFile([token('all', ['*'])]) });
    const broker = openBroker({ servers: [addressOf(server)], token: 'wrong' });
    const refused: Error[] = [];
    broker.on('refused', ({ error }) => refused.push(error));
    await until(() => refused.length > 0);
    assert(refused[0] instanceof UnauthorizedError);
    await assert.rejects(broker.produce(TOPIC, 'x'), UnauthorizedError);
    await assert.rejects(broker.rpc<Shop>('shop').price('tea'), UnauthorizedError);
    await assert.rejects(broker.consume(TOPIC).next(), UnauthorizedError);
  });
});
