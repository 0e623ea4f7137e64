/**
 * Calls that wait for a service, in their order: a list linked through the calls, since most that
 * leave it otherwise (deadline, caller gone) leave it from the middle. Owned by RpcDesk.
 */
import type { RpcCall } from './rpc-call.js';

export class CallQueue {
  length = 0;
  first: RpcCall | null = null;
  #last: RpcCall | null = null;

  push(call: RpcCall): void {
    call.previous = this.#last;
    if (this.#last === null) this.first = call;
    else this.#last.next = call;
    this.#last = call;
    this.length++;
  }

  pushFront(call: RpcCall): void {
    call.next = this.first;
    if (this.first === null) this.#last = call;
    else this.first.previous = call;
    this.first = call;
    this.length++;
  }

  /** The call must be in the queue. */
  remove(call: RpcCall): void {
    const { previous, next } = call;
    if (previous === null) this.first = next;
    else previous.next = next;
    if (next === null) this.#last = previous;
    else next.previous = previous;
    call.previous = null;
    call.next = null;
    this.length--;
  }

  /** As it is now: an answer can end a session, and so take other calls out. */
  toArray(): RpcCall[] {
    const calls: RpcCall[] = [];
    for (let call = this.first; call !== null; call = call.next) calls.push(call);
    return calls;
  }
}
