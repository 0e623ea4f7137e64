/**
 * Every command of the protocol as a method, over one connection. Made by `connect`, and the layer
 * below Bus, Producer and Consumer, which send nothing that is not here.
 */
import { CommandName } from '../protocol/commands.js';
import { Header } from '../protocol/headers.js';
import { checkGroupName, checkTopicName, latin1Of } from '../protocol/names.js';
import { offsetList } from '../protocol/offsets.js';
import type { Body } from './body.js';
import type { CallOptions } from './call.js';
import type { Connection } from './connection.js';
import {
  addDeclaration,
  type GroupOptions,
  type StartOptions,
  type TopicOptions,
} from './declaration.js';
import { asError } from './errors.js';
import type { GroupInfo, ServerInfo, TopicInfo, TrackerInfo } from './info.js';
import { produceRequest, readProduced } from './produce-request.js';
import { type HeaderValues, newRequest, nothing, readJson, type Request } from './requests.js';
import { StoredMessage } from './stored-message.js';

/** How long a call may take, and who may end it. */
export interface CallLimits {
  /** Milliseconds until the answer must be there. Default: the connection's; Infinity: no end. */
  readonly timeoutMs?: number;
  /** Ends the call with the signal's reason. What was sent may be carried out all the same. */
  readonly signal?: AbortSignal | undefined;
}

/** What a 200 to a produce must mean: docs/protocol.md, produce. */
export type AskedLevel = 'disk' | 'page' | 'none';

export interface ProduceOptions extends CallLimits {
  /** For the filters of groups. */
  readonly tag?: string;
  /** Handed to consumers as they are, under lower-case names. */
  readonly headers?: HeaderValues;
  /** The message's id; made up when absent. */
  readonly id?: string;
  /** Absent: the topic's level, else the broker's. */
  readonly ackLevel?: AskedLevel;
}

/** A message that is stored. */
export interface Produced {
  readonly id: string;
  /** The message's number in its topic. */
  readonly offset: number;
  /** What was reached. */
  readonly ackLevel: AskedLevel | 'memory';
  /** The broker's time, milliseconds since 1970. */
  readonly timestampMs: number;
  /**
   * How often it was sent. Above 1 the answer to an earlier time was lost with its connection, so
   * the message may be stored more than once, under one id.
   */
  readonly attempts: number;
}

/** Names a group of the topic. */
export interface InGroup extends CallLimits {
  /**
   * Absent, `remove`, `empty`, `query` and `declare` mean the topic, and all others the group named
   * like it.
   */
  readonly group?: string;
}

/**
 * Every command on its own. Calls reject with a ZbusError: NotFoundError, ForbiddenError,
 * BadRequestError, … for what the broker answers, TimeoutError, ConnectionLostError, ClosedError
 * and BufferFullError where it does not (docs/client.md, Errors). Found as `bus.client`.
 */
export class MqClient {
  /** The layer below, for the classes of this folder. */
  readonly connection: Connection;

  constructor(connection: Connection) {
    this.connection = connection;
  }

