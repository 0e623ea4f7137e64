/**
 * One request as a command sees it: parameters by name, values checked as they are read. Made by
 * Broker for each exchange; the only place where a header value becomes a number, a name, a mask or
 * a flag.
 */
import { BadRequestError, LimitError, type ZbusError } from '../errors.js';
import type { LimitReports } from '../limit-reports.js';
import { Header } from '../protocol/headers.js';
import { checkFilter } from '../protocol/filter.js';
import { parseMask } from '../protocol/masks.js';
import {
  checkGroupName,
  checkTag,
  checkTopicName,
  decodeValue,
  latin1Of,
} from '../protocol/names.js';
import type { Command } from '../protocol/url.js';
import type { Grant } from '../auth/grant.js';
import { unauthorized } from './authorize.js';
import type { Exchange } from './exchange.js';

export const JSON_LINES = 'content-type: application/json\r\n';

/** Timers hold 31 bits of milliseconds. */
const TIME_MAX_MS = 2 ** 31 - 1;

export class Call {
  readonly exchange: Exchange;
  readonly command: Command;
  /** An RPC is answered whatever its `ack` says: clients of the family send `ack: false`. */
  mustAnswer = false;
  readonly #limits: LimitReports;

  constructor(exchange: Exchange, command: Command, limits: LimitReports) {
    this.exchange = exchange;
    this.command = command;
    this.#limits = limits;
  }

  /** `ack: false`: nothing is answered, errors included. */
  get quiet(): boolean {
    if (this.mustAnswer) return false;
    const ack = this.command.get(Header.ack);
    return ack === 'false' || ack === '0';
  }

  /** The value as latin1 bytes; undefined when absent. */
  get(name: string): string | undefined {
    return this.command.get(name);
  }

  /** What the sender may do. Throws UnauthorizedError when the request has no valid token. */
  get grant(): Grant {
    const { grant } = this.exchange;
    if (grant === null || grant.revoked) throw unauthorized(this.exchange);
    return grant;
  }

  get namesTopic(): boolean {
    return (this.get(Header.topic) ?? '') !== '';
  }

  /** Topic of the request. Throws BadRequestError `Missing topic`, or with the rule of names. */
  get topic(): string {
    const value = this.command.encoded(Header.topic);
    if (value === undefined || value === '') throw new BadRequestError('Missing topic');
    return checkTopicName(decodeValue(value));
  }

  /** Consume group of the request; undefined when none is named. */
  get group(): string | undefined {
    const value = this.command.encoded(Header.consumeGroup);
    return value === undefined || value === '' ? undefined : checkGroupName(decodeValue(value));
  }

  /** The tag as latin1 bytes, '' when absent. */
  get tag(): string {
    const value = this.command.encoded(Header.tag);
    return value === undefined ? '' : checkTag(value);
  }

  filter(): string | undefined {
    const value = this.command.encoded(Header.groupFilter);
    return value === undefined ? undefined : checkFilter(value);
  }

  mask(name: string): number | undefined {
    const value = this.get(name);
    return value === undefined ? undefined : parseMask(name, value);
  }

  /** A whole number from 0 to 2^53 - 1; undefined when absent. */
  number(name: string): number | undefined {
    const value = this.get(name);
    if (value === undefined) return undefined;
    const number = /^[0-9]{1,16}$/.test(value) ? Number(value) : NaN;
    if (!Number.isSafeInteger(number)) {
      throw new BadRequestError(
        `Bad ${name} "${value}": must be a whole number from 0 to 2^53 - 1`,
      );
    }
    return number;
  }

  /** As `number`, of milliseconds: more than a timer can hold counts as what it can. */
  timeMs(name: string): number | undefined {
    const timeMs = this.number(name);
    return timeMs === undefined ? undefined : Math.min(timeMs, TIME_MAX_MS);
  }

  /** The request begins to wait. Throws LimitError when too many of its connection do. */
  wait(): void {
    if (this.exchange.wait()) return;
    throw new LimitError('Too many consume requests wait on this connection: waitingMax reached', {
      limit: 'waitingMax',
    });
  }

  /**
   * Begins a subscription, answered again and again whatever its `ack` says. False: plain HTTP, a
   * URL without an id, has one reply to a request. Throws LimitError.
   */
  subscribe(): boolean {
    const { headers } = this.exchange.request;
    if (!headers.has(Header.id) && !headers.has(Header.cmd)) return false;
    this.mustAnswer = true;
    this.wait();
    return true;
  }

  flag(name: string): boolean {
    const value = this.get(name);
    return value === 'true' || value === '1';
  }

  /** Answers 200; a body that is a string is latin1. */
  ok(headerLines: string, body: string | Buffer): void {
    if (this.quiet) this.exchange.silence();
    else this.exchange.answer(200, headerLines, body);
  }

  json(value: unknown): void {
    this.ok(JSON_LINES, Buffer.from(JSON.stringify(value)));
  }

  fail(error: ZbusError): void {
    const { limit } = error;
    if (limit !== null) this.#limits.reached(limit, { peer: this.exchange.session.remoteAddress });
    if (this.quiet) this.exchange.silence();
    else this.exchange.answer(error.status, error.replyHeaderLines, latin1Of(error.message));
  }
}
