/**
 * A message on its way to a topic: the request that stores it, and what its answer says. Used by
 * MqClient for one broker and by RoutedProducer for several. Pure.
 */
import { LimitError } from '../errors.js';
import { CommandName } from '../protocol/commands.js';
import { Header } from '../protocol/headers.js';
import type { Message } from '../protocol/message.js';
import { checkId, checkTag, checkTopicName, latin1Of } from '../protocol/names.js';
import { type Body, encodeBody } from './body.js';
import type { Call } from './call.js';
import type { IdSource } from './id-source.js';
import type { Produced, ProduceOptions } from './mq-client.js';
import type { ConnectionOptions } from './options.js';
import { addOwnHeaders, namingValue, newRequest, type Request } from './requests.js';

export interface ProduceContext {
  readonly ids: IdSource;
  readonly options: Pick<ConnectionOptions, 'bodyBytesMax'>;
}

/** Throws BadRequestError for a name, id, tag or header that is none, LimitError. */
export function produceRequest(
  { ids, options: { bodyBytesMax } }: ProduceContext,
  topic: string,
  body: Body,
  options: ProduceOptions,
): Request {
  const { tag, headers: own, id, ackLevel } = options;
  const { bytes, contentType } = encodeBody(body);
  if (bytes.length > bodyBytesMax) {
    throw new LimitError(`The body has ${bytes.length} bytes: bodyBytesMax is ${bodyBytesMax}`);
  }
  // What is the same in all comes first: the broker knows the lines of the request before.
  const headers = new Map<string, string>();
  headers.set(Header.topic, latin1Of(checkTopicName(topic)));
  if (own !== undefined) addOwnHeaders(headers, own);
  if (contentType !== null && !headers.has(Header.contentType)) {
    headers.set(Header.contentType, contentType);
  }
  if (ackLevel !== undefined) headers.set(Header.ackLevel, ackLevel);
  if (tag !== undefined && tag !== '') {
    const value = namingValue(Header.tag, tag);
    checkTag(value);
    headers.set(Header.tag, value);
  }
  const wireId = id === undefined ? ids.next() : checkId(latin1Of(id));
  return newRequest(CommandName.produce, wireId, headers, bytes);
}

export function readProduced({ headers, body }: Message, { id, attempts }: Call): Produced {
  return {
    id,
    offset: Number(headers.get(Header.offset)),
    ackLevel: (headers.get(Header.ackLevel) ?? 'none') as Produced['ackLevel'],
    timestampMs: Number(body.toString('latin1')),
    attempts,
  };
}