  /** Stores a message. A connection that is lost meanwhile means that it is sent again. */
  produce(topic: string, body?: Body, options: ProduceOptions = {}): Promise<Produced> {
    let request: Request;
    try {
      request = produceRequest(this.connection, topic, body, options);
    } catch (error) {
      return Promise.reject(asError(error));
    }
    return this.connection.call(request, this.#limits(options, 'resend'), readProduced);
  }

  /** Makes a topic, or a group of it, or changes what is there. Absent options change nothing. */
  declare(
    topic: string,
    options: TopicOptions & GroupOptions & StartOptions & CallLimits & { group: string },
  ): Promise<GroupInfo>;
  declare(topic: string, options?: TopicOptions & CallLimits): Promise<TopicInfo>;
  async declare(
    topic: string,
    options: TopicOptions & GroupOptions & StartOptions & InGroup = {},
  ): Promise<TopicInfo | GroupInfo> {
    const request = this.#request(CommandName.declare, topic, options.group);
    addDeclaration(request.headers, options);
    const limits = this.#limits(options, 'resend');
    return (await this.connection.call(request.message, limits, readJson)) as TopicInfo | GroupInfo;
  }

  /** What is known of the topic, of a group of it, or of the broker. */
  query(topic: string, options: CallLimits & { group: string }): Promise<GroupInfo>;
  query(topic: string, options?: CallLimits): Promise<TopicInfo>;
  query(): Promise<ServerInfo>;
  async query(topic?: string, options: InGroup = {}): Promise<TopicInfo | GroupInfo | ServerInfo> {
    const { message } = this.#request(CommandName.query, topic, options.group);
    const limits = this.#limits(options, 'resend');
    return (await this.connection.call(message, limits, readJson)) as
      TopicInfo | GroupInfo | ServerInfo;
  }

  /** All servers that the broker is in touch with; itself too, unless it is a tracker only. */
  async tracker(options: CallLimits = {}): Promise<TrackerInfo> {
    const { message } = this.#request(CommandName.tracker, undefined, undefined);
    const limits = this.#limits(options, 'resend');
    return (await this.connection.call(message, limits, readJson)) as TrackerInfo;
  }

  /** Removes the topic with all in it, or a group of it. NotFoundError when it is not there. */
  remove(topic: string, options: InGroup = {}): Promise<void> {
    return this.#command(CommandName.remove, topic, options);
  }

  /** Drops all messages of the topic, or moves the group to its end. */
  empty(topic: string, options: InGroup = {}): Promise<void> {
    return this.#command(CommandName.empty, topic, options);
  }

  /** The message with this number; no group's position moves. NotFoundError when there is none. */
  async read<Value = unknown>(
    topic: string,
    offset: number,
    options: CallLimits = {},
  ): Promise<StoredMessage<Value>> {
    const { message, headers } = this.#request(CommandName.consume, topic, undefined);
    headers.set(Header.offset, String(offset));
    const limits = this.#limits(options, 'resend');
    return this.connection.call(message, limits, (reply) => new StoredMessage<Value>(reply));
  }

  /** Sends dead messages back to their group, `limit` of them at most; returns how many. */
  async redrive(
    topic: string,
    options: InGroup & { readonly limit?: number } = {},
  ): Promise<number> {
    const { message, headers } = this.#request(CommandName.redrive, topic, options.group);
    if (options.limit !== undefined) headers.set(Header.limit, String(options.limit));
    return this.connection.call(message, this.#limits(options, 'fail'), (reply) => {
      return (readJson(reply) as { redriven: number }).redriven;
    });
  }

  /**
   * Done with these messages, which came on the connection that is up: see ReceivedMessage.ack,
   * which is this for one message.
   */
  ack(topic: string, offsets: number | readonly number[], options: InGroup = {}): Promise<void> {
    return this.#settle(CommandName.ack, topic, offsets, options);
  }

  /** Gives these messages back, to be delivered again after `delayMs`. */
  nack(
    topic: string,
    offsets: number | readonly number[],
    options: InGroup & { readonly delayMs?: number } = {},
  ): Promise<void> {
    return this.#settle(CommandName.nack, topic, offsets, options, options.delayMs);
  }

  /** Begins the ack timeout of these messages anew. */
  renew(topic: string, offsets: number | readonly number[], options: InGroup = {}): Promise<void> {
    return this.#settle(CommandName.renew, topic, offsets, options);
  }

  /** Resolves when the broker answers. */
  ping(options: CallLimits = {}): Promise<void> {
    const request = this.connection.newPing();
    return this.connection.call(request, this.#limits(options, 'resend'), nothing);
  }

  #request(
    cmd: string,
    topic: string | undefined,
    group: string | undefined,
  ): { message: Request; headers: Map<string, string> } {
    const headers = new Map<string, string>();
    if (topic !== undefined) headers.set(Header.topic, latin1Of(checkTopicName(topic)));
    if (group !== undefined) headers.set(Header.consumeGroup, latin1Of(checkGroupName(group)));
    return { message: newRequest(cmd, this.connection.ids.next(), headers), headers };
  }

  async #command(cmd: string, topic: string, options: InGroup): Promise<void> {
    const { message } = this.#request(cmd, topic, options.group);
    await this.connection.call(message, this.#limits(options, 'fail'), nothing);
  }

  async #settle(
    cmd: string,
    topic: string,
    offsets: number | readonly number[],
    options: InGroup,
    delayMs = 0,
  ): Promise<void> {
    const { message, headers } = this.#request(cmd, topic, options.group);
    if (typeof offsets === 'number') headers.set(Header.offset, String(offsets));
    else headers.set(Header.offsets, offsetList(offsets));
    if (delayMs > 0) headers.set(Header.delay, String(delayMs));
    await this.connection.call(message, this.#limits(options, 'fail'), nothing);
  }

  #limits({ timeoutMs, signal }: CallLimits, onLost: CallOptions['onLost']): CallOptions {
    return { timeoutMs: timeoutMs ?? this.connection.options.timeoutMs, signal, onLost };
  }
}
