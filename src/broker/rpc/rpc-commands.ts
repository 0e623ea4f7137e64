/**
 * The commands rpc and route, and the other ways to make a call: produce to a topic with the rpc
 * mask, and URLs of both dialects (docs/protocol.md, RPC).
 */
import { Buffer } from 'node:buffer';
import { BadRequestError, ServiceFailedError, type ZbusError } from '../../errors.js';
import { CommandName } from '../../protocol/commands.js';
import { Header, isPassedOn } from '../../protocol/headers.js';
import { latin1Of, textOf } from '../../protocol/names.js';
import type { Command } from '../../protocol/url.js';
import type { Call } from '../call.js';
import type { CommandContext, Handler } from '../commands.js';
import { lengthLine, messageHead } from '../produce.js';
import type { Topic } from '../topic.js';
import { TEXT_BODY_BYTES_MAX } from './rpc-call.js';
import type { Answer } from './rpc-calls.js';
import type { RpcDesk } from './rpc-desk.js';

const JSON_LINE = 'content-type: application/json\r\n';

export function rpc(broker: CommandContext, call: Call): void {
  call.mustAnswer = true;
  const topic = broker.topics.get(call.topic);
  if (topic.desk === null) {
    throw new BadRequestError(
      `Topic(${topic.name}) carries no RPC: declare it with topic_mask 2 before it is used`,
    );
  }
  callService(broker, call, topic, topic.desk, bodyOfPath(call.command));
}

/** A path that begins with the name of such a topic is a call, where no command is named. */
export function callByPath(broker: CommandContext, call: Call): Handler | undefined {
  const { pathTopic } = call.command;
  const topic = pathTopic === undefined ? undefined : broker.topics.find(textOf(pathTopic));
  return topic?.desk ? rpc : undefined;
}

/** Makes the call; `pathBody` is what the path says, '' for nothing. */
export function callService(
  broker: CommandContext,
  call: Call,
  topic: Topic,
  desk: RpcDesk,
  pathBody = '',
): void {
  call.mustAnswer = true;
  const { command } = call;
  const options = {
    timeoutMs: call.timeMs(Header.timeout) ?? broker.calls.options.timeoutMs,
    waitMs: call.timeMs(Header.wait) ?? 0,
    idempotent: call.flag(Header.idempotent),
  };
  let head = messageHead(call, topic, call.tag, broker.identity.address);
  const fromPath = pathBody !== '' && command.body.length === 0;
  const body = fromPath ? pathBody : command.body;
  if (fromPath && call.get(Header.contentType) === undefined) head += JSON_LINE;
  desk.call(call.exchange, head + lengthLine(body.length), body, options);
}

/** The answer of a service. The sender of the route gets no reply, but for its own mistakes. */
export function route(broker: CommandContext, call: Call): void {
  const callerId = call.get(Header.recver);
  const id = call.get(Header.id);
  if (callerId === undefined) throw new BadRequestError('Missing recver');
  if (id === undefined) throw new BadRequestError('Missing id');
  const { session } = call.exchange;
  broker.calls.answer(session, callerId, id, answerOf(call, broker.identity.address));
  call.exchange.silence();
}

function answerOf(call: Call, host: string): Answer | ZbusError {
  const asked = call.get(Header.originStatus) ?? '200';
  if (!/^[2-5][0-9]{2}$/.test(asked)) {
    return new ServiceFailedError('The service answered with an origin_status that is no status');
  }
  const { headers, body } = call.command;
  let headerLines = `sender: ${call.exchange.session.id}\r\nhost: ${host}\r\n`;
  for (const [name, value] of headers) {
    if (isPassedOn(name)) headerLines += `${name}: ${value}\r\n`;
  }
  // The body may be a view on bytes that are only ours for this turn.
  const small = body.length <= TEXT_BODY_BYTES_MAX;
  return {
    status: Number(asked),
    headerLines,
    body: small ? body.toString('latin1') : Buffer.from(body),
  };
}

/**
 * The request that a path is, as latin1: `/rpc/<topic>/<method>/<parameters>` or
 * `/<topic>/<module>/<method>/<parameters>`; '' when it names no more than the topic. Throws
 * BadRequestError when there is a module and no method.
 */
function bodyOfPath(command: Command): string {
  const { segments } = command;
  const isFirst = segments[0] === CommandName.rpc;
  const parts = segments.slice(isFirst ? 2 : 1).map(textOf);
  if (parts.length === 0 || command.body.length > 0) return '';
  const module = isFirst ? textOf(command.get(Header.module) ?? '') : parts.shift();
  const method = parts.shift();
  if (method === undefined) {
    throw new BadRequestError('Missing method: the path must be /topic/module/method/parameters');
  }
  return latin1Of(JSON.stringify({ method, params: parts, module }));
}
