/**
 * A service as an application writes it: serves the topic MyRpc of the broker on the port given.
 * Started by contenders.ts; runs what ships.
 */
import { connect } from '../dist/index.js';

const CONCURRENCY = 256;

const port = Number(process.argv[2]);
const bus = await connect(`127.0.0.1:${port}`);
// Parameters of a URL are texts.
await bus.serve(
  'MyRpc',
  { plus: (a: unknown, b: unknown) => Number(a) + Number(b) },
  { concurrency: CONCURRENCY },
);
console.log(`serves the broker listening on 127.0.0.1:${port}`);
process.once('SIGTERM', () => void bus.close());
