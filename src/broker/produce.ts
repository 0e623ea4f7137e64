/**
 * The command produce: stores a message and says which offset it got and which ack level it
 * reached. The stored bytes are what consumers will be sent: see docs/protocol.md, A consumed
 * message.
 */
import { Buffer } from 'node:buffer';
import { BadRequestError } from '../errors.js';
import { Header, isPassedOn } from '../protocol/headers.js';
import type { AckLevel, AppendDone, AppendRecord } from '../queue/queue.js';
import type { Call } from './call.js';
import type { Session } from './session.js';
import type { Topic } from './topic.js';

export type AskedLevel = Exclude<AckLevel, 'memory'>;

/** `host` is the server's address, as consumers are told it. */
export function produce(
  call: Call,
  topic: Topic,
  serverLevel: AskedLevel,
  host: string,
): void | Promise<void> {
  const level = askedLevel(call) ?? topic.definition.ackLevel ?? serverLevel;
  const { exchange, command } = call;
  const { tag } = call;
  const record = {
    id: exchange.id,
    tag,
    head: messageHead(call, topic, tag, host) + lengthLine(command.body.length),
    body: command.body,
  };
  const done: AppendDone = (error, offset, reached) => {
    if (error === null) {
      topic.traffic.produced(record.head.length + command.body.length);
      call.ok(`offset: ${offset}\r\nack_level: ${reached}\r\n`, String(Date.now()));
    } else {
      topic.traffic.touched();
      call.fail(error);
    }
  };
  const room = topic.roomFor(record);
  if (room === null) topic.append(record, level, exchange.session, done);
  else return appendLater(room, topic, record, level, exchange.session, done);
}

/** Appends once retention has made room. */
async function appendLater(
  room: Promise<void>,
  topic: Topic,
  record: AppendRecord,
  level: AskedLevel,
  session: Session,
  done: AppendDone,
): Promise<void> {
  // The body may be a view on bytes that are only ours for this turn.
  const kept = { ...record, body: Buffer.from(record.body) };
  for (let waiting: Promise<void> | null = room; waiting !== null;) {
    await waiting;
    waiting = topic.roomFor(kept);
  }
  topic.append(kept, level, session, done);
}

/** The level a request asks for; undefined when it does not say. Throws BadRequestError. */
export function askedLevel(call: Call): AskedLevel | undefined {
  const value = call.get(Header.ackLevel);
  if (value === undefined || value === 'disk' || value === 'page' || value === 'none') return value;
  throw new BadRequestError(`Bad ack_level "${value}": must be disk, page or none`);
}

/** Header lines of the message that a request is, as a consumer gets them. */
export function messageHead(call: Call, topic: Topic, tag: string, host: string): string {
  const { request, session, id } = call.exchange;
  let head =
    `origin_id: ${id}\r\norigin_url: ${call.command.url}\r\norigin_method: ${request.method}\r\n` +
    `topic: ${topic.nameLatin1}\r\nsender: ${session.id}\r\nhost: ${host}\r\n`;
  if (tag !== '') head += `tag: ${tag}\r\n`;
  for (const [name, value] of call.command.headers) {
    if (isPassedOn(name)) head += `${name}: ${value}\r\n`;
  }
  return head;
}

/** The end of a message's head. */
export function lengthLine(bytes: number): string {
  return `content-length: ${bytes}\r\n\r\n`;
}
