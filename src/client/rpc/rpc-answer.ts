/** What a service answered, as it came. Made by RpcInvoker. */
import { Header, isPassedOn } from '../../protocol/headers.js';
import type { Message } from '../../protocol/message.js';
import { textOf } from '../../protocol/names.js';

/** The answer of a service to RpcInvoker.request. */
export class RpcAnswer {
  /** 200 to 599. */
  readonly status: number;
  readonly #message: Message;

  constructor(message: Message) {
    this.status = message.status;
    this.#message = message;
  }

  /** The service's own, under lower-case names. */
  get headers(): Readonly<Record<string, string>> {
    return passedOn(this.#message.headers);
  }

  /** '' when there is none. */
  get contentType(): string {
    return this.#message.headers.get(Header.contentType) ?? '';
  }

  /** A view: do not write into it. */
  get bytes(): Uint8Array {
    return this.#message.body;
  }

  /** The body as UTF-8. */
  text(): string {
    return this.#message.body.toString();
  }

  /** The body as JSON. Throws SyntaxError. */
  json(): unknown {
    return JSON.parse(this.text());
  }
}

/** The headers that are not zbus's own, as text. */
export function passedOn(headers: ReadonlyMap<string, string>): Record<string, string> {
  const own: Record<string, string> = {};
  for (const [name, value] of headers) if (isPassedOn(name)) own[name] = textOf(value);
  return own;
}
