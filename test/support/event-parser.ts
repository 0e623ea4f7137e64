/**
 * Server-sent events as a browser reads them: the parsing rules of the WHATWG HTML standard, 9.2.6,
 * followed line by line. Knows nothing of the broker.
 */
export interface ServerSentEvent {
  /** `message` unless the stream names another. */
  readonly type: string;
  readonly data: string;
  readonly lastEventId: string;
}

/** A CR at the end may be the first half of one. */
const LINE_END = /\r\n|\n|\r(?!$)/;

export class EventParser {
  /** The reconnection time that the stream asked for, in milliseconds. */
  retryMs: number | null = null;
  readonly comments: string[] = [];
  readonly #onEvent: (event: ServerSentEvent) => void;
  readonly #decoder = new TextDecoder();
  #parts: string[] = [];
  #data = '';
  #type = '';
  #lastEventId = '';

  constructor(onEvent: (event: ServerSentEvent) => void) {
    this.#onEvent = onEvent;
  }

  push(chunk: Uint8Array): void {
    const text = this.#decoder.decode(chunk, { stream: true });
    this.#parts.push(text);
    // A long line is put together once, not with each chunk.
    if (!/[\r\n]/.test(text)) return;
    let rest = this.#parts.join('');
    for (let end = LINE_END.exec(rest); end !== null; end = LINE_END.exec(rest)) {
      this.#onLine(rest.slice(0, end.index));
      rest = rest.slice(end.index + end[0].length);
    }
    this.#parts = [rest];
  }

  #onLine(line: string): void {
    if (line === '') {
      this.#dispatch();
    } else if (line.startsWith(':')) {
      this.comments.push(line.slice(1));
    } else {
      const colon = line.indexOf(':');
      const value = colon < 0 ? '' : line.slice(colon + 1);
      const field = colon < 0 ? line : line.slice(0, colon);
      this.#onField(field, value.startsWith(' ') ? value.slice(1) : value);
    }
  }

  #onField(field: string, value: string): void {
    if (field === 'event') this.#type = value;
    else if (field === 'data') this.#data += `${value}\n`;
    else if (field === 'id' && !value.includes('\0')) this.#lastEventId = value;
    else if (field === 'retry' && /^[0-9]+$/.test(value)) this.retryMs = Number(value);
  }

  #dispatch(): void {
    const [data, type] = [this.#data, this.#type];
    this.#data = '';
    this.#type = '';
    if (data === '') return;
    this.#onEvent({
      type: type === '' ? 'message' : type,
      data: data.slice(0, -1),
      lastEventId: this.#lastEventId,
    });
  }
}
