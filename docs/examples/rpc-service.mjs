// A service without a library: `node rpc-service.mjs [port]` answers calls to the topic calc until
// the broker closes the connection. What it does is in docs/protocol.md, RPC.
import { Buffer } from 'node:buffer';
import { connect } from 'node:net';

/** @type {Record<string, ((...params: unknown[]) => unknown) | undefined>} */
const methods = {
  plus: (a, b) => Number(a) + Number(b),
  greet: (name) => `Hello ${String(name)}`,
};

const socket = connect(Number(process.argv[2] ?? 15555), '127.0.0.1');

/** @param {Record<string, string | number>} headers */
function send(headers, body = '') {
  const lines = Object.entries({ ...headers, 'content-length': Buffer.byteLength(body) });
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  socket.write(`GET / HTTP/1.1\r\n${head}\r\n${body}`);
}

/** @param {string} head  @param {{ method: string, params: unknown[] }} request */
function serve(head, { method, params }) {
  const header = (/** @type {string} */ name) => new RegExp(`^${name}: (.*)`, 'm').exec(head)?.[1];
  const run = Object.hasOwn(methods, method) ? methods[method] : undefined;
  const reply = run ? { result: run(...params) } : { error: `no method ${method}` };
  const caller = { recver: header('sender') ?? '', id: header('origin_id') ?? '' };
  const status = { 'content-type': 'application/json', origin_status: run ? 200 : 404 };
  send({ cmd: 'route', ack: 'false', ...caller, ...status }, JSON.stringify(reply));
  send({ cmd: 'consume', topic: 'calc', id: 'calls', prefetch: 1 });
}

let received = Buffer.alloc(0);
socket.on('data', (chunk) => {
  received = Buffer.concat([received, chunk]);
  for (;;) {
    const blank = received.indexOf('\r\n\r\n');
    if (blank < 0) return;
    const head = received.toString('latin1', 0, blank);
    const end = blank + 4 + Number(/^content-length: (\d+)/m.exec(head)?.[1] ?? 0);
    if (received.length < end) return;
    serve(head, JSON.parse(received.toString('utf8', blank + 4, end)));
    received = received.subarray(end);
  }
});
send({ cmd: 'consume', topic: 'calc', id: 'calls', prefetch: 10 });
