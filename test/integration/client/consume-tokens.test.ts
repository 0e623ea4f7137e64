/** Consumers whose token allows little. */
import assert from 'node:assert/strict';
import { ForbiddenError, NotFoundError } from '../../../src/errors.js';
import { Mask } from '../../../src/protocol/masks.js';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';
import { secretOf, token, tokenFile } from '../../support/tokens.js';
import { openBus, take, texts } from './buses.js';

const GROUP = 'g';

for (const transport of ['TCP', 'WebSocket'] as const) {
  describe(`consuming over ${transport} with a token that may not declare`, () => {
    let broker: TestBroker;

    beforeEach(async () => {
      const all = token('all', ['*']);
      const reader = token('reader', ['consume', 'query']);
      const bare = token('bare', ['consume']);
      broker = await TestBroker.start({ tokenFile: tokenFile([all, reader, bare]) });
      const bus = await openBus(broker, transport, { token: all.secret });
      await bus.declare('T', { group: GROUP, mask: Mask.ackRequired });
      for (const body of ['one', 'two']) await bus.produce('T', body);
    });
    afterEach(cleanUp);

    const inFlight = async (): Promise<number | undefined> => {
      const bus = await openBus(broker, transport, { token: secretOf('all') });
      return (await bus.query('T', { group: GROUP })).inFlightCount;
    };

    for (const [name, options] of [
      ['reader', { group: GROUP }],
      ['bare', { group: GROUP, mask: Mask.ackRequired }],
    ] as const) {
      it(`takes the group as it is, and acknowledges (${name})`, async () => {
        const bus = await openBus(broker, transport, { token: secretOf(name) });
        const both = await take(bus.consume('T', options), 2);
        assert.deepEqual(texts(both), ['one', 'two']);
        assert.equal(await inFlight(), 2);
        for (const message of both) await message.ack();
        assert.equal(await inFlight(), 0);
      });
    }

    it('is told what is not there, and what it may not change', async () => {
      const bus = await openBus(broker, transport, { token: secretOf('reader') });
      await assert.rejects(bus.consume('T', { group: 'other' }).next(), NotFoundError);
      await assert.rejects(bus.consume('none').next(), NotFoundError);
      const changing = bus.consume('T', { group: GROUP, filter: 'a.*' });
      await assert.rejects(changing.next(), ForbiddenError);
    });
  });
}
