/**
 * Carries calls of services to one of several servers: one at which a service lives, and another
 * when that one refuses or is gone, within the call's time. Made by BrokerClient for its
 * RpcInvokers. Promises that a call that may have run is made again only when it is idempotent.
 */
import {
  CallsFullError,
  ClosedError,
  ForbiddenError,
  NoServiceError,
  NotFoundError,
  StoppingError,
  UnauthorizedError,
} from '../../errors.js';
import { Header } from '../../protocol/headers.js';
import type { Message } from '../../protocol/message.js';
import { textOf } from '../../protocol/names.js';
import type { Call, CallOptions } from '../call.js';
import { BufferFullError, ConnectionLostError, TimeoutError } from '../errors.js';
import type { IdSource } from '../id-source.js';
import type { ConnectionOptions } from '../options.js';
import type { Request } from '../requests.js';
import type { CallCarrier } from '../rpc/rpc-invoker.js';
import { RoutedCaller, type Verdict, wasNotSent } from './routed-caller.js';
import { type ChooseServer, chooserOf, served, type ServerRule } from './server-choice.js';
import type { ServerSet } from './server-set.js';

/** So long a call waits at one server for a service; then it looks whether others have one. */
const WAIT_MAX_MS = 1000;

/** The server is not there, or does not begin the call. */
const NOT_RUN = [StoppingError, BufferFullError] as const;
/** It does not run there, and perhaps elsewhere. */
const REFUSED = [NotFoundError, CallsFullError, UnauthorizedError, ForbiddenError] as const;
const FAULTS = [ConnectionLostError, TimeoutError, ClosedError, BufferFullError] as const;

export class RoutedRpc implements CallCarrier {
  readonly options: ConnectionOptions;
  readonly ids: IdSource;
  readonly #servers: ServerSet;
  readonly #caller: RoutedCaller;
  readonly #choose: ChooseServer;

  /** Throws BadRequestError for a rule that is none. */
  constructor(servers: ServerSet, rule: ServerRule = servers.rules.rpc) {
    this.options = servers.connectionOptions;
    this.ids = servers.ids;
    this.#servers = servers;
    this.#caller = new RoutedCaller(servers);
    this.#choose = chooserOf(rule, servers.random);
  }

  call<Result>(
    request: Request,
    options: CallOptions,
    read: (reply: Message, call: Call) => Result,
  ): Promise<Result> {
    const { clock } = this.options;
    const isIdempotent = options.onLost === 'resend';
    const waitEndMs = clock.nowMs() + Number(request.headers.get(Header.wait) ?? 0);
    const waitLeftMs = (): number => Math.max(0, waitEndMs - clock.nowMs());
    const asked = new Set<string>();
    return this.#caller.run<Result>({
      kind: 'rpc',
      topic: textOf(request.headers.get(Header.topic) ?? ''),
      key: null,
      choose: this.#choose,
      narrow: served,
      timeoutMs: options.timeoutMs,
      signal: options.signal,
      send: ({ client }, { key }, leftMs) => {
        // All are asked once before it waits at one.
        const waits = asked.has(key) || this.#servers.routes.servers.size === 1;
        asked.add(key);
        const waitMs = waits ? Math.min(waitLeftMs(), WAIT_MAX_MS) : 0;
        if (waitMs > 0) request.headers.set(Header.wait, String(Math.ceil(waitMs)));
        else request.headers.delete(Header.wait);
        const limits: CallOptions = { ...options, timeoutMs: leftMs, onLost: 'elsewhere' };
        return client.connection.call(request, limits, read);
      },
      judge: (error) => judge(error, isIdempotent, waitLeftMs() > 0),
      isFault: (error) => FAULTS.some((known) => error instanceof known),
    });
  }
}

function judge(error: unknown, isIdempotent: boolean, waits: boolean): Verdict {
  if (error instanceof NoServiceError) return waits ? 'again' : 'elsewhere';
  if (wasNotSent(error) || NOT_RUN.some((known) => error instanceof known)) return 'later';
  if (error instanceof ConnectionLostError || error instanceof ClosedError) {
    return isIdempotent ? 'later' : 'final';
  }
  // A topic is made when its first service comes.
  if (error instanceof NotFoundError && waits) return 'later';
  return REFUSED.some((known) => error instanceof known) ? 'elsewhere' : 'final';
}
