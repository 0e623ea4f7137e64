/**
 * Fills a topic fast: one TCP connection, produce requests by URL without an id, whose replies come
 * in order and are only counted. Used by ab.ts before consume is measured.
 */
import { openSocket } from './contenders.js';

const BATCH = 500;
/** Requests under way; the broker stops reading beyond its own limit. */
const WINDOW = 2000;
const REPLY_START = Buffer.from('HTTP/1.1 ');
const OK = '200';

/** Resolves when all messages were acknowledged. Throws when one was refused. */
export async function fill(
  port: number,
  topic: string,
  count: number,
  body: Buffer,
  tls = false,
): Promise<void> {
  const head = `POST /produce/${topic} HTTP/1.1\r\nhost: localhost\r\ncontent-length: `;
  const request = Buffer.concat([Buffer.from(`${head}${body.length}\r\n\r\n`), body]);
  const batch = Buffer.concat(Array.from({ length: BATCH }, () => request));
  const socket = await openSocket(port, tls);
  let sent = 0;
  let acknowledged = 0;
  const send = (): void => {
    while (sent < count && sent - acknowledged <= WINDOW - BATCH) {
      const size = Math.min(BATCH, count - sent);
      socket.write(batch.subarray(0, size * request.length));
      sent += size;
    }
  };
  send();
  let rest = Buffer.alloc(0);
  for await (const chunk of socket) {
    const bytes = Buffer.concat([rest, chunk as Buffer]);
    let position = 0;
    for (;;) {
      const start = bytes.indexOf(REPLY_START, position);
      const statusEnd = start + REPLY_START.length + OK.length;
      if (start < 0 || statusEnd > bytes.length) break;
      const status = bytes.toString('latin1', statusEnd - OK.length, statusEnd);
      if (status !== OK) throw new Error(`produce answered ${status}`);
      acknowledged++;
      position = statusEnd;
    }
    rest = bytes.subarray(Math.max(position, bytes.length - REPLY_START.length - OK.length));
    if (acknowledged === count) break;
    send();
  }
}
