/**
 * A program that uses the client, loses its connection with all kinds of calls under way, closes,
 * and ends by itself. Run by ending.test.ts; says on stdout what must be.
 */
import { connect } from '../../../src/client/connect.js';

const [, , port, brokerPort] = process.argv;
process.on('unhandledRejection', (error) => {
  console.log(`unhandled: ${String(error)}`);
});

const bus = await connect(`127.0.0.1:${port}`, { reconnect: { minMs: 1, maxMs: 10 } });
await bus.declare('T', { group: 'g', mask: 64 });
await bus.produce('T', 'x');
const message = (await bus.consume('T', { group: 'g', mask: 64 }).next()).value;
const waiting = bus.consume('T', { group: 'h' }).next();
const lost = new Promise((resolve) => {
  bus.on('disconnected', resolve);
});
// The parent cuts the connection when it sees this.
console.log('cut');
await lost;
void message?.ack();
void message?.nack();
void message?.renew();
const produced = await bus.produce('T', 'y');
void waiting;
await bus.close({ timeoutMs: 50 });

const open = await connect(`127.0.0.1:${brokerPort}`);
const silent = open.produce('T', 'z', { timeoutMs: 1e9 });
await open.close();

const signal = AbortSignal.timeout(100);
const patient = { waitForBroker: true, reconnect: { minMs: 1e6, maxMs: 1e6 }, signal };
await connect('127.0.0.1:1', patient).catch((/** @type {unknown} */ error) => {
  console.log(error instanceof Error ? 'gave up' : String(error));
});
console.log(`produced ${produced.attempts} ${(await silent).offset}`);
