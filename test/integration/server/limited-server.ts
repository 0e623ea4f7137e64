/** Started by open-files.test.ts with a low limit of open files: a Listener that tells its port. */
import { Listener } from '../../../src/server/listener.js';
import { Turn } from '../../../src/turn.js';
import { SmallBroker } from './harness.js';

const silent = (): void => undefined;
const listener = new Listener({
  host: '127.0.0.1',
  port: 0,
  turn: new Turn(),
  handle: new SmallBroker().handle,
  log: { debug: silent, warn: silent, error: silent },
});
const { port } = await listener.listen();
process.send?.(port);
