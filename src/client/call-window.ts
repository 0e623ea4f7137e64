/**
 * The calls of services that a broker owes an answer on this link. A broker stops reading from a
 * connection with too many unanswered requests; calls can take long, and behind them would wait the
 * answers of a service on the same connection, and every sign of life. So no more are sent than
 * leave it reading, and the others wait here in their order. Owned by Connection.
 */
import type { Call } from './call.js';

/** Less than half of the broker's inFlightMax: having stopped, it reads again below that half. */
const CALLS_MAX = 500;
/** The same of inFlightBytesMax. */
const BYTES_MAX = 3 * 1024 * 1024;

export class CallWindow {
  /** Sent, or about to be, with the bytes of their bodies. */
  readonly #owed = new Map<string, number>();
  readonly #waiting = new Set<Call>();
  #bytes = 0;

  /** True when the call may be sent; else `next` returns it later. */
  admit(call: Call): boolean {
    if (this.#owed.has(call.id)) return true;
    if (this.#waiting.size === 0 && this.#fits(call)) {
      this.#add(call);
      return true;
    }
    this.#waiting.add(call);
    return false;
  }

  /** The next that waited, if it may be sent now; it is counted from here on. */
  next(): Call | undefined {
    const [call] = this.#waiting;
    if (call === undefined || !this.#fits(call)) return undefined;
    this.#waiting.delete(call);
    this.#add(call);
    return call;
  }

  /** An answer to `id` is here, or none is owed any more; false when none was. */
  release(id: string): boolean {
    const bytes = this.#owed.get(id);
    if (bytes === undefined) return false;
    this.#owed.delete(id);
    this.#bytes -= bytes;
    return true;
  }

  /** Another link begins. */
  clear(): void {
    this.#owed.clear();
    this.#waiting.clear();
    this.#bytes = 0;
  }

  #fits({ request }: Call): boolean {
    const { size } = this.#owed;
    return size === 0 || (size < CALLS_MAX && this.#bytes + request.body.length <= BYTES_MAX);
  }

  #add({ id, request }: Call): void {
    this.#owed.set(id, request.body.length);
    this.#bytes += request.body.length;
  }
}
