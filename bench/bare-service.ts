/**
 * A service over a bare socket: consumes the topic T of the broker on the port given, adds the
 * parameters of each request and routes the sum. No client library, so that the broker is what is
 * measured. Started by contenders.ts.
 */
import { connect } from 'node:net';

const WINDOW = 256;
const BLANK_LINE = '\r\n\r\n';

interface Request {
  readonly method: string;
  readonly params: readonly string[];
}

function valueOf(head: string, name: string): string {
  const start = head.indexOf(`\r\n${name}: `) + name.length + 4;
  return head.slice(start, head.indexOf('\r\n', start));
}

function resultOf({ method, params }: Request): string {
  if (method !== 'plus') return `{"error":"no method ${method}"}`;
  return `{"result":${params.reduce((sum, value) => sum + Number(value), 0)}}`;
}

function answerTo(head: string, body: string): string {
  const result = resultOf(JSON.parse(body) as Request);
  return (
    `GET / HTTP/1.1\r\ncmd: route\r\nack: false\r\nrecver: ${valueOf(head, 'sender')}\r\n` +
    `id: ${valueOf(head, 'origin_id')}\r\ncontent-type: application/json\r\n` +
    `content-length: ${result.length}${BLANK_LINE}${result}`
  );
}

/** Grants more requests under the id of the waiting consume. */
function grant(count: number): string {
  return `GET / HTTP/1.1\r\ncmd: consume\r\ntopic: T\r\nid: s\r\nprefetch: ${count}${BLANK_LINE}`;
}

const port = Number(process.argv[2]);
const socket = connect({ port, host: '127.0.0.1', noDelay: true });
let text = '';
let given = 0;
socket.setEncoding('latin1').on('data', (chunk: string) => {
  text += chunk;
  let answers = '';
  let position = 0;
  for (;;) {
    const blank = text.indexOf(BLANK_LINE, position);
    if (blank < 0) break;
    const head = text.slice(position, blank + 2);
    const bodyStart = blank + BLANK_LINE.length;
    const bodyEnd = bodyStart + Number(valueOf(head, 'content-length'));
    if (text.length < bodyEnd) break;
    answers += answerTo(head, text.slice(bodyStart, bodyEnd));
    position = bodyEnd;
    given++;
  }
  text = text.slice(position);
  if (given >= WINDOW / 2) {
    answers += grant(given);
    given = 0;
  }
  if (answers !== '') socket.write(answers, 'latin1');
});
socket.on('connect', () => {
  socket.write(grant(WINDOW));
  console.log(`serves the broker listening on 127.0.0.1:${port}`);
});
socket.on('close', () => process.exit(0));
process.once('SIGTERM', () => process.exit(0));
