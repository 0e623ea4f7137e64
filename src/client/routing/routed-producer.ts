/**
 * Produces to one of several servers, chosen by a rule, and to another under the same id when that
 * one does not answer. Made by BrokerClient. Promises that a message that resolves is stored at the
 * server that is named, and that one is stored twice only where an attempt had no answer.
 */
import {
  BadRequestError,
  ClosedError,
  ForbiddenError,
  LimitError,
  NotFoundError,
  StorageFailedError,
  StorageFullError,
  UnauthorizedError,
} from '../../errors.js';
import type { Body } from '../body.js';
import type { CallOptions } from '../call.js';
import { BufferFullError, ConnectionLostError, TimeoutError } from '../errors.js';
import type { Produced, ProduceOptions } from '../mq-client.js';
import { produceRequest, readProduced } from '../produce-request.js';
import { RoutedCaller, type Verdict, wasNotSent } from './routed-caller.js';
import { type ChooseServer, chooserOf, preferred, type ServerRule } from './server-choice.js';
import type { ServerSet } from './server-set.js';

export interface RoutedProduceOptions extends ProduceOptions {
  /** For the rule: with `sticky` messages of one key go to one server as long as it is there. */
  readonly key?: string;
}

/** What the messages of a producer have in common. */
export interface RoutedProducerOptions extends Omit<RoutedProduceOptions, 'id'> {
  /** Which server gets a message. Default: that of the broker, `mostConsumers`. */
  readonly rule?: ServerRule;
  /**
   * Milliseconds after which a server that has not answered is taken for failed, and the message
   * sent to another; it may then be stored twice. Default 5000.
   */
  readonly attemptTimeoutMs?: number;
}

/** A message that is stored. */
export interface RoutedProduced extends Produced {
  /** The key of the server that has it, `host:port`; its offset is one of that server. */
  readonly server: string;
}

const ATTEMPT_TIMEOUT_MS = 5000;
/** The server is not there, or not any more. */
const GONE = [ConnectionLostError, TimeoutError, ClosedError, BufferFullError] as const;
/** The server cannot take it, and another perhaps can. */
const REFUSED = [
  ...[NotFoundError, LimitError, StorageFullError, StorageFailedError],
  ...[UnauthorizedError, ForbiddenError],
] as const;

/** Produces to one topic of several servers. */
export class RoutedProducer {
  readonly topic: string;
  readonly #servers: ServerSet;
  readonly #caller: RoutedCaller;
  readonly #defaults: RoutedProducerOptions;
  readonly #choose: ChooseServer;

  /** Throws BadRequestError. */
  constructor(servers: ServerSet, topic: string, defaults: RoutedProducerOptions = {}) {
    const { rule = servers.rules.produce, attemptTimeoutMs = ATTEMPT_TIMEOUT_MS } = defaults;
    if (!(attemptTimeoutMs > 0)) {
      throw new BadRequestError(`Bad attemptTimeoutMs "${attemptTimeoutMs}": must be above 0`);
    }
    this.topic = topic;
    this.#servers = servers;
    this.#caller = new RoutedCaller(servers);
    this.#defaults = { ...defaults, attemptTimeoutMs };
    this.#choose = chooserOf(rule, servers.random);
  }

  /**
   * Stores a message at one server. Resolves once it has reached its ack level there. Rejects as
   * Bus.produce does: with NotFoundError when no server has the topic, with TimeoutError when none
   * has answered in time; it may be stored then.
   */
  async produce(body?: Body, options: RoutedProduceOptions = {}): Promise<RoutedProduced> {
    const all = { ...this.#defaults, ...options };
    const context = { ids: this.#servers.ids, options: this.#servers.connectionOptions };
    const request = produceRequest(context, this.topic, body, all);
    let attempts = 0;
    return this.#caller.run<RoutedProduced>({
      kind: 'produce',
      topic: this.topic,
      key: all.key ?? null,
      choose: this.#choose,
      narrow: preferred,
      timeoutMs: all.timeoutMs ?? this.#servers.connectionOptions.timeoutMs,
      signal: all.signal,
      send: async ({ client }, { key }, leftMs) => {
        const limits: CallOptions = {
          timeoutMs: Math.min(leftMs, all.attemptTimeoutMs ?? ATTEMPT_TIMEOUT_MS),
          signal: all.signal,
          onLost: 'elsewhere',
        };
        attempts++;
        try {
          const produced = await client.connection.call(request, limits, readProduced);
          return { ...produced, attempts, server: key };
        } catch (error) {
          if (wasNotSent(error)) attempts--;
          throw error;
        }
      },
      judge,
      isFault,
    });
  }
}

function judge(error: unknown): Verdict {
  if (GONE.some((known) => error instanceof known)) return 'later';
  return REFUSED.some((known) => error instanceof known) ? 'elsewhere' : 'final';
}

function isFault(error: unknown): boolean {
  return (
    GONE.some((known) => error instanceof known) ||
    error instanceof StorageFullError ||
    error instanceof StorageFailedError
  );
}
