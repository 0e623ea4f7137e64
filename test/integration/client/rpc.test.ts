/** RPC with the client on both sides, over each transport. */
import type { Bus } from '../../../src/client/bus.js';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';
import { rpcCases } from '../../support/rpc-cases.js';
import { openBus, transports } from './buses.js';

for (const transport of transports) {
  describe(`RPC, ${transport}`, () => {
    afterEach(cleanUp);

    for (const { name, run } of rpcCases) {
      it(name, async () => {
        const broker = await TestBroker.start();
        await run((): Promise<Bus> => openBus(broker, transport));
      });
    }
  });
}
