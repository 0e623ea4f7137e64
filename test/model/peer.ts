/**
 * A client without a socket: a session whose requests are exchanges made by the test, and an outbox
 * that the test can stop, empty in part, or lose. Stands where server/connection stands.
 */
import { Buffer } from 'node:buffer';
import { ANYONE } from '../../src/auth/grant.js';
import type { Delivery, Exchange } from '../../src/broker/exchange.js';
import { Session } from '../../src/broker/session.js';
import type { Message } from '../../src/protocol/message.js';
import { Phase, type Turn, type TurnTask } from '../../src/turn.js';

/** A message that the broker gave to a consumer. */
export interface HandOut {
  readonly group: string;
  readonly peer: string;
  /** Of the request that it answers. */
  readonly id: string;
  readonly offset: number;
  readonly retry: number;
  readonly body: string;
}

/** What became of a request that waited for a message. */
export interface WaitEnd {
  readonly id: string;
  readonly status: number;
}

/** What the peers write down. */
export interface Record {
  handOuts: HandOut[];
  /** Of these, by `handOutKey`, what the kernel took. */
  taken: Set<string>;
  waitEnds: WaitEnd[];
}

interface Unsent {
  readonly key: string;
  readonly delivery: Delivery;
}

export function handOutKey(group: string, offset: number): string {
  return `${group} ${offset}`;
}

export function newRecord(): Record {
  return { handOuts: [], taken: new Set(), waitEnds: [] };
}

/** Unsent messages of one group from which on a stalled peer takes no more of it. */
export const UNSENT_MAX = 3;

export class Peer implements TurnTask {
  scheduled = false;
  readonly name: string;
  readonly session: Session;
  readonly record: Record;
  /** While true the kernel takes no bytes for it. */
  stalled = false;
  closed = false;
  readonly #turn: Turn;
  /** Handed out and not taken by the kernel, by group. */
  readonly #unsent = new Map<string, Unsent[]>();

  constructor(name: string, turn: Turn, record: Record) {
    this.name = name;
    this.session = new Session(name, name);
    this.#turn = turn;
    this.record = record;
  }

  request(headers: readonly (readonly [string, string])[], body = ''): TestExchange {
    const message: Message = {
      method: 'POST',
      url: '/',
      status: 0,
      httpMinor: 1,
      headers: new Map(headers),
      body: Buffer.from(body),
    };
    return new TestExchange(this, message);
  }

  isCongested(group: string): boolean {
    return this.stalled && this.#unsentOf(group).length >= UNSENT_MAX;
  }

  push(group: string, offset: number, delivery: Delivery): void {
    this.#unsentOf(group).push({ key: handOutKey(group, offset), delivery });
    this.#turn.schedule(Phase.send, this);
  }

  endTurn(): void {
    if (!this.stalled) this.take(Infinity);
  }

  /** The kernel takes the first `count` messages of each group; room is told of as it comes. */
  take(count: number): void {
    for (const [group, unsent] of this.#unsent) {
      this.#unsent.set(group, unsent.slice(count));
      for (const { key, delivery } of unsent.slice(0, count)) {
        this.record.taken.add(key);
        delivery.delivered();
      }
    }
    this.session.writable();
  }

  /** The connection breaks: what the kernel did not take is lost. */
  close(): void {
    this.closed = true;
    this.session.end();
    this.abandon();
  }

  abandon(): void {
    const lost = [...this.#unsent.values()].flat();
    this.#unsent.clear();
    for (const { delivery } of lost) delivery.undelivered();
  }

  #unsentOf(group: string): Unsent[] {
    const unsent = this.#unsent.get(group) ?? [];
    this.#unsent.set(group, unsent);
    return unsent;
  }
}

export class TestExchange implements Exchange {
  readonly peer: Peer;
  readonly request: Message;
  readonly grant = ANYONE;
  readonly id: string;
  /** 0 until it is answered. */
  status = 0;
  text = '';
  #waits = false;
  #done = false;

  constructor(peer: Peer, request: Message) {
    this.peer = peer;
    this.request = request;
    this.id = request.headers.get('id') ?? '';
  }

  get session(): Session {
    return this.peer.session;
  }

  get alive(): boolean {
    if (this.#done || this.peer.closed) return false;
    return !this.#waits || !this.session.ended;
  }

  get congested(): boolean {
    return this.peer.isCongested(this.#group);
  }

  answer(status: number, _headerLines: string, body: string | Buffer): void {
    if (!this.alive) return;
    this.#done = true;
    this.status = status;
    this.text = body.toString();
    if (this.#waits) this.peer.record.waitEnds.push({ id: this.id, status });
  }

  answerPlain(status: number, headerLines: string, body: string | Buffer): void {
    this.answer(status, headerLines, body);
  }

  deliver(
    headerLines: string,
    bytes: Buffer,
    start: number,
    end: number,
    delivery: Delivery | null,
    more = false,
  ): void {
    if (!this.alive) {
      delivery?.undelivered();
      return;
    }
    this.#done = !more;
    this.status = 200;
    this.text = headerLines + bytes.toString('latin1', start, end);
    if (delivery === null) return;
    const offset = Number(headerOf(this.text, 'offset'));
    this.peer.record.handOuts.push({
      group: headerOf(this.text, 'consume_group'),
      peer: this.peer.name,
      id: this.id,
      offset,
      retry: Number(headerOf(this.text, 'retry')),
      body: this.text.slice(this.text.indexOf('\r\n\r\n') + 4),
    });
    this.peer.push(this.#group, offset, delivery);
  }

  silence(): void {
    this.#done = true;
  }

  wait(): boolean {
    this.#waits = true;
    return true;
  }

  get #group(): string {
    return this.request.headers.get('consume_group') ?? '';
  }
}

/** The value of a header line; '' when there is none. */
export function headerOf(text: string, name: string): string {
  const head = `\r\n${text.slice(0, text.indexOf('\r\n\r\n'))}`;
  const start = head.indexOf(`\r\n${name}: `);
  if (start < 0) return '';
  const valueStart = start + name.length + 4;
  const end = head.indexOf('\r\n', valueStart);
  return head.slice(valueStart, end < 0 ? undefined : end);
}
