/**
 * A service in a process of its own, to be killed: takes calls and never answers them, and says how
 * many it has. Run by rpc-losses.test.ts.
 */
import { connect } from '../../../src/client/connect.js';

const [, , port] = process.argv;
let count = 0;
const bus = await connect(`127.0.0.1:${port}`);
await bus.serve('calc', () => {
  count++;
  console.log(count);
  return new Promise(() => undefined);
});
console.log('serving');
