/**
 * One consumer on one connection, as lean as a client can be: it counts deliveries in the bytes as
 * they come and looks at nothing but their offset. Used by consume.ts.
 */
import { once } from 'node:events';
import { type Socket, connect } from 'node:net';

export interface ConsumePlan {
  readonly topic: string;
  readonly group: string;
  /** Messages asked for and not delivered yet. */
  readonly window: number;
  /** Asks with one request for many; else with a request for each message. */
  readonly prefetch: boolean;
  /** Messages that one ack names; 0: the group acknowledges by itself. */
  readonly ackBatch: number;
}

const DELIVERY_ID = Buffer.from('\r\nid: d\r\n');
const OFFSET = Buffer.from('\r\noffset: ');
const LENGTH = Buffer.from('\r\ncontent-length: ');
const BLANK_LINE = Buffer.from('\r\n\r\n');
const OK = 'HTTP/1.1 200';
const CARRIAGE_RETURN = 13;
const DIGIT_ZERO = 48;

/** Consumes `count` messages; returns how long it took, until the last ack was answered. */
export async function consume(port: number, plan: ConsumePlan, count: number): Promise<number> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  await once(socket, 'connect');
  const consumer = new Consumer(socket, plan, count);
  const beganMs = performance.now();
  await consumer.run();
  const tookMs = performance.now() - beganMs;
  socket.destroy();
  return tookMs;
}

class Consumer {
  readonly #socket: Socket;
  readonly #plan: ConsumePlan;
  readonly #count: number;
  readonly #head: string;
  #asked = 0;
  #received = 0;
  /** Delivered since the last request for more. */
  #owed = 0;
  #unacked: number[] = [];
  #acksDue = 0;
  #out = '';

  constructor(socket: Socket, plan: ConsumePlan, count: number) {
    this.#socket = socket;
    this.#plan = plan;
    this.#count = count;
    this.#head = `topic: ${plan.topic}\r\nconsume_group: ${plan.group}\r\n`;
  }

  async run(): Promise<void> {
    this.#ask(Math.min(this.#plan.window, this.#count));
    this.#flush();
    let rest: Buffer = Buffer.alloc(0);
    for await (const chunk of this.#socket) {
      const bytes = rest.length === 0 ? (chunk as Buffer) : Buffer.concat([rest, chunk as Buffer]);
      const end = this.#takeReplies(bytes);
      rest = bytes.subarray(end);
      this.#askAgain();
      this.#flush();
      if (this.#received === this.#count && this.#acksDue === 0) return;
    }
    throw new Error('the broker closed the connection');
  }

  #takeReplies(bytes: Buffer): number {
    let start = 0;
    for (;;) {
      const blank = bytes.indexOf(BLANK_LINE, start);
      if (blank < 0) return start;
      const end = blank + BLANK_LINE.length + numberAfter(bytes, LENGTH, start);
      if (end > bytes.length) return start;
      const status = bytes.toString('latin1', start, start + OK.length);
      if (status !== OK) throw new Error(bytes.toString('latin1', start, end));
      const id = bytes.indexOf(DELIVERY_ID, start);
      if (id < 0 || id > blank) this.#acksDue--;
      else this.#onDelivery(numberAfter(bytes, OFFSET, start));
      start = end;
    }
  }

  #onDelivery(offset: number): void {
    this.#received++;
    this.#owed++;
    const { ackBatch } = this.#plan;
    if (ackBatch === 0) return;
    this.#unacked.push(offset);
    if (this.#unacked.length < ackBatch && this.#received < this.#count) return;
    this.#out += `GET / HTTP/1.1\r\ncmd: ack\r\nid: a\r\n${this.#head}`;
    this.#out += `offsets: ${this.#unacked.join()}\r\n\r\n`;
    this.#unacked = [];
    this.#acksDue++;
  }

  /** With prefetch for half a window at once, so that requests are few and it never runs dry. */
  #askAgain(): void {
    const { window, prefetch } = this.#plan;
    if (prefetch && this.#owed < window / 2) return;
    const wanted = Math.min(this.#owed, this.#count - this.#asked);
    this.#owed = 0;
    if (wanted > 0) this.#ask(wanted);
  }

  #ask(count: number): void {
    this.#asked += count;
    const request = `GET / HTTP/1.1\r\ncmd: consume\r\nid: d\r\n${this.#head}`;
    if (this.#plan.prefetch) this.#out += `${request}prefetch: ${count}\r\n\r\n`;
    else this.#out += `${request}\r\n`.repeat(count);
  }

  #flush(): void {
    if (this.#out !== '') this.#socket.write(this.#out, 'latin1');
    this.#out = '';
  }
}

/** The number behind the first `name` from `start` on. */
function numberAfter(bytes: Buffer, name: Buffer, start: number): number {
  let number = 0;
  const first = bytes.indexOf(name, start) + name.length;
  for (let i = first; bytes[i] !== CARRIAGE_RETURN; i++) {
    number = number * 10 + ((bytes[i] ?? DIGIT_ZERO) - DIGIT_ZERO);
  }
  return number;
}
