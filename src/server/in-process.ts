/**
 * A connection without a socket, for programs that embed the broker: requests and replies are
 * handed over as messages, and bodies are not copied. Made by Server.connect. Promises what a
 * connection over TCP does: answers go out at the end of the turn that made them, and a message
 * that could not be handed over goes to the next consumer.
 */
import { randomUUID } from 'node:crypto';
import { Buffer } from 'node:buffer';
import { ANYONE } from '../auth/grant.js';
import type { Delivery, Exchange } from '../broker/exchange.js';
import { Session } from '../broker/session.js';
import type { Message } from '../protocol/message.js';
import { Phase, type Turn, type TurnTask } from '../turn.js';

/** Who is at the other end. */
export interface InProcessPeer {
  onMessage(reply: Message): void;
  /** `congested` has become false. */
  onDrain(): void;
  /** Called once, after the last message. */
  onClose(cause: null): void;
}

export interface InProcessContext {
  readonly turn: Turn;
  /** Takes each request; must not throw. */
  readonly handle: (exchange: Exchange) => void;
  readonly onClose: (connection: InProcessConnection) => void;
}

interface Outgoing {
  readonly reply: Message;
  readonly delivery: Delivery | null;
}

const HEAD_END = '\r\n\r\n';
const LINE_END = '\r\n';

export class InProcessConnection implements TurnTask {
  scheduled = false;
  /** For a peer that asks whether the other side lives: it does as long as the process. */
  readonly activity = undefined;
  readonly session = new Session(randomUUID(), 'in-process');
  readonly #peer: InProcessPeer;
  readonly #context: InProcessContext;
  #outgoing: Outgoing[] = [];
  /** Requests that were neither answered nor wait. */
  #inFlight = 0;
  #state: 'open' | 'ending' | 'closed' = 'open';

  constructor(peer: InProcessPeer, context: InProcessContext) {
    this.#peer = peer;
    this.#context = context;
    this.session.onReadingChange = () => {
      if (!this.congested) peer.onDrain();
    };
  }

  /** True while the broker wants no more requests of this peer. */
  get congested(): boolean {
    return this.session.readingPaused;
  }

  /** Takes a request; its body must not change until it is answered. */
  send(request: Message): void {
    if (this.#state !== 'open') return;
    this.#inFlight++;
    // The broker lets go of parts of what it was handed; the peer may have to send it again.
    this.#context.handle(new InProcessExchange(this, { ...request }));
  }

  flush(): void {
    // Every request is taken as it comes.
  }

  /** Takes no more requests, drops those that wait, answers the rest, then closes. */
  end(): void {
    if (this.#state !== 'open') return;
    this.#state = 'ending';
    this.session.end();
    this.#context.turn.schedule(Phase.send, this);
  }

  /** Closes now. */
  destroy(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.session.end();
    const outgoing = this.#outgoing;
    this.#outgoing = [];
    for (const { delivery } of outgoing) delivery?.undelivered();
    this.#context.onClose(this);
    this.#peer.onClose(null);
  }

  // ---- for Turn --------------------------------------------------------------------------------

  endTurn(): void {
    const outgoing = this.#outgoing;
    this.#outgoing = [];
    for (const { reply, delivery } of outgoing) {
      if (this.closed) {
        delivery?.undelivered();
      } else {
        this.#peer.onMessage(reply);
        delivery?.delivered();
      }
    }
    const done = this.#inFlight === 0 && this.#outgoing.length === 0;
    if (this.#state === 'ending' && done) this.destroy();
  }

  // ---- for InProcessExchange -------------------------------------------------------------------

  get closed(): boolean {
    return this.#state === 'closed';
  }

  leaveFlight(): void {
    this.#inFlight--;
    if (this.#state === 'ending') this.#context.turn.schedule(Phase.send, this);
  }

  push(reply: Message, delivery: Delivery | null): void {
    this.#outgoing.push({ reply, delivery });
    this.#context.turn.schedule(Phase.send, this);
  }
}

class InProcessExchange implements Exchange {
  /** Who is in the process needs no token. */
  readonly grant = ANYONE;
  readonly request: Message;
  readonly id: string;
  /** Its peer asks for what it can take. */
  readonly congested = false;
  readonly #owner: InProcessConnection;
  #waits = false;
  #done = false;

  constructor(owner: InProcessConnection, request: Message) {
    this.#owner = owner;
    this.request = request;
    this.id = request.headers.get('id') ?? randomUUID();
  }

  get session(): Session {
    return this.#owner.session;
  }

  get alive(): boolean {
    if (this.#done || this.#owner.closed) return false;
    return !this.#waits || !this.session.ended;
  }

  answer(status: number, headerLines: string, body: string | Buffer): void {
    if (!this.alive) return;
    const bytes = typeof body === 'string' ? Buffer.from(body, 'latin1') : body;
    this.#complete();
    this.#owner.push(reply(status, this.id, headerLines, bytes), null);
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
    if (!more) this.#complete();
    this.#owner.push(delivered(this.id, headerLines, bytes.subarray(start, end)), delivery);
  }

  silence(): void {
    if (this.alive) this.#complete();
  }

  wait(): boolean {
    if (this.#done || this.#waits) return true;
    this.#waits = true;
    this.#owner.leaveFlight();
    return true;
  }

  #complete(): void {
    this.#done = true;
    if (!this.#waits) this.#owner.leaveFlight();
  }
}

/** The blank line is in `bytes`; or in `text`, with a body, or the beginning of it, behind it. */
function delivered(id: string, text: string, bytes: Buffer): Message {
  const textHeadEnd = text.indexOf(HEAD_END);
  if (textHeadEnd < 0) {
    const headEnd = bytes.indexOf(HEAD_END, 0, 'latin1');
    const lines = text + bytes.toString('latin1', 0, headEnd) + LINE_END;
    return reply(200, id, lines, bytes.subarray(headEnd + HEAD_END.length));
  }
  const lines = text.slice(0, textHeadEnd + LINE_END.length);
  const begun = Buffer.from(text.slice(textHeadEnd + HEAD_END.length), 'latin1');
  return reply(200, id, lines, begun.length === 0 ? bytes : Buffer.concat([begun, bytes]));
}

/** `headerLines` as the broker writes them: `name: value` and the end of the line. */
function reply(status: number, id: string, headerLines: string, body: Buffer): Message {
  const headers = new Map([['id', id]]);
  for (let start = 0; start < headerLines.length;) {
    const end = headerLines.indexOf(LINE_END, start);
    const colon = headerLines.indexOf(': ', start);
    headers.set(headerLines.slice(start, colon), headerLines.slice(colon + 2, end));
    start = end + LINE_END.length;
  }
  return { method: '', url: '', status, httpMinor: 1, headers, body };
}
