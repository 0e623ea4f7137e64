/**
 * Calls the services of one topic. Used by Bus.rpc, and on its own where a call needs options of
 * its own or does not follow the JSON convention.
 */
import type { Buffer } from 'node:buffer';
import { BadRequestError, LimitError } from '../../errors.js';
import { CommandName } from '../../protocol/commands.js';
import { Header } from '../../protocol/headers.js';
import type { Message } from '../../protocol/message.js';
import { checkTopicName, latin1Of } from '../../protocol/names.js';
import { type Body, encodeBody } from '../body.js';
import type { Call, CallOptions } from '../call.js';
import { errorOf } from '../errors.js';
import type { IdSource } from '../id-source.js';
import type { CallLimits } from '../mq-client.js';
import type { ConnectionOptions } from '../options.js';
import { addOwnHeaders, type HeaderValues, newRequest, type Request } from '../requests.js';
import { decodeAnswer, encodeCall, JSON_TYPE } from './convention.js';
import { RpcAnswer } from './rpc-answer.js';

export interface RequestOptions extends CallLimits {
  /** Milliseconds that the broker keeps it when no service is there; default 0: NoServiceError. */
  readonly waitMs?: number;
  /**
   * True: running it twice does what running it once does. It is then handed to another service
   * when the one that has it goes away, and sent again when the connection is lost.
   */
  readonly idempotent?: boolean;
  /** Handed to the service, under lower-case names. */
  readonly headers?: HeaderValues;
}

export interface RpcOptions extends RequestOptions {
  /** Which of the services behind the topic; default ''. */
  readonly module?: string;
}

/** Takes calls to a broker, or to one of several. */
export interface CallCarrier {
  readonly options: ConnectionOptions;
  readonly ids: IdSource;
  /** As Connection.call. */
  call<Result>(
    request: Request,
    options: CallOptions,
    read: (reply: Message, call: Call) => Result,
  ): Promise<Result>;
}

/** Given as options, they would say two things at once. */
const SET_BY_OPTIONS = [Header.timeout, Header.wait, Header.idempotent] as const;
/** As much as the broker's timer can hold. */
const TIMEOUT_MAX_MS = 2 ** 31 - 1;

/** Calls the services of one topic by name: for options of each call, and for other bodies. */
export class RpcInvoker {
  readonly topic: string;
  readonly #carrier: CallCarrier;
  readonly #defaults: RpcOptions;

  /**
   * `client` is the `client` of a bus; over several brokers Broker.invoker makes invokers.
   * `defaults` hold for calls that do not say otherwise. Throws BadRequestError.
   */
  constructor(
    client: { readonly connection: CallCarrier },
    topic: string,
    defaults: RpcOptions = {},
  ) {
    this.#carrier = client.connection;
    this.topic = checkTopicName(topic);
    this.#defaults = defaults;
  }

  /**
   * Has a service run `method`, and resolves with its result: a JSON value, or a Uint8Array.
   * Rejects with RpcError when the service says that it failed; NoServiceError, CallTimeoutError
   * and ServiceFailedError tell what else became of it (docs/client.md, RPC).
   */
  async call<Result = unknown>(
    method: string,
    params: readonly unknown[] = [],
    options: RpcOptions = {},
  ): Promise<Result> {
    const all = { ...this.#defaults, ...options };
    const bytes = encodeCall(method, params, all.module ?? '');
    return decodeAnswer(await this.#send(bytes, JSON_TYPE, all)) as Result;
  }

  /**
   * Sends any body, and resolves with whatever the service answers, error statuses included.
   * Rejects as `call` does for what the broker says.
   */
  async request(body?: Body, options: RequestOptions = {}): Promise<RpcAnswer> {
    const { bytes, contentType } = encodeBody(body);
    return this.#send(bytes, contentType, { ...this.#defaults, ...options });
  }

  async #send(
    bytes: Buffer,
    contentType: string | null,
    options: RequestOptions,
  ): Promise<RpcAnswer> {
    const carrier = this.#carrier;
    const { bodyBytesMax } = carrier.options;
    if (bytes.length > bodyBytesMax) {
      throw new LimitError(`The call has ${bytes.length} bytes: bodyBytesMax is ${bodyBytesMax}`);
    }
    const headers = this.#headers(contentType, options);
    const limits: CallOptions = {
      timeoutMs: options.timeoutMs ?? carrier.options.timeoutMs,
      signal: options.signal,
      onLost: options.idempotent === true ? 'resend' : 'fail',
      tellTimeLeft: (sent, leftMs) => {
        sent.set(Header.timeout, String(Math.min(Math.ceil(leftMs), TIMEOUT_MAX_MS)));
      },
    };
    const request = newRequest(CommandName.rpc, carrier.ids.next(), headers, bytes);
    return carrier.call(request, limits, readAnswer);
  }

  #headers(contentType: string | null, options: RequestOptions): Map<string, string> {
    const { waitMs = 0, idempotent = false, headers: own } = options;
    const headers = new Map<string, string>([[Header.topic, latin1Of(this.topic)]]);
    if (own !== undefined) addOwnHeaders(headers, own);
    for (const name of SET_BY_OPTIONS) {
      if (!headers.has(name)) continue;
      throw new BadRequestError(`Bad header "${name}": give it as an option of the call`);
    }
    if (contentType !== null && !headers.has(Header.contentType)) {
      headers.set(Header.contentType, contentType);
    }
    if (waitMs > 0) headers.set(Header.wait, String(Math.ceil(waitMs)));
    if (idempotent) headers.set(Header.idempotent, 'true');
    return headers;
  }
}

/** What has no sender comes from the broker, and is an error. */
function readAnswer(reply: Message): RpcAnswer {
  if (!reply.headers.has(Header.sender)) throw errorOf(reply);
  return new RpcAnswer(reply);
}
