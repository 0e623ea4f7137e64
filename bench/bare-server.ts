/**
 * The least a Node server can do: one constant reply per blank line that comes in, nothing parsed.
 * The upper bound for a broker in Node; started by contenders.ts with the length of the reply.
 */
import { createServer } from 'node:net';

const HEAD = 'HTTP/1.1 200 OK\r\nconnection: Keep-Alive\r\ncontent-length: ';
const BLANK_LINE = '\r\n\r\n';

function replyOf(bytes: number): Buffer {
  let bodyBytes = bytes;
  for (;;) {
    const head = `${HEAD}${bodyBytes}${BLANK_LINE}`;
    const excess = head.length + bodyBytes - bytes;
    if (excess <= 0) return Buffer.from(head + 'x'.repeat(bodyBytes));
    bodyBytes -= excess;
  }
}

const reply = replyOf(Number(process.argv[2]));
const server = createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => undefined);
  socket.on('data', (chunk) => {
    // ab has one request under way per connection and sends it with one write.
    if (chunk.includes(BLANK_LINE)) socket.write(reply);
  });
});
server.listen(0, '127.0.0.1', 1024, () => {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('not a TCP port');
  console.log(`listening on 127.0.0.1:${address.port}`);
});
process.once('SIGTERM', () => process.exit(0));
