/**
 * The commands consume and unconsume: a place in a group's waiting line, or one message read by its
 * offset.
 */
import { BadRequestError, NotFoundError } from '../errors.js';
import { Header } from '../protocol/headers.js';
import { latin1Of } from '../protocol/names.js';
import type { Call } from './call.js';
import { consumeAsStream } from './stream.js';
import type { Topic } from './topic.js';

const RPC_NEEDS_ANSWERS =
  'The topic carries RPC, whose calls a stream cannot answer: consume over TCP or a WebSocket';

export function consume(call: Call, topic: Topic): void {
  const offset = call.number(Header.offset);
  if (offset !== undefined) {
    readAt(call, topic, offset);
    return;
  }
  const group = topic.group(call.group ?? topic.name);
  const { stream } = call.exchange;
  if (stream !== null && stream !== undefined) {
    if (topic.desk !== null) throw new BadRequestError(RPC_NEEDS_ANSWERS);
    consumeAsStream(call, group, stream, timeout(call));
    return;
  }
  const timeoutMs = timeout(call);
  const credits = prefetch(call);
  if (credits !== undefined && group.grant(call.exchange.session, call.exchange.id, credits)) {
    call.exchange.silence();
    return;
  }
  call.wait();
  group.consume(call.exchange, { credits: credits ?? 1, timeoutMs });
}

/** null: waits for ever. Throws BadRequestError. */
function timeout(call: Call): number | null {
  return call.timeMs(Header.timeout) ?? null;
}

/** Messages granted under the request's id; undefined for one. Throws BadRequestError. */
function prefetch(call: Call): number | undefined {
  const credits = call.number(Header.prefetch);
  if (credits === 0) throw new BadRequestError('Bad prefetch "0": must be at least 1');
  if (credits !== undefined && call.exchange.request.headers.get(Header.id) === undefined) {
    throw new BadRequestError(
      'Bad prefetch: needs an id, since a request without one gets one reply',
    );
  }
  return credits;
}

export function unconsume(call: Call, topic: Topic): void {
  topic.group(call.group ?? topic.name).unconsume(call.exchange.session);
  call.exchange.silence();
}

/** Answers with the message at `offset`; no group's position moves, so none need be named. */
function readAt(call: Call, topic: Topic, offset: number): void {
  const group = call.group === undefined ? topic.name : topic.group(call.group).name;
  topic.queue.readOne(offset, (error, batch) => {
    if (error !== null) {
      call.fail(error);
    } else if (batch.count === 0) {
      call.fail(new NotFoundError(`Message not found: offset=${offset}`));
    } else {
      const headerLines =
        `offset: ${offset}\r\ntimestamp: ${batch.timestampMs(0)}\r\n` +
        `consume_group: ${latin1Of(group)}\r\n`;
      call.exchange.deliver(headerLines, batch.bytes, batch.wireStart(0), batch.wireEnd(0), null);
    }
  });
}
