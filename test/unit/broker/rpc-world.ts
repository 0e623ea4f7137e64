/**
 * Callers and services without sockets around one desk, for rpc-calls.test.ts: a test decides when
 * a service's connection takes a request, ends, or loses what it has not taken. Each exchange
 * refuses to be answered twice, and each hand-out is held to the promises of the desk.
 */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import type { Delivery, Exchange } from '../../../src/broker/exchange.js';
import { RpcCalls, type RpcOptions } from '../../../src/broker/rpc/rpc-calls.js';
import { RpcDesk } from '../../../src/broker/rpc/rpc-desk.js';
import type { CallOptions } from '../../../src/broker/rpc/rpc-call.js';
import { Session } from '../../../src/broker/session.js';
import { Waiter, WaitingLine } from '../../../src/broker/waiting-line.js';
import { ANYONE } from '../../../src/auth/grant.js';
import { ZbusError } from '../../../src/errors.js';
import { ManualClock } from '../../support/manual-clock.js';
import { TrafficCounts } from '../../../src/broker/traffic-counts.js';

export class TestExchange implements Exchange {
  readonly session: Session;
  readonly grant = ANYONE;
  readonly id: string;
  readonly request = {
    method: 'GET',
    url: '/',
    status: 0,
    httpMinor: 1 as const,
    headers: new Map<string, string>(),
    body: Buffer.alloc(0),
  };
  alive = true;
  readonly congested = false;
  /** Of the answer; 0 when it was silenced. */
  status: number | null = null;
  readonly #onDeliver: (text: string, delivery: Delivery) => void;

  constructor(
    session: Session,
    id: string,
    onDeliver: (text: string, delivery: Delivery) => void = () => undefined,
  ) {
    this.session = session;
    this.id = id;
    this.#onDeliver = onDeliver;
  }

  answer(status: number): void {
    assert.equal(this.status, null, 'answered twice');
    this.status = status;
    this.alive = false;
  }

  answerPlain(status: number): void {
    this.answer(status);
  }

  silence(): void {
    this.answer(0);
  }

  deliver(
    text: string,
    bytes: Buffer,
    start: number,
    end: number,
    delivery: Delivery | null,
  ): void {
    this.answer(200);
    assert(delivery !== null);
    this.#onDeliver(text + bytes.toString('latin1', start, end), delivery);
  }

  wait(): boolean {
    return true;
  }
}

export interface MadeCall {
  readonly exchange: TestExchange;
  readonly options: CallOptions;
  readonly deadlineMs: number;
  /** Services whose connections took it. */
  taken: number;
}

interface HandOut {
  readonly call: MadeCall;
  readonly delivery: Delivery;
}

export class TestService {
  session: Session;
  /** Handed out, and not taken by the kernel. */
  unsent: HandOut[] = [];
  /** Taken, and not answered. */
  held: MadeCall[] = [];

  constructor(session: Session) {
    this.session = session;
  }
}

export class RpcWorld {
  readonly clock = new ManualClock();
  readonly calls: RpcCalls;
  readonly desk: RpcDesk;
  /** Those that were accepted, by what the service gets of them. */
  readonly made = new Map<string, MadeCall>();
  readonly services: TestService[] = [];
  readonly #line = new WaitingLine(() => undefined);
  #sessions = 0;
  #ids = 0;
  #handingOut = false;

  constructor(options: RpcOptions) {
    this.calls = new RpcCalls(this.clock, options);
    this.desk = new RpcDesk('t', this.calls, new TrafficCounts(null), () => {
      this.#handOut();
    });
  }

  newSession(): Session {
    return new Session(`session-${this.#sessions++}`, '127.0.0.1:1');
  }

  addService(): TestService {
    const service = new TestService(this.newSession());
    this.services.push(service);
    this.desk.servicesChanged(this.services.length);
    return service;
  }

  /** Makes a call; undefined when it was refused. */
  call(session: Session, options: CallOptions): MadeCall | undefined {
    const id = `call-${this.#ids++}`;
    const exchange = new TestExchange(session, id);
    const deadlineMs = this.clock.nowMs() + options.timeoutMs;
    const call = { exchange, options, deadlineMs, taken: 0 };
    this.made.set(id, call);
    try {
      this.desk.call(exchange, '', id, options);
      return call;
    } catch (error) {
      assert(error instanceof ZbusError, String(error));
      this.made.delete(id);
      return undefined;
    }
  }

  /** The service asks for one call. */
  ask(service: TestService): void {
    const exchange = new TestExchange(service.session, `ask-${this.#ids++}`, (text, delivery) => {
      const call = this.made.get(text.slice(text.lastIndexOf('\n') + 1));
      assert(call !== undefined, `an unknown call was handed out: ${text}`);
      this.#checkHandOut(call);
      service.unsent.push({ call, delivery });
    });
    this.#line.push(new Waiter(exchange));
    this.#handOut();
  }

  /** The service's connection takes what was handed out first. */
  take(service: TestService): void {
    const handOut = service.unsent.shift();
    if (handOut === undefined) return;
    handOut.call.taken++;
    service.held.push(handOut.call);
    handOut.delivery.delivered();
  }

  /** The service answers what it took first, whether somebody still waits for it or not. */
  answer(service: TestService): void {
    const call = service.held.shift();
    if (call === undefined) return;
    const { session, id } = call.exchange;
    this.calls.answer(service.session, session.id, id, { status: 200, headerLines: '', body: '' });
  }

  end(service: TestService): void {
    this.services.splice(this.services.indexOf(service), 1);
    for (const { exchange } of this.#line.remove(service.session)) exchange.silence();
    service.session.end();
    this.desk.servicesChanged(this.services.length);
    for (const { delivery } of service.unsent) delivery.undelivered();
  }

  /** Calls that have one end, and those that have none yet, and nothing else, are accounted for. */
  check(): void {
    const { desk, calls } = this;
    const open = desk.queuedCount + desk.inHandCount;
    assert.deepEqual([calls.size, calls.deadlineCount], [open, open]);
    const { answeredCount, timedOutCount, unservedCount, failedCount, abandonedCount } =
      desk.figures;
    const refused = this.unserved;
    const ended = answeredCount + timedOutCount + unservedCount - refused + failedCount;
    assert.equal(ended + abandonedCount + open, this.made.size, JSON.stringify(desk.figures));
    if (open === 0) assert.equal(desk.bytes, 0);
  }

  /** Calls that were refused at once, there being no service. */
  unserved = 0;

  /** As a consume group does at the end of a turn. */
  #handOut(): void {
    if (this.#handingOut) return;
    this.#handingOut = true;
    for (let waiter = this.#line.peek(); waiter !== undefined; waiter = this.#line.peek()) {
      if (!this.desk.handOut(this.#line, waiter, '', this.clock.nowMs())) break;
    }
    this.#handingOut = false;
  }

  #checkHandOut({ exchange, options, deadlineMs, taken }: MadeCall): void {
    assert.equal(exchange.status, null, 'handed out though it has ended');
    assert(this.clock.nowMs() < deadlineMs, 'handed out behind its deadline');
    assert(!exchange.session.ended, 'handed out though the caller is gone');
    assert(taken === 0 || options.idempotent, 'run twice');
    assert(taken < 3, 'went round');
  }
}
